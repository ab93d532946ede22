//! Five scenarios, message by message. The trace of each is compared row by row with the recorded
//! rows of another Raft engine, which are in `data`.

mod command;
mod compare;
mod feature_definitions;
mod follower_explodes;
mod follower_rewrite;
mod scenario_files;
mod slow_voter;

use raft_core::ApplyFailurePolicy;
use raft_testkit::{Cluster, Selector, append, append_response, heartbeat};

/// Three nodes, at most one entry in an append and one append in flight to each follower.
fn cluster(name: &str, title: &str) -> Cluster {
    Cluster::new(3)
        .scenario(title)
        .named(name)
        .window(1, 1)
        .apply_failure(ApplyFailurePolicy::Retry)
}

/// One message is sent and handled.
fn step(c: &mut Cluster, select: Selector) {
    c.send(select.clone().nth(0));
    c.handle(select.nth(0));
}

/// An append from the leader to a follower, and the response.
fn exchange(c: &mut Cluster, leader: u64, follower: u64) {
    step(c, append().from(leader).to(follower));
    step(c, append_response().from(follower).to(leader));
}

/// The heartbeats of the leader, without those to one node.
fn heartbeat_without(c: &mut Cluster, leader: u64, without: u64) {
    c.heartbeat(leader);
    c.drop(heartbeat().from(leader).to(without));
}

/// Ends a scenario: its trace is written in every format and compared with the rows.
fn finish(c: &Cluster, rows: &str) {
    c.save_trace();
    compare::assert_same_rows(rows, &c.trace());
}
