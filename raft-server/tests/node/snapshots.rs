//! Compaction, and snapshots from one node to another.

use std::sync::Arc;

use raft_core::ports::SnapshotStore;
use raft_core::{LogId, LogIndex, Membership, NodeId, Term};
use raft_server::{NodeStatus, SnapshotRequestError, StartError, StopReason};
use raft_storage::MemSnapshotStore;

use super::cluster::{Cluster, Member, Setup, within};
use super::disk::Disk;
use super::machine::Machine;

/// A cluster whose third member has stopped and lacks entries that the leader has compacted.
async fn with_member_that_needs_a_snapshot() -> (Cluster, Arc<Disk>) {
    let mut cluster = Cluster::with_leader(Setup::default().nothing_kept()).await;
    let away = cluster.members.pop().expect("three members");
    within(away.handle.shutdown()).await;
    let leader = cluster.leader();
    propose(leader, 20).await;
    let first = within(leader.handle.compact()).await.expect("the log is compacted");
    assert!(first > LogIndex(20), "{first}");
    leader.propose("after the snapshot").await.expect("applied");
    (cluster, away.disk)
}

async fn propose(leader: &Member, count: usize) {
    for number in 0..count {
        leader.propose(&number.to_string()).await.expect("applied");
    }
}

/// Waits until a member has the same state as the leader.
async fn converges(member: &Member, leader: &Member) {
    let last = leader.handle.status().await.raft.last_log.index;
    within(member.machine.has_flushed(last)).await;
    assert_eq!(member.machine.commands(), leader.machine.commands());
}

/// The log would grow forever if such a member had to get its entries.
#[tokio::test]
async fn member_that_was_away_gets_a_snapshot_and_the_entries_after_it() {
    let (cluster, disk) = with_member_that_needs_a_snapshot().await;
    let returned = cluster.start_member(3, Arc::default(), disk).await.expect("it starts");
    converges(&returned, cluster.leader()).await;
    let counters = returned.handle.status().await.counters;
    assert_eq!((counters.snapshots_received, counters.snapshots_restored), (1, 1));
    cluster.leader().propose("later").await.expect("applied");
    converges(&returned, cluster.leader()).await;
}

/// The log no longer holds what the snapshot covers, so the node must not continue without it.
#[tokio::test]
async fn failed_restore_stops_the_node_and_a_restart_restores_again() {
    let (cluster, disk) = with_member_that_needs_a_snapshot().await;
    let machine = Arc::<Machine>::default();
    machine.fail_to_restore();
    let start = || cluster.start_member(3, Arc::clone(&machine), Arc::clone(&disk));
    let stopped = within(start().await.expect("it starts").handle.stopped()).await;
    assert!(matches!(stopped, StopReason::Restore { .. }), "{stopped}");

    let refused = within(start()).await.map(drop);
    let Err(error @ StartError::Restore { .. }) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("injected restore failure"), "{error}");
    machine.repair();
    let returned = within(start()).await.expect("it starts");
    converges(&returned, cluster.leader()).await;
}

/// The state machine of the test is in memory: only the snapshot holds the compacted commands.
#[tokio::test]
async fn restart_after_a_compaction_begins_with_the_snapshot() {
    let cluster = Cluster::with_leader(Setup::single_member().nothing_kept()).await;
    let member = cluster.leader();
    propose(member, 5).await;
    within(member.handle.compact()).await.expect("the log is compacted");
    member.propose("after the snapshot").await.expect("applied");
    let commands = member.machine.commands();
    within(member.handle.shutdown()).await;

    let disk = Arc::clone(&member.disk);
    let restarted = cluster.start_member(1, Arc::default(), disk).await.expect("it starts");
    assert!(restarted.handle.status().await.raft.first_index > LogIndex(5));
    restarted.handle.campaign().await;
    let status = restarted.status_with(|status| status.raft.applied_index > LogIndex(7)).await;
    assert_eq!(status.counters.snapshots_restored, 1);
    assert_eq!(restarted.machine.commands(), commands);
}

/// Without the snapshot the compacted commands are lost.
#[tokio::test]
async fn log_without_its_snapshot_is_refused() {
    let cluster = Cluster::with_leader(Setup::single_member().nothing_kept()).await;
    let member = cluster.leader();
    propose(member, 5).await;
    within(member.handle.compact()).await.expect("the log is compacted");
    within(member.handle.shutdown()).await;
    let disk = Arc::new(member.disk.without_snapshots());
    let refused = cluster.start_member(1, Arc::default(), disk).await.map(drop);
    let Err(error @ StartError::Diverged { .. }) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("replace the member"), "{error}");
}

/// Its log was not reset, so the snapshot was received and never installed.
#[tokio::test]
async fn snapshot_that_the_log_does_not_continue_is_removed_at_the_start() {
    let cluster = Cluster::with_leader(Setup::single_member().nothing_kept()).await;
    let member = cluster.leader();
    propose(member, 5).await;
    within(member.handle.shutdown()).await;
    let store = &member.disk.snapshots;
    write_snapshot(store, LogId::new(Term(1), LogIndex(3)));
    write_snapshot(store, LogId::new(Term(9), LogIndex(4)));
    write_snapshot(store, LogId::new(Term(9), LogIndex(900)));
    let disk = Arc::clone(&member.disk);
    let restarted = cluster.start_member(1, Arc::default(), disk).await.expect("it starts");
    let held = restarted.handle.status().await.snapshots;
    let held: Vec<_> = held.iter().map(|snapshot| snapshot.last).collect();
    assert_eq!(held, [LogId::new(Term(1), LogIndex(3))]);
}

fn write_snapshot(store: &MemSnapshotStore, last: LogId) {
    let membership = (LogIndex::ZERO, Membership::of_voters([NodeId(1)]));
    let mut writer = store.create(last, membership).expect("no other writer");
    writer.write(b"0\n").expect("a store in memory");
    writer.finish().expect("a store in memory");
}

/// A state machine in memory never reports its state as durable.
#[tokio::test]
async fn state_machine_in_memory_is_captured_when_the_log_has_grown() {
    let cluster = Cluster::with_leader(Setup::single_member().nothing_kept()).await;
    let member = cluster.leader();
    propose(member, 1_005).await;
    let is_compacted = |status: &NodeStatus| status.raft.first_index > LogIndex(1_000);
    let status = member.status_with(is_compacted).await;
    assert_eq!(status.counters.snapshots_taken, 1);
    assert_eq!(status.snapshots.len(), 1);
    propose(member, 1_005).await;
    let status = member.status_with(|status| status.counters.snapshots_taken == 2).await;
    assert_eq!(status.snapshots.len(), 1, "the older snapshot is removed");
}

/// A checksum of the whole is the last line of defence against damage on the way.
#[tokio::test]
async fn snapshot_that_was_altered_on_the_way_is_not_installed() {
    let (cluster, disk) = with_member_that_needs_a_snapshot().await;
    let leader = cluster.leader();
    cluster.hub.corrupt_snapshots(leader.id, NodeId(3));
    let returned = cluster.start_member(3, Arc::default(), disk).await.expect("it starts");
    let has_failed = |status: &NodeStatus| {
        let progress = status.raft.progress.get(&NodeId(3)).and_then(|progress| progress.snapshot);
        progress.is_some_and(|progress| progress.stage == raft_core::SnapshotStage::Failed)
    };
    leader.status_with(has_failed).await;
    assert_eq!(returned.handle.status().await.counters.snapshots_received, 0);
    assert_eq!(returned.machine.commands(), [""; 0]);
}

/// For a backup.
#[tokio::test]
async fn caller_gets_the_state_after_the_last_applied_entry() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let member = cluster.leader();
    propose(member, 3).await;
    let mut captured = within(member.handle.capture()).await.expect("captured");
    member.propose("later").await.expect("applied");
    assert_eq!(captured.last.index, member.handle.status().await.raft.applied_index.previous());
    assert_eq!(captured.membership.1.voters, Setup::single_member().membership().voters);
    assert_eq!(captured.source.read_to_end(100).expect("readable"), b"0\n1\n2\n");
}

/// A follower could not be replicated any more.
#[tokio::test]
async fn node_without_a_snapshot_store_keeps_its_log() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let member = cluster.leader();
    propose(member, 3).await;
    let refused = within(member.handle.compact()).await;
    assert_eq!(refused, Err(SnapshotRequestError::NoStore));
    let status = member.handle.status().await.raft;
    assert_eq!((status.first_index, status.durably_applied_index), (LogIndex(1), LogIndex(0)));
}
