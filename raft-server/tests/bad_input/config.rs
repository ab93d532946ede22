//! Settings that cannot work.

use super::{check, check_with, run};
use crate::process::cluster::{BINARY, Cluster};

#[test]
fn a_right_configuration_passes() {
    check(&Cluster::new(3), &[]).expect(0, &["is fine", "3 members"]);
}

#[test]
fn the_election_timeout_must_be_well_above_the_heartbeat() {
    check(&Cluster::new(3), &["--election-timeout=100ms"])
        .expect(78, &["at most a third of election_timeout", "raise election_timeout to 300ms"]);
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let cluster = Cluster::new(3);
    let with = |variable: &str, flags: &[&str]| {
        let mut command = std::process::Command::new(BINARY);
        command.arg("check").arg("--config").arg(cluster.config(1)).args(flags);
        command.env("RAFT_SERVER_NODE_ID", variable);
        run(command, b"")
    };
    with("9", &[]).expect(78, &["node_id is 9 but members names 1, 2, 3"]);
    with("9", &["--node-id=1"]).expect(0, &["the configuration of node 1"]);
}

#[test]
fn two_members_with_one_id_are_refused() {
    check_with(&Cluster::new(3), "id = 2", "id = 3").expect(78, &["two members have the id 3"]);
}

#[test]
fn two_members_with_one_address_are_refused() {
    let cluster = Cluster::new(3);
    let first = cluster.ports(1).peer.to_string();
    let second = cluster.ports(2).peer.to_string();
    check_with(&cluster, &second, &first)
        .expect(78, &["member 1's peer address and member 2's peer address are both", &first]);
}

#[test]
fn an_address_that_nobody_can_reach_is_refused() {
    let cluster = Cluster::new(3);
    let port = cluster.ports(2).peer.port();
    let text = format!("127.0.0.1:{port}");
    check_with(&cluster, &text, &format!("0.0.0.0:{port}"))
        .expect(78, &["member 2's peer address", "every address of this machine"]);
}

#[test]
fn an_unknown_key_is_placed_and_the_nearest_is_named() {
    check_with(&Cluster::new(3), "data_dir", "data_dri").expect(
        78,
        &["node-1.toml, line 3, column 1: unknown key `data_dri`; did you mean `data_dir`?"],
    );
}

#[test]
fn an_unknown_flag_is_refused_with_the_nearest() {
    check(&Cluster::new(3), &["--election-timeuot=1s"]).expect(2, &["--election-timeout"]);
}

#[test]
fn every_problem_is_named_at_once() {
    let wrong = [
        "--node-id=7",
        "--heartbeat-interval=1s",
        "--log-level=a=b=c",
        "--storage-stall-timeout=1ms",
    ];
    let named = [
        "node_id is 7",
        "heartbeat_interval (1s)",
        "log_level `a=b=c`",
        "storage_stall_timeout (1ms)",
    ];
    check(&Cluster::new(3), &wrong).expect(78, &named);
}

/// A message that is longer than a frame is dropped each time that it is sent.
#[test]
fn an_append_must_fit_into_a_frame_of_the_transport() {
    let cluster = Cluster::new(3);
    let frame: u64 = 16 << 20;
    let most = frame - raft_core::wire::ENVELOPE_BYTES_MAX;
    check(&cluster, &[&format!("--limit-append-bytes={most}")]).expect(0, &["is fine"]);
    check(&cluster, &[&format!("--limit-append-bytes={}", most + 1)]).expect(
        78,
        &[&format!("limit_append_bytes ({}) must be at most {most}", most + 1), "16777216"],
    );
    let command = most - raft_core::Entry::COMMAND_OVERHEAD_BYTES;
    check(&cluster, &[&format!("--limit-command-bytes={command}")]).expect(0, &["is fine"]);
    check(&cluster, &[&format!("--limit-command-bytes={}", command + 1)])
        .expect(78, &[&format!("limit_command_bytes ({}) must be at most {command}", command + 1)]);
}

/// The budget is in bytes that entries take, which is more than their commands have.
#[test]
fn the_largest_command_must_fit_into_the_budget() {
    let cluster = Cluster::new(3);
    check(&cluster, &["--limit-command-bytes=1MiB", "--limit-unapplied-bytes=1MiB"]).expect(
        78,
        &[
            "limit_command_bytes (1048576) needs a limit_unapplied_bytes of at least",
            "but that is 1048576",
            "raise limit_unapplied_bytes or lower limit_command_bytes",
        ],
    );
    let enough = (1 << 20) + raft_core::Entry::COMMAND_OVERHEAD_BYTES;
    let enough = format!("--limit-unapplied-bytes={enough}");
    check(&cluster, &["--limit-command-bytes=1MiB", &enough]).expect(0, &["is fine"]);
}

#[test]
fn an_even_number_of_voters_is_warned_of() {
    check(&Cluster::new(4), &[]).expect(0, &["4 members: an even number"]);
}

#[test]
fn a_missing_file_is_named() {
    let mut command = std::process::Command::new(BINARY);
    command.args(["serve", "--config", "/nowhere/node.toml"]);
    run(command, b"").expect(78, &["/nowhere/node.toml", "No such file"]);
}
