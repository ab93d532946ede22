//! Followers that need compacted entries are replicated by a snapshot (Raft §7), and the places
//! where a snapshot meets something else.

use raft_core::{ApplyFailurePolicy, Body, NodeId, ProgressKind, ProgressStatus, SnapshotStage};
use raft_testkit::{
    Cluster, Crash, append, append_response, handled, heartbeat, install_snapshot, leader_is, sent,
};

/// Node 1 leads with a log that begins after its last command; node 3 has only the first entry.
fn cluster_with_compacted_log(c: Cluster, commands: u64) -> Cluster {
    let mut c = c.keep(0);
    c.elect(1);
    c.cut_off(3);
    for _ in 0..commands {
        c.propose(1, "add 1");
        c.deliver_all();
    }
    c.take_snapshot(1);
    c.compact(1);
    c.expect_base(1, commands + 1);
    c.heal();
    c
}

fn progress_of(c: &Cluster, follower: u64) -> ProgressStatus {
    c.status(1).progress[&NodeId(follower)]
}

fn stage_of(c: &Cluster, follower: u64) -> Option<SnapshotStage> {
    progress_of(c, follower).snapshot.map(|snapshot| snapshot.stage)
}

#[test]
fn follower_that_needs_compacted_entries_gets_a_snapshot_and_then_entries() {
    let mut c = cluster_with_compacted_log(
        Cluster::new(3).scenario("a snapshot").described(
            "A follower lacks entries that the leader has compacted. It gets a snapshot, \
         and then the entries after it.",
        ),
        3,
    );
    c.section("a snapshot").tests(&["snapshots/slow_follower"]);
    c.heartbeat(1);
    c.deliver_all();
    c.expect_last(3, 4, 1);
    c.expect_base(3, 4);
    c.heartbeat(1);
    c.deliver_all();
    assert_eq!(c.machine(3).total(), 3);
    c.propose(1, "add 1");
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.expect_converged();
    assert_eq!(c.machine(3).total(), 4);
    assert_eq!(progress_of(&c, 3).kind, ProgressKind::Replicate);
}

/// A heartbeat that is rejected while the snapshot is on its way starts no second transfer.
#[test]
fn one_snapshot_is_sent_to_a_follower_at_a_time() {
    let mut c = cluster_with_compacted_log(Cluster::new(3), 3);
    c.heartbeat(1);
    c.deliver(heartbeat().to(3));
    c.deliver(append_response().from(3));
    c.send(install_snapshot().to(3));
    c.hold(install_snapshot().to(3));
    for _ in 0..5 {
        c.heartbeat(1);
        c.deliver_all();
        assert_eq!(c.snapshots_in_flight(), [3]);
        assert_eq!(stage_of(&c, 3), Some(SnapshotStage::Sending));
    }
    c.release(install_snapshot());
    c.deliver_all();
    c.expect_last(3, 4, 1);
    assert!(c.snapshots_in_flight().is_empty());
}

/// hashicorp #696, redpanda #2591: what a transfer has set is cleared when it is interrupted, so
/// that the re-elected leader sends the next snapshot.
#[test]
fn interrupted_transfer_blocks_neither_the_next_leadership_nor_the_next_snapshot() {
    let mut c = cluster_with_compacted_log(Cluster::new(3), 3);
    c.heartbeat(1);
    c.deliver_until(sent(install_snapshot().to(3)));
    c.hold(install_snapshot());
    c.step_down(1);
    c.elect(1);
    let write = c.propose(1, "add 1");
    c.deliver_all();
    c.expect(write).is_applied_with("4");
    assert_eq!(stage_of(&c, 3), Some(SnapshotStage::Waiting), "the earlier one has not ended");
    c.drop(install_snapshot());
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.expect_converged();
}

/// Failed transfers are retried after a pause that grows: 100 ms, then 200 ms. A heartbeat is due
/// every 60 ms.
#[test]
fn failed_transfers_are_retried_with_growing_pauses() {
    let mut c = cluster_with_compacted_log(Cluster::new(3), 3);
    c.lose(install_snapshot());
    let mut pauses = Vec::new();
    let mut since_last = 0;
    for _ in 0..20 {
        c.heartbeat(1);
        c.deliver_all();
        since_last += 1;
        let sent = c.records().iter().filter(|record| is_transfer_end(record)).count();
        if sent > pauses.len() {
            pauses.push(since_last);
            since_last = 0;
        }
    }
    assert_eq!(pauses, [1, 2, 4, 7], "heartbeats before each attempt");
    c.lose_nothing();
    for _ in 0..30 {
        c.heartbeat(1);
        c.deliver_all();
    }
    c.expect_converged();
}

/// The pause after failed transfers ends when a follower responds again that did not for an election
/// timeout.
#[test]
fn snapshot_is_sent_as_soon_as_the_follower_responds_again() {
    let mut c = cluster_with_compacted_log(Cluster::new(3), 3);
    c.lose(install_snapshot());
    // The pause after the last failure is 3.2 s; a heartbeat is due every 60 ms.
    for _ in 0..55 {
        c.heartbeat(1);
        c.deliver_all();
    }
    c.lose_nothing();
    let attempts = |c: &Cluster| c.records().iter().filter(|r| is_transfer_end(r)).count();
    assert_eq!(stage_of(&c, 3), Some(SnapshotStage::Failed));
    c.cut_off(3);
    let before = attempts(&c);
    for _ in 0..7 {
        c.heartbeat(1);
        c.deliver_all();
    }
    assert_eq!(attempts(&c), before, "the pause has not ended");
    c.heal();
    c.heartbeat(1);
    c.deliver(heartbeat().to(3));
    c.deliver(append_response().from(3));
    c.deliver(install_snapshot().to(3));
    c.deliver_all();
    c.expect_last(3, 4, 1);
}

#[test]
fn no_snapshot_is_sent_to_a_follower_that_does_not_respond() {
    let mut c = cluster_with_compacted_log(Cluster::new(3), 3);
    c.heartbeat(1);
    c.deliver(heartbeat().to(3));
    c.deliver(append_response().from(3));
    c.cut_off(3);
    let attempts = |c: &Cluster| c.records().iter().filter(|r| is_transfer_end(r)).count();
    c.deliver_all();
    for _ in 0..8 {
        c.heartbeat(1);
        c.deliver_all();
    }
    let before = attempts(&c);
    for _ in 0..200 {
        c.heartbeat(1);
        c.deliver_all();
    }
    assert_eq!(attempts(&c), before);
}

fn is_transfer_end(record: &raft_testkit::trace::record::Record) -> bool {
    matches!(record.kind, raft_testkit::trace::record::RecordKind::SnapshotSent { .. })
}

#[test]
fn damaged_snapshot_is_refused_and_sent_again() {
    let mut c = cluster_with_compacted_log(Cluster::new(3), 3);
    c.heartbeat(1);
    c.deliver_until(sent(install_snapshot().to(3)));
    c.corrupt(install_snapshot());
    c.deliver_all();
    c.expect_last(3, 1, 1);
    for _ in 0..5 {
        c.heartbeat(1);
        c.deliver_all();
    }
    c.expect_converged();
}

/// Node 1 has compacted its log and has no snapshot: its state machine is durable by itself. The
/// host takes a snapshot when a follower needs one; if it cannot, that is repeated after a pause.
#[test]
fn snapshot_is_taken_when_a_follower_needs_one() {
    let mut c = Cluster::new(3).keep(0);
    c.elect(1);
    c.cut_off(3);
    c.propose(1, "add 1");
    c.deliver_all();
    c.flush(1);
    c.compact(1);
    c.expect_base(1, 2);
    c.snapshots_by_hand(1);
    c.heal();
    c.heartbeat(1);
    c.deliver_all();
    assert_eq!(stage_of(&c, 3), Some(SnapshotStage::Waiting));
    c.fail_snapshot(1);
    assert_eq!(stage_of(&c, 3), Some(SnapshotStage::Failed));
    c.complete_snapshot(1);
    assert_eq!(stage_of(&c, 3), Some(SnapshotStage::Failed), "nothing is requested in the pause");
    for _ in 0..2 {
        c.heartbeat(1);
        c.deliver_all();
    }
    // The log is pinned at what the snapshot will cover at least.
    c.propose(1, "add 1");
    c.deliver_all();
    c.flush(1);
    c.compact(1);
    c.expect_base(1, 2);
    c.complete_snapshot(1);
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.expect_converged();
    c.compact(1);
    c.expect_base(1, 3);
}

/// The response depends on the reset, and the state machine is restored only after it is durable.
#[test]
fn snapshot_is_acknowledged_and_restored_after_the_reset_is_durable() {
    let mut c = cluster_with_compacted_log(Cluster::new(3), 3);
    c.disk_by_hand(3);
    c.apply_by_hand(3);
    c.heartbeat(1);
    c.deliver_until(handled(install_snapshot().to(3)));
    c.expect_last(3, 4, 1);
    assert_eq!(c.status(3).commit_index.get(), 4);
    assert!(c.messages(&append_response().from(3).matched(true)).is_empty());
    c.complete_apply(3);
    assert_eq!(c.machine(3).total(), 0, "nothing is restored before the reset is durable");
    c.complete_all_persists(3);
    assert_eq!(c.messages(&append_response().from(3).matched(true)).len(), 1);
    assert_eq!(c.status(3).applied_index.get(), 0);
    c.complete_apply(3);
    assert_eq!((c.machine(3).total(), c.status(3).applied_index.get()), (3, 4));
}

/// A crash leaves the old log or the new one. The data alone is an interrupted install: it is
/// dropped, and the leader sends a snapshot again.
#[test]
fn crash_during_an_install_leaves_the_old_or_the_new_log() {
    for (crash, last, total) in [(Crash::LoseUnsynced, 1, 0), (Crash::KeepAll, 4, 3)] {
        let mut c = cluster_with_compacted_log(Cluster::new(3), 3);
        c.disk_by_hand(3);
        c.heartbeat(1);
        c.deliver_until(handled(install_snapshot().to(3)));
        assert_eq!(c.held_snapshots(3).len(), 1);
        c.crash(3, crash);
        c.restart(3);
        c.expect_last(3, last, 1);
        assert_eq!(c.machine(3).total(), total);
        assert_eq!(c.held_snapshots(3).len(), usize::from(last == 4));
        c.disk_at_once(3);
        for _ in 0..30 {
            c.heartbeat(1);
            c.deliver_all();
        }
        c.expect_converged();
    }
}

/// Raft §7: a follower whose log has the last entry of the snapshot keeps the entries after it.
#[test]
fn entries_after_the_snapshot_stay() {
    let c = Cluster::new(3).keep(0).scenario("a snapshot before the end of the log").described(
        "A follower that has the last entry of the snapshot keeps the entries after \
         it.",
    );
    let mut c = c.config(|settings| settings.limits.apply_bytes_max = 1);
    c.elect(1);
    c.apply_by_hand(1);
    for _ in 0..4 {
        c.propose(1, "add 1");
    }
    c.send(append().to(3));
    c.hold(append().to(3));
    c.deliver_all();
    c.complete_apply(1);
    c.complete_apply(1);
    c.take_snapshot(1);
    c.compact(1);
    c.expect_base(1, 3);
    c.heartbeat(1);
    c.deliver_until(sent(install_snapshot().to(3)));
    c.section("the appends arrive before the snapshot, whose last entry is in the log then")
        .tests(&["snapshots/suffix_kept"]);
    c.hold(install_snapshot());
    c.disk_by_hand(3);
    c.handle(append().to(3).entries(1));
    c.expect_last(3, 5, 1);
    c.expect_commit(3, 1);
    c.handle(install_snapshot());
    c.expect_base(3, 3);
    c.expect_last(3, 5, 1);
    c.expect_commit(3, 3);
    assert_eq!(c.waiting_persists(3).len(), 5, "four entries and the reset");
    c.complete_persists(3, 4);
    assert_eq!(c.machine(3).total(), 0, "not before the reset is durable");
    c.complete_all_persists(3);
    assert_eq!(c.machine(3).total(), 2);
    c.disk_at_once(3);
    c.apply_at_once(1);
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.expect_converged();
}

/// A second copy of a snapshot, and one that is older than what is installed, have no effect.
#[test]
fn older_or_repeated_snapshot_is_discarded() {
    let mut c = cluster_with_compacted_log(Cluster::new(3), 3);
    c.heartbeat(1);
    c.deliver_until(sent(install_snapshot().to(3)));
    c.duplicate(install_snapshot());
    c.hold(install_snapshot().nth(1));
    c.deliver_all();
    c.propose(1, "add 1");
    c.deliver_all();
    c.expect_last(3, 5, 1);
    c.handle(install_snapshot());
    c.expect_last(3, 5, 1);
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.expect_converged();
    assert_eq!(c.machine(3).total(), 4);
}

/// A newer snapshot arrives while the reset to an older one is being persisted: the state machine
/// is restored to the newer one only.
#[test]
fn newer_snapshot_supersedes_one_that_is_being_installed() {
    let c = Cluster::new(3).config(|settings| settings.compaction.snapshot_bytes_max = 0);
    let mut c = cluster_with_compacted_log(c, 3);
    c.disk_by_hand(3);
    c.heartbeat(1);
    c.deliver_until(handled(install_snapshot().to(3)));
    c.expect_base(3, 4);
    c.cut_off(3);
    c.propose(1, "add 1");
    c.deliver_all();
    c.take_snapshot(1);
    c.compact(1);
    c.heal();
    c.heartbeat(1);
    c.deliver_until(handled(install_snapshot().to(3)));
    c.expect_base(3, 5);
    assert_eq!(c.waiting_persists(3).len(), 2);
    c.complete_persists(3, 1);
    assert_eq!((c.machine(3).total(), c.status(3).applied_index.get()), (0, 0));
    c.complete_all_persists(3);
    assert_eq!((c.machine(3).total(), c.status(3).applied_index.get()), (4, 5));
    c.disk_at_once(3);
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.expect_converged();
}

/// An append that follows the snapshot waits until the follower has it; one of before the snapshot
/// that arrives after it changes nothing.
#[test]
fn append_in_flight_across_a_snapshot_changes_nothing() {
    let mut c = Cluster::new(3).keep(0);
    c.elect(1);
    c.propose(1, "add 1");
    c.send(append().to(3));
    c.hold(append().to(3));
    c.deliver_all();
    c.propose(1, "add 1");
    c.send(append().to(3));
    c.drop(append().to(3).nth(1));
    c.deliver_all();
    c.take_snapshot(1);
    c.compact(1);
    c.expect_base(1, 3);
    c.heartbeat(1);
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.expect_base(3, 3);
    c.release(append().to(3));
    c.deliver_all();
    c.expect_base(3, 3);
    c.expect_last(3, 3, 1);
    c.heartbeat(1);
    c.deliver_all();
    c.expect_converged();
}

/// openraft 44381b0c: an append whose prev is compacted at the follower is no conflict: the entries
/// that it has are committed, and those after them are appended.
#[test]
fn append_whose_prev_is_compacted_is_no_conflict() {
    let mut c = Cluster::new(3).keep(0).scenario("a purged prev is no conflict").described(
        "A late append begins before the base of the log of its receiver, which has \
         compacted these entries.",
    );
    c.section("a purged prev is no conflict")
        .tests(&["snapshots/compaction", "log_replication/stale_append_keeps_log"]);
    c.elect(1);
    c.propose(1, "add 1");
    c.propose(1, "add 1");
    c.deliver_all();
    // The append of entry 4 follows entry 3, which node 2 compacts before it arrives.
    c.propose(1, "add 1");
    c.send(append().to(2));
    c.duplicate(append().to(2));
    c.hold(append().to(2).nth(1));
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.take_snapshot(2);
    c.compact(2);
    c.expect_base(2, 4);
    c.handle(append().to(2));
    c.expect_last(2, 4, 1);
    c.expect_base(2, 4);
    let response = c.message(&append_response().from(2));
    let Body::AppendEntriesResponse(response) = response.body() else {
        panic!("a response to an append");
    };
    let matched = raft_core::AppendOutcome::Matched { match_index: raft_core::LogIndex(4) };
    assert_eq!(response.outcome, matched);
    c.deliver_all();
    c.expect_converged();
}

/// A deposed leader's append is rejected with the later term, also if its prev is compacted: a hint
/// after the rejected index would make its receiver refuse the response.
#[test]
fn stale_append_whose_prev_is_compacted_is_rejected_with_the_term() {
    let mut c = Cluster::new(3).keep(0);
    c.elect(1);
    c.propose(1, "add 1");
    c.send(append().to(2));
    c.duplicate(append().to(2));
    c.hold(append().to(2).nth(1));
    c.deliver_all();
    c.elect(2);
    c.deliver_all();
    c.take_snapshot(2);
    c.compact(2);
    c.expect_base(2, 3);
    c.handle(append().from(1).to(2));
    let response = c.message(&append_response().from(2).to(1).matched(false));
    assert_eq!(response.term().get(), 2);
    c.deliver_all();
}

/// A follower whose uncommitted entries conflict with the snapshot loses them, with the snapshot.
#[test]
fn snapshot_replaces_a_conflicting_suffix() {
    let mut c = Cluster::new(3).keep(0);
    c.elect(3);
    c.cut_off(3);
    let lost = c.propose(3, "add 100");
    c.propose(3, "add 100");
    c.elect(1);
    for _ in 0..3 {
        c.propose(1, "add 1");
        c.deliver_all();
    }
    c.take_snapshot(1);
    c.compact(1);
    c.heal();
    for _ in 0..4 {
        c.heartbeat(1);
        c.deliver_all();
    }
    c.expect_converged();
    c.expect(lost).is_unknown();
    assert_eq!(c.machine(3).total(), 3);
}

/// A read that waits for its index at a deposed leader is completed by the restored state machine,
/// and a committed command that the snapshot covers has an unknown outcome.
#[test]
fn reads_and_commands_that_wait_end_with_the_snapshot() {
    let mut c = Cluster::new(3).keep(0);
    c.elect(3);
    c.apply_by_hand(3);
    let waits = c.propose(3, "add 1");
    c.deliver_all();
    let read = c.read(3);
    c.deliver_all();
    c.expect(read).is_pending();
    c.cut_off(3);
    c.elect(1);
    c.propose(1, "add 1");
    c.deliver_all();
    c.take_snapshot(1);
    c.compact(1);
    c.heal();
    for _ in 0..4 {
        c.heartbeat(1);
        c.deliver_all();
    }
    assert_eq!(c.status(3).commit_index, c.status(1).commit_index);
    c.apply_at_once(3);
    c.expect(read).is_read_ready();
    c.expect(waits).is_applied_with("1");
    c.expect_converged();
}

/// A command is committed and not dispatched to the state machine when a snapshot covers it: its
/// output is not known here.
#[test]
fn committed_command_that_is_not_dispatched_has_an_unknown_outcome() {
    let mut c = Cluster::new(3).keep(0).config(|settings| settings.limits.apply_bytes_max = 1);
    c.elect(3);
    c.apply_by_hand(3);
    let dispatched = c.propose(3, "add 1");
    let waiting = c.propose(3, "add 1");
    c.deliver_all();
    c.expect_commit(3, 3);
    c.cut_off(3);
    c.elect(1);
    c.deliver_all();
    c.take_snapshot(1);
    c.compact(1);
    c.heal();
    c.heartbeat(1);
    c.deliver_until(handled(install_snapshot().to(3)));
    c.expect(dispatched).is_pending();
    c.expect(waiting).is_unknown();
    c.apply_at_once(3);
    c.expect(dispatched).is_applied_with("1");
    assert_eq!(c.machine(3).total(), 2);
}

/// The state machine fails at an entry while the log is reset: the snapshot covers the entry, and
/// nothing is retried.
#[test]
fn snapshot_ends_the_failure_of_a_state_machine() {
    let mut c = Cluster::new(3).keep(0).apply_failure(ApplyFailurePolicy::Retry);
    c.elect(1);
    c.fail_commands(3);
    c.propose(1, "add 1");
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    assert_eq!(c.status(3).apply_failed_at.map(raft_core::LogIndex::get), Some(2));
    c.cut_off(3);
    c.propose(1, "add 1");
    c.deliver_all();
    c.take_snapshot(1);
    c.compact(1);
    c.heal();
    for _ in 0..4 {
        c.heartbeat(1);
        c.deliver_all();
    }
    assert_eq!(c.status(3).apply_failed_at, None);
    assert_eq!(c.machine(3).total(), 2);
    c.expect_converged();
}

/// A snapshot of a deposed leader has no effect: its term is refused.
#[test]
fn snapshot_of_a_deposed_leader_is_not_installed() {
    let mut c = cluster_with_compacted_log(Cluster::new(3), 3);
    c.heartbeat(1);
    c.deliver_until(sent(install_snapshot().to(3)));
    c.hold(install_snapshot());
    c.cut_off(1);
    c.campaign(2);
    c.deliver_until(leader_is(2));
    c.handle(install_snapshot());
    c.expect_base(3, 0);
    c.expect_follower(3, 2);
}

/// etcd #13741, #13760: the configuration in an outgoing snapshot is the one in force at its last
/// entry.
#[test]
fn outgoing_snapshot_carries_the_configuration_of_its_last_entry() {
    let mut c = cluster_with_compacted_log(Cluster::new(3), 3);
    c.heartbeat(1);
    c.deliver_until(sent(install_snapshot().to(3)));
    let in_force = c.status(1).membership.clone();
    let Body::InstallSnapshot(install) = c.message(&install_snapshot()).body() else {
        panic!("a snapshot");
    };
    assert_eq!(install.membership_index.get(), 0);
    assert_eq!(install.membership, in_force);
}

/// A node that restarts begins with the snapshot that its log continues.
#[test]
fn restart_restores_the_state_machine_and_applies_the_rest() {
    let mut c = cluster_with_compacted_log(Cluster::new(3), 3);
    c.propose(1, "add 1");
    c.deliver_all();
    c.restart(1);
    c.expect_base(1, 4);
    assert_eq!(c.machine(1).total(), 3, "entry 5 was not known to be committed");
    c.elect(1);
    c.deliver_all();
    assert_eq!(c.machine(1).total(), 4);
    // It sends the snapshot that it holds.
    c.heartbeat(1);
    c.deliver_all();
    c.expect_base(3, 4);
}
