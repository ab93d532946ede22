//! Failures and panics of the ports.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use raft_core::ports::{PeerAddress, StorageFailure, StoreError, Transport};
use raft_core::{ApplyFailurePolicy, ConfigError, HaltReason, LogIndex, Message, RecoveryError};
use raft_server::{ProposeError, ReadError, StartError, StopReason};
use raft_transport_mem::Hub;

use super::cluster::{Cluster, LINEARIZABLE, Setup, builder, bytes, within};
use super::disk::Disk;
use super::machine::Machine;

#[tokio::test]
async fn a_node_stops_when_its_log_store_fails() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    node.propose("durable").await.expect("acknowledged");
    node.disk.fails.store(true, Ordering::SeqCst);
    assert_eq!(node.propose("lost").await, Err(ProposeError::Unknown { leader: Some(node.id) }));
    let reason = within(node.handle.stopped()).await;
    assert!(
        matches!(&reason, StopReason::Storage(error) if matches!(**error, StoreError::Io { .. })),
        "{reason:?}"
    );
    assert_eq!(node.machine.commands(), ["durable"]);

    // The node stays stopped when the disk works again: the content of the disk is unknown.
    node.disk.fails.store(false, Ordering::SeqCst);
    assert_eq!(node.propose("late").await, Err(ProposeError::Stopped));
    let read = within(node.handle.read(bytes("count"), LINEARIZABLE)).await;
    assert_eq!(read, Err(ReadError::Stopped));
    assert_eq!(node.disk.log.last().index, LogIndex(2));
}

#[tokio::test]
async fn a_cluster_continues_when_the_log_store_of_a_follower_fails() {
    let cluster = Cluster::with_leader(Setup::default()).await;
    let follower = &cluster.members[1];
    follower.disk.fails.store(true, Ordering::SeqCst);
    assert_eq!(cluster.leader().propose("add").await, Ok("1".to_owned()));
    let reason = within(follower.handle.stopped()).await;
    assert!(matches!(reason, StopReason::Storage(_)), "{reason:?}");
    assert_eq!(cluster.leader().propose("add").await, Ok("2".to_owned()));
    assert_eq!(follower.machine.commands(), [""; 0]);
}

/// The followers commit without the leader's disk, so that only the leader itself can detect a
/// write that neither succeeds nor fails.
#[tokio::test]
async fn a_leader_whose_disk_hangs_steps_down_and_counts_the_stall() {
    let cluster = Cluster::with_leader(Setup::short_election_timeout()).await;
    let old = cluster.leader();
    let hang = old.disk.hang();
    let failed = within(old.handle.propose(bytes("first"))).await;
    assert_eq!(failed, Err(ProposeError::Unknown { leader: None }));
    let status = old.handle.status().await;
    assert_eq!(status.counters.storage_stalls, 1);
    assert!(
        status.raft.storage_waiting >= Setup::short_election_timeout().election_timeout_min * 5
    );
    let new = within(cluster.members[1].another_leader(old.id)).await;
    let new = cluster.members.iter().find(|member| member.id == new).expect("a member");
    within(new.machine.has_flushed(LogIndex(2))).await;
    assert_eq!(new.propose("second").await, Ok("2".to_owned()), "the first is committed");
    drop(hang);
    within(old.machine.has_flushed(LogIndex(4))).await;
    assert_eq!(old.machine.commands(), ["first", "second"]);
    assert_eq!(old.handle.status().await.counters.storage_stalls, 1);
}

#[tokio::test]
async fn with_retry_the_caller_of_a_failed_command_gets_an_error_and_the_command_is_applied_later()
{
    let setup = Setup { apply_failure: ApplyFailurePolicy::Retry, ..Setup::default() };
    let cluster = Cluster::with_leader(setup).await;
    let leader = cluster.leader();
    leader.propose("before").await.expect("acknowledged");
    leader.machine.fail_at("hard");
    let failed = leader.propose("hard").await;
    let reason = "injected failure".to_owned();
    assert_eq!(failed, Err(ProposeError::ApplyFailed { index: LogIndex(3), reason }));
    leader.machine.repair();
    // The other members applied it at once, and the leader applies it once.
    assert_eq!(leader.propose("after").await, Ok("3".to_owned()));
    for member in &cluster.members {
        within(member.machine.has_flushed(LogIndex(4))).await;
        assert_eq!(member.machine.commands(), ["before", "hard", "after"]);
    }
    assert!(leader.handle.status().await.counters.apply_failures >= 1);
}

#[tokio::test]
async fn commands_after_a_failed_one_are_applied_after_its_retry() {
    let setup = Setup { apply_failure: ApplyFailurePolicy::Retry, ..Setup::default() };
    let cluster = Cluster::with_leader(setup).await;
    let leader = cluster.leader();
    leader.machine.hold_at("first");
    leader.machine.fail_at("hard");
    let (first, hard, after, ()) = tokio::join!(
        leader.propose("first"),
        async {
            let failed = leader.propose("hard").await;
            leader.machine.repair();
            failed
        },
        leader.propose("after"),
        async {
            within(leader.machine.is_holding()).await;
            leader.machine.release();
        }
    );
    assert_eq!(first, Ok("1".to_owned()));
    assert!(matches!(hard, Err(ProposeError::ApplyFailed { .. })), "{hard:?}");
    assert_eq!(after, Ok("3".to_owned()));
    assert_eq!(leader.machine.commands(), ["first", "hard", "after"]);
}

/// No command is at fault when the state machine cannot write. The node stops under every policy
/// for failed commands, its log gets no broken mark, and a restart applies the missing entries.
#[tokio::test]
async fn a_failed_flush_stops_the_node_and_a_restart_applies_the_missing_entries() {
    for apply_failure in [ApplyFailurePolicy::Halt, ApplyFailurePolicy::Retry] {
        let cluster = Cluster::with_leader(Setup { apply_failure, ..Setup::single_member() }).await;
        let node = cluster.leader();
        node.propose("before").await.expect("acknowledged");
        node.machine.fail_to_flush();
        let outcome = node.propose("lost").await;
        assert_eq!(outcome, Err(ProposeError::Unknown { leader: Some(node.id) }));
        let stopped = within(node.handle.stopped()).await;
        let expected = StorageFailure { reason: "injected flush failure".to_owned() };
        assert!(
            matches!(&stopped, StopReason::StateMachineStorage(failure) if *failure == expected),
            "{stopped:?}"
        );
        assert_eq!(node.machine.commands(), ["before"]);
        within(node.disk.is_closed()).await;

        let machine = Arc::new(Machine::default());
        let again =
            cluster.start_member(1, machine, Arc::clone(&node.disk)).await.expect("it starts");
        again.handle.campaign().await;
        within(again.known_leader(again.id)).await;
        assert_eq!(again.propose("after").await, Ok("3".to_owned()));
        assert_eq!(again.machine.commands(), ["before", "lost", "after"]);
    }
}

/// The node neither skips a command of an unsupported version nor marks its log as broken.
#[tokio::test]
async fn an_unsupported_command_stops_the_node_until_a_release_supports_it() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    node.propose("before").await.expect("acknowledged");
    node.machine.not_support("new");
    let outcome = node.propose("new").await;
    assert!(matches!(outcome, Err(ProposeError::Unknown { .. })), "{outcome:?}");
    let stopped = within(node.handle.stopped()).await;
    assert!(
        matches!(&stopped, StopReason::UnsupportedCommand { index: LogIndex(3), .. }),
        "{stopped:?}"
    );
    within(node.disk.is_closed()).await;

    let machine = Arc::new(Machine::default());
    let again = cluster.start_member(1, machine, Arc::clone(&node.disk)).await.expect("it starts");
    again.handle.campaign().await;
    within(again.known_leader(again.id)).await;
    assert_eq!(again.propose("after").await, Ok("3".to_owned()));
}

/// Staged effects and outputs have a bound, independent of the number of commands in the queue.
#[tokio::test]
async fn a_batch_that_exceeds_the_bound_on_staged_bytes_is_flushed_in_parts() {
    const COMMANDS: usize = 20;
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    node.machine.stage_per_command(10 << 20);
    node.machine.hold_at("first");
    let mut calls = tokio::task::JoinSet::new();
    let propose = |command: &str| {
        let (handle, command) = (node.handle.clone(), bytes(command));
        async move { handle.propose(command).await }
    };
    calls.spawn(propose("first"));
    within(node.machine.is_holding()).await;
    for _ in 1..COMMANDS {
        calls.spawn(propose("further"));
    }
    let all_committed = LogIndex(COMMANDS as u64 + 1);
    while node.handle.status().await.raft.commit_index < all_committed {
        tokio::task::yield_now().await;
    }
    node.machine.release();
    within(calls.join_all()).await.into_iter().for_each(|done| drop(done.expect("applied")));
    assert_eq!(node.machine.commands().len(), COMMANDS);
    assert_eq!(node.machine.flush_len_max(), 2, "20 MiB exceed the bound of 16 MiB");
}

#[tokio::test]
async fn with_halt_a_failed_command_stops_the_node_until_an_operator_marks_the_log_as_fixed() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    node.machine.fail_at("hard");
    let reason = "injected failure".to_owned();
    let index = LogIndex(2);
    let failed = node.propose("hard").await;
    assert_eq!(failed, Err(ProposeError::ApplyFailed { index, reason: reason.clone() }));
    let stopped = within(node.handle.stopped()).await;
    let expected = HaltReason::ApplyFailed { index, reason: reason.clone() };
    assert!(matches!(&stopped, StopReason::Halted(halt) if *halt == expected), "{stopped:?}");

    // The broken mark is durable: the node does not start.
    let machine = Arc::new(Machine::default());
    let refused =
        cluster.start_member(1, Arc::clone(&machine), Arc::clone(&node.disk)).await.map(drop);
    let Err(StartError::Recovery(RecoveryError::Broken { index: at, reason: cause })) = refused
    else {
        panic!("a broken log must not be started from: {refused:?}");
    };
    assert_eq!((at, cause), (index, reason));
    within(node.disk.is_closed()).await;

    node.disk.log.restarted().mark_fixed().expect("the mark");
    let again = cluster.start_member(1, machine, Arc::clone(&node.disk)).await.expect("it starts");
    again.handle.campaign().await;
    within(again.known_leader(again.id)).await;
    assert_eq!(again.propose("after").await, Ok("2".to_owned()));
    assert_eq!(again.machine.commands(), ["hard", "after"]);
}

#[tokio::test]
async fn a_panic_of_the_state_machine_stops_the_node_and_names_the_entry() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    node.machine.panic_at("bomb");
    let outcome = node.propose("bomb").await;
    assert!(matches!(outcome, Err(ProposeError::Unknown { .. })), "{outcome:?}");
    let reason = within(node.handle.stopped()).await;
    let StopReason::StateMachinePanicked { index, message } = reason else {
        panic!("{reason:?}");
    };
    assert_eq!((index, message.as_str()), (LogIndex(2), "injected panic"));
    assert_eq!(node.machine.commands(), [""; 0]);
    within(node.disk.is_closed()).await;
}

#[tokio::test]
async fn a_panic_in_a_query_stops_the_node() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    let read = within(node.handle.read(bytes("panic"), LINEARIZABLE)).await;
    assert_eq!(read, Err(ReadError::Stopped));
    let reason = within(node.handle.stopped()).await;
    assert!(
        matches!(&reason, StopReason::Panicked { part: "state machine", message } if message == "injected panic"),
        "{reason:?}"
    );
}

#[tokio::test]
async fn a_panic_of_the_log_store_stops_the_node() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    node.disk.panics.store(true, Ordering::SeqCst);
    let outcome = node.propose("lost").await;
    assert!(matches!(outcome, Err(ProposeError::Unknown { .. })), "{outcome:?}");
    let reason = within(node.handle.stopped()).await;
    assert!(matches!(&reason, StopReason::Panicked { part: "log store", .. }), "{reason:?}");
}

/// Panics when it sends.
struct PanickingTransport;

impl Transport for PanickingTransport {
    fn send(&self, _message: Message) {
        panic!("injected panic");
    }

    fn set_peers(&self, _peers: &[PeerAddress]) {}
}

#[tokio::test]
async fn a_panic_of_the_transport_stops_the_node_and_closes_its_ports() {
    let (machine, disk) = (Arc::default(), Arc::<Disk>::default());
    let handle = builder(&Setup::default(), &Hub::new(), 1, &machine, &disk)
        .transport(|_inbox| Ok(Arc::new(PanickingTransport)))
        .start()
        .await
        .expect("it starts");
    handle.campaign().await;
    let reason = within(handle.stopped()).await;
    assert!(
        matches!(&reason, StopReason::Panicked { message, .. } if message == "injected panic"),
        "{reason:?}"
    );
    within(disk.is_closed()).await;
    let status = handle.status().await;
    assert!(status.stopped.is_some());
    assert_eq!(handle.propose(bytes("late")).await, Err(ProposeError::Stopped));
}

/// Delivers messages of at most 1024 bytes.
struct ShortMessages;

impl Transport for ShortMessages {
    fn send(&self, _message: Message) {}

    fn set_peers(&self, _peers: &[PeerAddress]) {}

    fn message_bytes_max(&self) -> Option<u64> {
        Some(1024)
    }
}

/// The leader would send appends again and again that the transport drops.
#[tokio::test]
async fn a_node_does_not_start_if_its_transport_would_drop_the_longest_append() {
    let (machine, disk) = (Arc::default(), Arc::<Disk>::default());
    let refused = builder(&Setup::default(), &Hub::new(), 1, &machine, &disk)
        .transport(|_inbox| Ok(Arc::new(ShortMessages)))
        .start()
        .await
        .expect_err("it does not start");
    let StartError::Config(ConfigError::MessageExceedsTransport { transport, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(transport, 1024);
    within(disk.is_closed()).await;
}
