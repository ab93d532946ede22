use raft_testkit::{Cluster, Crash, append, append_response, pre_vote};

use super::{cluster, exchange, finish, heartbeat_without, step};

const TITLE: &str = "A command step by step, with the features that each section uses and tests";

#[test]
fn a_command_with_its_features_has_the_recorded_rows() {
    finish(&run(), include_str!("data/test_feature_defs_3.json"));
}

pub(super) fn run() -> Cluster {
    let mut c = cluster("test_feature_defs_3", TITLE).described(
        "A command from the client to the state machines, with a redirect, a retry and a crash. \
         Each section names the features of Raft that it relies on and those that it tests.",
    );
    c.section("An election, until every node has its first entry")
        .uses(&["log_replication"])
        .tests(&["leader_election/all_yes_votes_with_pre_vote"]);
    c.start();
    c.campaign(1);
    c.deliver_all();

    c.section("A command, and the heartbeat with its commit index")
        .uses(&["log_replication"])
        .tests(&[
            "state_machine_command/all_in_sync",
            "state_machine_command/commit_with_heartbeat",
        ]);
    let write = c.propose(1, "add 1");
    exchange(&mut c, 1, 2);
    exchange(&mut c, 1, 3);
    c.expect(write).is_applied_with("1");
    c.heartbeat(1);
    c.send(append().from(1));
    c.handle(append().from(1));

    c.section("A follower redirects")
        .uses(&["state_machine_command"])
        .tests(&["state_machine_command/request_redirect"]);
    let elsewhere = c.propose(3, "add 1");
    c.expect(elsewhere).is_redirected_to(1);

    c.section("A candidate refuses a command for now")
        .uses(&["leader_election"])
        .tests(&["state_machine_command/request_retry"]);
    c.campaign(3);
    c.drop(pre_vote().from(3));
    let too_early = c.propose(3, "add 1");
    c.expect(too_early).is_to_be_retried();

    the_candidate_yields(&mut c);
    one_follower_is_enough(&mut c);

    c.section("The follower restarts and catches up").uses(&["durability"]).tests(&[
        "log_replication/slow_follower_backdown",
        "state_machine_command/apply_on_delayed_replication",
    ]);
    c.restart(3);
    c.heartbeat(1);
    exchange(&mut c, 1, 2);
    exchange(&mut c, 1, 3);
    c.deliver_all();
    c.expect_converged();
    c
}

fn the_candidate_yields(c: &mut Cluster) {
    c.section("A heartbeat makes the candidate a follower")
        .uses(&["log_replication/heartbeat_only"])
        .tests(&["leader_election/candidate_yields"]);
    step(c, append_response().from(2));
    c.heartbeat(1);
    step(c, append().from(1).to(2));
    c.send(append_response().from(2));
    step(c, append_response().from(3));
    step(c, append().from(1).to(3));
    c.expect_follower(3, 1);
    c.send(append_response().from(3));
    c.handle(append_response().from(2));
    c.handle(append_response().from(3));
}

fn one_follower_is_enough(c: &mut Cluster) {
    c.section("A follower crashes; two commands commit without it")
        .uses(&["log_replication"])
        .tests(&["state_machine_command/minimal_node_count"]);
    c.crash(3, Crash::LoseUnsynced);
    let second = c.propose(1, "add 1");
    c.send(append().from(1));
    c.handle(append().to(2));
    step(c, append_response().from(2));
    c.drop(append().to(3));
    heartbeat_without(c, 1, 3);
    step(c, append().from(1).to(2));
    c.expect(second).is_applied_with("2");
    let third = c.propose(1, "add 1");
    c.send(append().from(1).to(2));
    c.send(append_response().from(2));
    c.handle(append().to(2));
    c.send(append_response().from(2));
    c.handle(append_response().from(2));
    heartbeat_without(c, 1, 3);
    step(c, append().from(1).to(2));
    c.expect(third).is_applied_with("3");
    step(c, append_response().from(2));
    c.heartbeat(1);
    exchange(c, 1, 2);
    c.send(append().from(1).to(3));
    c.drop(append().to(3));
}
