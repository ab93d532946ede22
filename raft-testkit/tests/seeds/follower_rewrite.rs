use raft_testkit::{Cluster, append, append_response};

use super::{cluster, exchange, finish, heartbeat_without, step};

const TITLE: &str = "The entries of an isolated leader are replaced";

#[test]
fn entries_of_an_isolated_leader_are_replaced() {
    finish(&run(), include_str!("data/test_follower_rewrite_1.json"));
}

pub(super) fn run() -> Cluster {
    let mut c = cluster("test_follower_rewrite_1", TITLE).described(
        "An isolated leader appends two commands. They are not committed: the other nodes elect \
         a new leader, and its entries replace them.",
    );
    c.start();
    c.section("An election")
        .uses(&["log_replication"])
        .tests(&["leader_election/all_yes_votes_with_pre_vote"]);
    c.campaign(1);
    c.deliver_all();

    c.section("The leader is isolated and appends two commands")
        .uses(&["state_machine_command"])
        .tests(&["network_partition/minority_leader"]);
    c.cut_off(1);
    for _ in 0..2 {
        let lost = c.propose(1, "add 1");
        c.expect(lost).is_timed_out();
    }
    c.drop(append().from(1));

    c.section("Node 2 is elected").uses(&["network_partition"]).tests(&["leader_election"]);
    c.campaign(2);
    c.deliver_all();
    c.expect_leader(2, 2);

    c.section("The old leader steps down; the new leader commits a command")
        .uses(&["log_replication"])
        .tests(&["state_machine_command/minimal_node_count"]);
    c.step_down(1);
    let kept = c.propose(2, "sub 1");
    exchange(&mut c, 2, 3);
    heartbeat_without(&mut c, 2, 1);
    step(&mut c, append().from(2).to(3));
    c.expect(kept).is_applied_with("-1");
    step(&mut c, append_response().from(3));

    c.section("The network heals: the entries of the old leader are removed")
        .uses(&["leader_election/higher_term_steps_down"])
        .tests(&["log_replication/conflict_overwritten"]);
    c.heal();
    c.heartbeat(2);
    exchange(&mut c, 2, 1);
    exchange(&mut c, 2, 3);
    c.deliver_all();
    c.expect_converged();
    assert_eq!(c.durable_commands(1), ["sub 1"]);
    c
}
