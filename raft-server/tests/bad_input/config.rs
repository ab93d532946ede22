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
