//! Entries that a leader no longer holds in memory and reads back for its followers.

use raft_core::{Body, Entry, Message, NodeId, RoleKind};
use raft_testkit::{Cluster, Crash, append};

/// A leader that holds almost nothing in memory, and nodes that were stopped before the last
/// commands: after their restart the leader has to read the entries that they lack from its store.
fn cluster_with_lagging(mut c: Cluster, lagging: &[u64], commands: u64) -> Cluster {
    c.elect(1);
    for &node in lagging {
        c.crash(node, Crash::LoseUnsynced);
    }
    for _ in 0..commands {
        c.propose(1, "add 1");
        c.deliver_all();
    }
    c.disk_by_hand(1);
    for &node in lagging {
        c.restart(node);
    }
    c
}

fn small_tail(size: usize) -> Cluster {
    Cluster::new(size).config(|config| config.limits.tail_bytes_max = 1)
}

/// Heartbeats are more frequent than the results of a slow store. If a heartbeat discarded the
/// request, its result would be ignored and the follower would never advance.
#[test]
fn lagging_follower_advances_although_a_heartbeat_precedes_every_fetch_result() {
    let c = small_tail(3).scenario("heartbeats overtake the store").described(
        "A leader reads entries for a lagging follower from a slow store. Heartbeats \
         between the request and its result must not discard the request.",
    );
    let mut c = cluster_with_lagging(c, &[3], 3);
    c.section("each result arrives after a heartbeat")
        .tests(&["log_replication/entries_from_the_store"]);
    for _ in 0..20 {
        c.heartbeat(1);
        c.deliver_all();
        c.heartbeat(1);
        c.complete_fetch(1);
        c.deliver_all();
    }
    c.expect_last(3, 4, 1);
}

/// Each read from clients begins a round of heartbeats. None of them may repeat a request that
/// the store has not completed.
#[test]
fn many_read_rounds_leave_one_pending_fetch_for_each_follower() {
    let c = Cluster::new(5).config(|config| {
        config.limits.tail_bytes_max = 1;
        config.limits.append_entries_max = 1;
    });
    let mut c = cluster_with_lagging(c, &[4, 5], 8);
    let mut most = 0;
    for round in 0..100 {
        c.read(1);
        c.deliver_all();
        if round % 7 == 0 {
            c.heartbeat(1);
            c.deliver_all();
        }
        most = most.max(c.waiting_fetches(1).len());
        if round % 10 == 9 {
            c.complete_fetch(1);
        }
    }
    assert!((1..=2).contains(&most), "{most} pending fetches for two followers");
    for _ in 0..40 {
        c.heartbeat(1);
        c.deliver_all();
        c.complete_fetch(1);
        c.deliver_all();
    }
    c.expect_last(4, 9, 1);
    c.expect_last(5, 9, 1);
}

/// Two followers that wait for the same entries share one read.
#[test]
fn followers_that_wait_for_the_same_entries_share_one_fetch() {
    let mut c = cluster_with_lagging(small_tail(5), &[4, 5], 3);
    c.heartbeat(1);
    c.deliver_all();
    assert_eq!(c.waiting_fetches(1).len(), 1, "both need the entries from index 2 on");
    c.complete_fetch(1);
    c.deliver_all();
    c.expect_last(4, 4, 1);
    c.expect_last(5, 4, 1);
}

/// A store may return more entries than one append may carry: the limits hold all the same.
#[test]
fn fetched_entries_obey_the_limits_of_an_append_and_of_the_window() {
    let weight = Entry::command(raft_core::LogId::ORIGIN, "add 1".into()).weight_bytes();
    let bytes_max = 3 * weight - 1;
    let c = Cluster::new(3).config(move |config| {
        config.limits.tail_bytes_max = 1;
        config.limits.append_bytes_max = bytes_max;
        config.limits.inflight_appends_max = 2;
    });
    let mut c = cluster_with_lagging(c, &[3], 12);
    let mut largest = 0;
    for _ in 0..12 {
        c.heartbeat(1);
        c.deliver_all();
        c.complete_fetch(1);
        for message in c.messages(&append().from(1).to(3)) {
            largest = largest.max(weight_of(message));
        }
        let in_flight = c.status(1).progress[&NodeId(3)].inflight_appends;
        assert!(in_flight <= 2, "{in_flight} appends in a window of two");
        c.deliver_all();
    }
    c.expect_last(3, 13, 1);
    assert!(largest <= bytes_max, "{largest} bytes in an append of at most {bytes_max}");
}

fn weight_of(message: &Message) -> u64 {
    let Body::AppendEntries(append) = message.body() else { return 0 };
    append.entries().iter().map(Entry::weight_bytes).sum()
}

/// A fetch of an earlier leadership is still pending in the next one: it is counted, and its result
/// is used as far as the entries are still in the log.
#[test]
fn new_leadership_does_not_repeat_a_pending_fetch() {
    let mut c = cluster_with_lagging(small_tail(3), &[3], 3);
    c.heartbeat(1);
    c.deliver_all();
    assert_eq!(c.waiting_fetches(1).len(), 1);
    for _ in 0..3 {
        c.step_down(1);
        c.drop_all();
        c.campaign(1);
        for _ in 0..3 {
            c.deliver_all();
            c.complete_all_persists(1);
        }
        assert_eq!(c.status(1).role, RoleKind::Leader);
        c.heartbeat(1);
        c.deliver_all();
        assert_eq!(c.waiting_fetches(1).len(), 1, "one for follower 3");
    }
    for _ in 0..6 {
        c.heartbeat(1);
        c.complete_fetch(1);
        c.complete_all_persists(1);
        c.deliver_all();
    }
    c.expect_last(3, 7, 4);
}
