use raft_testkit::{Cluster, Crash, any, append, append_response};

use super::{cluster, exchange, finish, heartbeat_without, step};

const TITLE: &str = "A command step by step, with a redirect, a retry and a crash";

#[test]
fn a_command_step_by_step_has_the_recorded_rows() {
    finish(&run(), include_str!("data/test_command_1.json"));
}

pub(super) fn run() -> Cluster {
    let mut c = cluster("test_command_1", TITLE).described(
        "A command from the client to the state machines. A follower redirects a client; a \
         candidate refuses a command for now and becomes a follower at a heartbeat; a follower \
         crashes, misses two commands and catches up.",
    );
    c.start();
    c.section("An election").tests(&["leader_election/all_yes_votes_with_pre_vote"]);
    c.campaign(3);
    c.deliver_all();

    c.section("A command, until the leader commits it")
        .uses(&["log_replication"])
        .tests(&["state_machine_command/all_in_sync"]);
    let write = c.propose(3, "add 1");
    exchange(&mut c, 3, 1);
    exchange(&mut c, 3, 2);
    c.expect(write).is_applied_with("1");

    c.section("A heartbeat carries the commit index to the followers")
        .uses(&["log_replication/heartbeat_only"])
        .tests(&["state_machine_command/commit_with_heartbeat"]);
    c.heartbeat(3);
    c.send(append().from(3));
    c.handle(append().from(3));
    c.expect_commit(1, 2);
    c.expect_commit(2, 2);

    c.section("A follower redirects")
        .uses(&["state_machine_command"])
        .tests(&["state_machine_command/request_redirect"]);
    let elsewhere = c.propose(1, "add 1");
    c.expect(elsewhere).is_redirected_to(3);

    c.section("A candidate refuses a command for now")
        .uses(&["leader_election"])
        .tests(&["state_machine_command/request_retry"]);
    c.campaign(1);
    c.drop(raft_testkit::pre_vote().from(1));
    let too_early = c.propose(1, "add 1");
    c.expect(too_early).is_to_be_retried();

    the_candidate_becomes_a_follower(&mut c);
    commands_commit_without_a_follower(&mut c);

    c.section("The follower restarts and catches up").uses(&["durability"]).tests(&[
        "log_replication/slow_follower_backdown",
        "state_machine_command/apply_on_delayed_replication",
    ]);
    c.restart(1);
    c.heartbeat(3);
    exchange(&mut c, 3, 1);
    exchange(&mut c, 3, 2);
    c.deliver_all();
    c.expect_converged();
    assert_eq!(c.machine(1).total(), 3);
    c
}

fn the_candidate_becomes_a_follower(c: &mut Cluster) {
    c.section("A heartbeat makes the candidate a follower")
        .uses(&["log_replication/heartbeat_only"])
        .tests(&["leader_election/candidate_yields"]);
    step(c, append_response().from(1));
    c.heartbeat(3);
    step(c, append().from(3).to(1));
    c.expect_follower(1, 1);
    c.send(append_response().from(1));
    step(c, append_response().from(2));
    step(c, append().from(3).to(2));
    c.send(append_response().from(2));
    c.handle(append_response().from(1));
    c.handle(append_response().from(2));
}

fn commands_commit_without_a_follower(c: &mut Cluster) {
    c.section("A follower crashes; two commands commit without it")
        .uses(&["log_replication"])
        .tests(&["state_machine_command/minimal_node_count"]);
    c.crash(1, Crash::LoseUnsynced);
    let second = c.propose(3, "add 1");
    c.send(append().from(3));
    c.handle(append().to(2));
    step(c, append_response().from(2));
    c.drop(append().to(1));
    heartbeat_without(c, 3, 1);
    step(c, append().from(3).to(2));
    c.expect(second).is_applied_with("2");
    let third = c.propose(3, "add 1");
    c.send(append_response().from(2));
    c.send(append().from(3).to(2));
    c.handle(append_response().from(2));
    c.handle(append().to(2));
    step(c, append_response().from(2));
    c.expect(third).is_applied_with("3");
    heartbeat_without(c, 3, 1);
    exchange(c, 3, 2);
    c.heartbeat(3);
    c.send(append().from(3));
    c.handle(any().to(1));
    c.handle(append().to(2));
    step(c, append_response().from(2));
}
