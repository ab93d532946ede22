//! Messages depend on durable state, and durable state is enough after a crash.

use raft_core::RoleKind;
use raft_testkit::{Cluster, Crash, append, append_response, vote, vote_response};

/// Raft §5.6: a vote is sent only when it is durable.
#[test]
fn vote_waits_for_the_disk() {
    let mut c = Cluster::new(3).pre_vote(false).scenario("a vote waits for the disk").described(
        "A voter has written its vote in memory. It responds when the disk has reported \
         the write as durable, not before.",
    );
    c.disk_by_hand(2);
    c.campaign(1);
    c.deliver(vote().to(2));
    c.section("no vote before the write").tests(&["durability/response_waits_for_persist"]);
    assert!(c.messages(&vote_response()).is_empty());
    c.write_persists(2, 1);
    assert!(c.messages(&vote_response()).is_empty(), "durable, but not reported to the node");
    c.report_persisted(2);
    c.deliver(vote_response());
    c.expect_leader(1, 1);
}

/// A voter that crashes before its vote is durable may vote again.
#[test]
fn vote_that_was_not_durable_is_lost_in_a_crash() {
    let mut c = Cluster::new(3).pre_vote(false);
    c.disk_by_hand(2);
    c.campaign(1);
    c.campaign(3);
    c.deliver(vote().from(1).to(2));
    c.crash(2, Crash::LoseUnsynced);
    c.disk_at_once(2);
    c.restart(2);
    c.deliver(vote().from(3).to(2));
    c.deliver(vote_response().from(2).granted(true));
    c.expect_leader(3, 1);
}

/// A vote that became durable before the crash is final.
#[test]
fn vote_that_was_durable_before_a_crash_binds() {
    let mut c = Cluster::new(3).pre_vote(false);
    c.disk_by_hand(2);
    c.campaign(1);
    c.campaign(3);
    c.deliver(vote().from(1).to(2));
    c.crash(2, Crash::KeepAll);
    c.disk_at_once(2);
    c.restart(2);
    c.deliver(vote().from(3).to(2));
    c.deliver(vote_response().from(2).granted(false));
    assert_eq!(c.status(3).role, RoleKind::Candidate);
}

/// A candidate requests votes only when its own is durable, and counts it only then.
#[test]
fn candidate_requests_votes_when_its_own_vote_is_durable() {
    let mut c = Cluster::new(3).pre_vote(false);
    c.disk_by_hand(1);
    c.campaign(1);
    assert!(c.messages(&vote()).is_empty());
    c.complete_all_persists(1);
    assert_eq!(c.messages(&vote()).len(), 2);
}

/// etcd #14370: a cluster of one must not respond before the entry is durable.
#[test]
fn single_node_responds_only_when_the_entry_is_durable() {
    let mut c = Cluster::new(1);
    c.campaign(1);
    c.section("the write waits").tests(&["leader_election/single_node"]);
    c.disk_by_hand(1);
    let write = c.propose(1, "add 1");
    c.expect(write).is_pending();
    c.expect_commit(1, 1);
    let mut other = c.fork();
    c.complete_all_persists(1);
    c.expect(write).is_applied_with("1");
    other.crash(1, Crash::LoseUnsynced);
    other.expect(write).is_unknown();
    other.disk_at_once(1);
    other.restart(1);
    other.campaign(1);
    assert_eq!(other.machine(1).total(), 0, "no client got a response for it");
}

/// A follower's response waits for its disk.
#[test]
fn follower_acknowledges_only_durable_entries() {
    let mut c = Cluster::new(3);
    c.elect(1);
    c.disk_by_hand(2);
    c.crash(3, Crash::LoseUnsynced);
    let write = c.propose(1, "add 1");
    c.deliver_all();
    c.expect(write).is_pending();
    c.heartbeat(1);
    c.deliver_all();
    c.expect(write).is_pending();
    c.complete_all_persists(2);
    c.deliver_all();
    c.expect(write).is_applied();
}

/// thesis §10.2.1: the leader's disk works in parallel to the network; a majority without it
/// commits.
#[test]
fn leader_with_a_slow_disk_commits_with_the_copies_of_its_followers() {
    let mut c = Cluster::new(3).scenario("a leader with a slow disk").described(
        "Both followers have a command before it is durable at the leader. It is \
         committed, and the leader applies it when its own copy is durable.",
    );
    c.elect(1);
    c.disk_by_hand(1);
    let write = c.propose(1, "add 1");
    c.section("both followers have it").tests(&["durability/leader_disk_in_parallel"]);
    c.deliver_all();
    c.expect_commit(1, 2);
    assert_eq!(c.status(1).applied_index.get(), 1, "not applied ahead of its own log");
    c.expect(write).is_pending();
    c.complete_all_persists(1);
    c.expect(write).is_applied();
}

/// The leader's own copy counts once it is durable, not before.
#[test]
fn copy_of_the_leader_counts_only_when_it_is_durable() {
    let mut c = Cluster::new(3);
    c.elect(1);
    c.disk_by_hand(1);
    c.propose(1, "add 1");
    c.deliver(append().to(2));
    c.deliver(append_response().from(2));
    c.expect_commit(1, 1);
    c.complete_all_persists(1);
    c.expect_commit(1, 2);
}

/// A persist that is reported a second time, late, changes nothing.
#[test]
fn repeated_persist_report_has_no_effect() {
    let mut c = Cluster::new(3);
    c.elect(1);
    c.disk_by_hand(2);
    c.propose(1, "add 1");
    c.propose(1, "add 2");
    c.deliver_all();
    c.complete_persists(2, 1);
    let durable = c.status(2).persisted_index;
    c.report_again(2, 1);
    assert_eq!(c.status(2).persisted_index, durable);
}

/// A disk that fails stops its node; the others continue, and it rejoins after a restart.
#[test]
fn failing_disk_stops_only_its_own_node() {
    let mut c = Cluster::new(3);
    c.elect(1);
    c.fail_next_write(2);
    let write = c.propose(1, "add 1");
    c.deliver_all();
    c.expect(write).is_applied();
    assert_eq!(c.status(2).last_log.index.get(), 2);
    c.restart(2);
    assert_eq!(c.status(2).last_log.index.get(), 1, "the failed write is not in the log");
    for _ in 0..2 {
        c.heartbeat(1);
        c.deliver_all();
    }
    c.expect_converged();
}
