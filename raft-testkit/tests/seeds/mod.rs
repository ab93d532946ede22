//! Five scenarios told message by message, each compared row by row with the facts of another
//! engine. The rows under `data` are compared with what was told here, never read to tell it.

mod command;
mod compare;
mod feature_definitions;
mod follower_explodes;
mod follower_rewrite;
mod scenario_files;
mod slow_voter;

use raft_core::ApplyFailurePolicy;
use raft_testkit::{Cluster, Selector, append, append_response, heartbeat};

/// Three nodes, one entry an append, one append under way to a follower.
fn cluster(name: &str, title: &str) -> Cluster {
    Cluster::new(3)
        .scenario(title)
        .named(name)
        .window(1, 1)
        .apply_failure(ApplyFailurePolicy::Retry)
}

/// One message leaves its outbox and is handled.
fn step(c: &mut Cluster, select: Selector) {
    c.send(select.clone().nth(0));
    c.handle(select.nth(0));
}

/// An append goes from the leader to a follower, and the answer back.
fn exchange(c: &mut Cluster, leader: u64, follower: u64) {
    step(c, append().from(leader).to(follower));
    step(c, append_response().from(follower).to(leader));
}

/// The leader's heartbeats, without the ones to a node that shall not see them.
fn heartbeat_without(c: &mut Cluster, leader: u64, without: u64) {
    c.heartbeat(leader);
    c.drop(heartbeat().from(leader).to(without));
}

/// Ends a scenario: its trace is written in every form, and agrees with the rows.
fn finish(c: &Cluster, rows: &str) {
    c.save_trace();
    compare::assert_same_rows(rows, &c.trace());
}
