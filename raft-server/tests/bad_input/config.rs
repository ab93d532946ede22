//! Invalid settings.

use super::{check, check_with, run};
use crate::process::cluster::{BINARY, Cluster};

#[test]
fn valid_configuration_passes() {
    check(&Cluster::new(3), &[]).expect(0, &["is valid", "3 members"]);
}

#[test]
fn election_timeout_is_at_least_three_heartbeats() {
    check(&Cluster::new(3), &["--election-timeout=100ms"])
        .expect(78, &["at most a third of election_timeout", "raise election_timeout to 300ms"]);
}

#[test]
fn flag_overrides_the_environment_which_overrides_the_file() {
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
fn unspecified_address_of_a_member_is_refused() {
    let cluster = Cluster::new(3);
    let port = cluster.ports(2).peer.port();
    let text = format!("127.0.0.1:{port}");
    check_with(&cluster, &text, &format!("0.0.0.0:{port}"))
        .expect(78, &["member 2's peer address", "is the unspecified address"]);
}

#[test]
fn unknown_key_is_located_and_a_similar_one_is_named() {
    check_with(&Cluster::new(3), "data_dir", "data_dri").expect(
        78,
        &["node-1.toml, line 3, column 1: unknown key `data_dri`; did you mean `data_dir`?"],
    );
}

#[test]
fn unknown_flag_is_refused_and_a_similar_one_is_named() {
    check(&Cluster::new(3), &["--election-timeuot=1s"]).expect(2, &["--election-timeout"]);
}

#[test]
fn all_problems_are_reported_at_once() {
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

/// The transport drops a message that is longer than a frame each time that it is sent.
#[test]
fn append_must_fit_into_a_frame_of_the_transport() {
    let cluster = Cluster::new(3);
    let frame: u64 = 16 << 20;
    let most = frame - raft_core::wire::ENVELOPE_BYTES_MAX;
    check(&cluster, &[&format!("--limit-append-bytes={most}")]).expect(0, &["is valid"]);
    check(&cluster, &[&format!("--limit-append-bytes={}", most + 1)]).expect(
        78,
        &[&format!("limit_append_bytes ({}) must be at most {most}", most + 1), "16777216"],
    );
    let command = most - raft_core::Entry::COMMAND_OVERHEAD_BYTES;
    check(&cluster, &[&format!("--limit-command-bytes={command}")]).expect(0, &["is valid"]);
    check(&cluster, &[&format!("--limit-command-bytes={}", command + 1)])
        .expect(78, &[&format!("limit_command_bytes ({}) must be at most {command}", command + 1)]);
}

/// The budget is in bytes of entries, which are larger than their commands.
#[test]
fn largest_command_must_fit_into_the_budget() {
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
    check(&cluster, &["--limit-command-bytes=1MiB", &enough]).expect(0, &["is valid"]);
}

#[test]
fn check_warns_of_an_even_number_of_voters() {
    check(&Cluster::new(4), &[]).expect(0, &["4 members: an even number"]);
}

#[test]
fn missing_file_is_named() {
    let mut command = std::process::Command::new(BINARY);
    command.args(["serve", "--config", "/nowhere/node.toml"]);
    run(command, b"").expect(78, &["/nowhere/node.toml", "No such file"]);
}
