//! How logs come to agree, whatever the network loses, delays or repeats.

use raft_testkit::{
    Cluster, Crash, append, append_response, commit_at, heartbeat, leader_is, log_at,
};

/// openraft 9540c904: a delayed append that ends before the log does must not truncate the entries
/// after it, which may be committed.
#[test]
fn delayed_shorter_append_truncates_nothing() {
    let mut c = Cluster::new(3);
    c.elect(1);
    c.propose(1, "add 1");
    c.send(append().to(2));
    c.duplicate(append().to(2));
    c.hold(append().to(2).nth(1));
    c.deliver_all();
    c.propose(1, "add 2");
    c.deliver_all();
    c.section("the copy of the first append arrives")
        .tests(&["log_replication/stale_append_keeps_log"]);
    c.expect_last(2, 3, 1);
    c.handle(append().to(2));
    c.expect_last(2, 3, 1);
    c.deliver_all();
    c.expect_last(2, 3, 1);
}

/// Raft §5.5: an append that arrives twice has no effect the second time.
#[test]
fn duplicate_append_has_no_effect() {
    let mut c = Cluster::new(3).scenario("an append twice").described(
        "A second copy of an append arrives. It changes nothing, and the command is \
         applied once.",
    );
    c.elect(1);
    c.section("twice").tests(&["log_replication/duplicate_append"]);
    let write = c.propose(1, "add 1");
    c.send(append());
    c.duplicate(append());
    c.deliver_all();
    c.expect(write).is_applied_with("1");
    c.heartbeat(1);
    c.deliver_all();
    c.expect_converged();
    assert_eq!(c.machine(2).total(), 1);
}

/// etcd-io/raft `async_storage_writes_append_aba_race`: the disk completes a write whose entries
/// are replaced meanwhile; that must not make their replacements count as durable.
#[test]
fn late_persist_does_not_make_replaced_entries_durable() {
    let mut c = Cluster::new(5);
    c.elect(1);
    c.section("node 2 is persisting an entry of term 1");
    c.disk_by_hand(2);
    c.propose(1, "add 1");
    c.deliver(append().to(2));
    c.drop_all();
    c.section("term 2 replaces it in memory");
    c.elect_with(3, &[4, 5]);
    c.deliver(append().from(3).to(2));
    c.expect_last(2, 2, 2);
    c.section("the first write completes").tests(&["durability/late_persist"]);
    c.complete_persists(2, 1);
    assert_eq!(c.status(2).persisted_index.get(), 1, "only the common entry");
    assert!(c.messages(&append_response().from(2).matched(true)).is_empty());
    c.complete_all_persists(2);
    c.deliver(append_response().from(2).matched(true));
    assert_eq!(c.status(3).progress[&raft_core::NodeId(2)].match_index.get(), 2);
}

/// hashicorp/raft #695: heartbeats that overtake appends and vote requests do no harm.
#[test]
fn reordered_heartbeats_have_no_effect_on_the_log() {
    let mut c = Cluster::new(3);
    c.elect(1);
    let write = c.propose(1, "add 1");
    c.send(append());
    c.hold(append());
    c.heartbeat(1);
    c.section("the heartbeat arrives before the append with its prev");
    c.deliver_all();
    c.expect_commit(2, 1);
    c.release(append());
    c.deliver_all();
    c.expect(write).is_applied();
    c.section("a heartbeat of the old leader arrives after a vote for another");
    c.heartbeat(1);
    c.send(heartbeat().to(2));
    c.hold(heartbeat().to(2));
    c.drop(heartbeat().to(3));
    c.campaign(3);
    c.deliver_until(leader_is(3));
    c.handle(heartbeat().from(1).to(2));
    c.deliver_all();
    c.expect_leader(3, 2);
    c.heartbeat(3);
    c.deliver_all();
    c.expect_converged();
}

/// CCF #2803 and #2835: when suffixes conflict, the follower's hint must be an index that the
/// leader can probe, or the leader never finds where the logs agree.
#[test]
fn leader_finds_the_last_common_entry_below_a_long_conflicting_suffix() {
    let mut c = Cluster::new(3);
    c.elect(1);
    c.cut_off(1);
    for _ in 0..20 {
        c.propose(1, "add 1");
    }
    c.drop(append().from(1));
    c.campaign(2);
    c.deliver_all();
    for _ in 0..3 {
        c.propose(2, "add 100");
        c.deliver_all();
    }
    c.heal();
    c.section("two exchanges find the place, whatever the length")
        .tests(&["log_replication/conflict_overwritten"]);
    c.heartbeat(2);
    c.deliver_until(log_at(2, 5).and(commit_at(1, 5)).within(12));
    c.deliver_all();
    c.heartbeat(2);
    c.deliver_all();
    c.expect_converged();
    assert_eq!(c.machine(1).total(), 300);
}

/// A follower whose conflicting suffix is longer than all that the leader ever sent must not be
/// treated as one that has every entry.
#[test]
fn longer_conflicting_suffix_is_not_taken_for_the_log_of_the_leader() {
    let mut c = Cluster::new(3).scenario("a suffix longer than what was sent").described(
        "A former leader has a conflicting suffix that is longer than all that the new \
         leader has sent to it. The new leader must not take it for a follower that has \
         every entry.",
    );
    c.section("the logs become equal").tests(&["log_replication/conflict_overwritten"]);
    c.elect(1);
    c.cut_off(1);
    for _ in 0..5 {
        c.propose(1, "add 1");
    }
    c.drop(append().from(1));
    c.campaign(2);
    c.deliver_all();
    c.heal();
    c.section("the leader's first append to it is lost, the heartbeat is not");
    c.propose(2, "add 100");
    c.lose(append().to(1).entries(1));
    c.send_all();
    c.lose_nothing();
    c.heartbeat(2);
    c.deliver_all();
    c.heartbeat(2);
    c.deliver_all();
    c.expect_converged();
    assert_eq!(c.machine(1).total(), 100);
}

/// When the responses of a full window are lost, only a repeated request of the leader frees it.
#[test]
fn full_window_whose_responses_are_lost_opens_again() {
    let mut c = Cluster::new(3).window(1, 1).scenario("a full window opens again").described(
        "The response that would free a full window is lost. The next heartbeat makes \
         the follower respond again.",
    );
    c.elect(1);
    for _ in 0..4 {
        c.propose(1, "add 1");
    }
    c.deliver(append().to(2));
    c.section("the response that would free the window is lost")
        .tests(&["log_replication/pipeline"]);
    c.drop(append_response().from(2));
    c.deliver_all();
    assert_eq!(c.status(2).last_log.index.get(), 2, "the window is full");
    c.heartbeat(1);
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.expect_converged();
}

/// Lost appends are sent again from the follower's match index on.
#[test]
fn lost_appends_are_retransmitted() {
    let mut c = Cluster::new(3).scenario("lost appends are sent again").described(
        "Appends to both followers are lost. The leader sends them again from the last \
         entry that each follower has acknowledged.",
    );
    c.section("two of ten appends arrive")
        .tests(&["log_replication/slow_follower_backdown", "log_replication/pipeline"]);
    c.elect(1);
    for _ in 0..5 {
        c.propose(1, "add 1");
    }
    c.drop(append().to(2).nth(1));
    c.drop(append().to(3));
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.expect_converged();
    assert_eq!(c.machine(3).total(), 5);
}

/// A follower that lost entries that were not durable receives them again: it had never
/// acknowledged them.
#[test]
fn follower_that_lost_its_unsynced_suffix_receives_it_again() {
    let mut c = Cluster::new(3).scenario("a lost unsynced suffix is sent again").described(
        "A follower crashes before two of three writes are durable. It had not \
         acknowledged them; the leader sends them again.",
    );
    c.elect(1);
    c.disk_by_hand(2);
    for _ in 0..3 {
        c.propose(1, "add 1");
    }
    c.deliver_all();
    c.crash(2, Crash::Keep(1));
    c.section("one of three writes survived").tests(&["durability/lose_unsynced"]);
    c.disk_at_once(2);
    c.restart(2);
    assert_eq!(c.status(2).last_log.index.get(), 2);
    for _ in 0..2 {
        c.heartbeat(1);
        c.deliver_all();
    }
    c.expect_converged();
}
