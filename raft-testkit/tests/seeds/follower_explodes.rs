use raft_testkit::{Cluster, append, append_response};

use super::{cluster, exchange, finish, step};

const TITLE: &str = "A follower's state machine fails at a command";

#[test]
fn a_command_succeeds_although_a_follower_cannot_apply_it() {
    finish(&run(), include_str!("data/test_follower_explodes_in_command.json"));
}

pub(super) fn run() -> Cluster {
    let mut c = cluster("test_follower_explodes_in_command", TITLE).described(
        "A quorum commits the command and the client receives the output. The follower has \
         committed the command but not applied it. When its state machine works again, it \
         applies the command at the next heartbeat.",
    );
    c.start();
    c.section("An election and a command")
        .uses(&["leader_election/all_yes_votes_with_pre_vote"])
        .tests(&["state_machine_command/all_in_sync"]);
    c.campaign(1);
    c.deliver_all();
    let first = c.propose(1, "add 1");
    c.deliver_all();
    c.heartbeat(1);
    c.send(append().from(1));
    c.handle(append().from(1));
    c.expect(first).is_applied_with("1");

    c.section("The state machine of node 3 fails at the next command")
        .uses(&["log_replication"])
        .tests(&["state_machine_command/follower_apply_fails"]);
    c.fail_commands(3);
    let second = c.propose(1, "add 1");
    c.send(append().from(1));
    c.send(append_response().from(2));
    c.handle(append().to(2));
    c.send(append_response().from(2));
    c.handle(append_response().from(2));
    c.heartbeat(1);
    c.send(append().from(1));
    c.handle(append().to(2));
    c.expect(second).is_applied_with("2");
    c.send(append_response().from(2));
    c.handle(append().to(3).nth(0));
    c.send(append_response().from(3).nth(0));
    c.handle(append_response().from(2));
    c.handle(append().to(3));
    c.expect_commit(3, 3);
    assert_eq!(c.status(3).applied_index.get(), 2, "committed, and not applied");
    c.send(append_response().from(3).nth(0));
    c.handle(append_response().from(3));
    step(&mut c, append_response().from(3));

    c.section("The state machine works again: the follower applies at the next heartbeat")
        .uses(&["log_replication/heartbeat_only"])
        .tests(&["state_machine_command/follower_apply_fails"]);
    c.clear_command_failures(3);
    c.heartbeat(1);
    exchange(&mut c, 1, 2);
    exchange(&mut c, 1, 3);
    c.expect_converged();
    assert_eq!(c.machine(3).total(), 2);
    c
}
