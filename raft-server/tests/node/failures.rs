//! Ports that fail: the node stops, and says nothing that is not true.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use raft_core::ports::{PeerAddress, StorageFailure, StoreError, Transport};
use raft_core::{ApplyFailurePolicy, ConfigError, HaltReason, LogIndex, Message};
use raft_server::{ProposeError, ReadError, StartError, StopReason};
use raft_transport_mem::Hub;

use super::cluster::{Cluster, Disk, Machine, Setup, builder, bytes, within};

#[tokio::test]
async fn a_node_whose_disk_fails_stops_and_acknowledges_nothing_more() {
    let cluster = Cluster::led(Setup::alone()).await;
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

    // A disk that works again does not bring the node back: what it holds is not known.
    node.disk.fails.store(false, Ordering::SeqCst);
    assert_eq!(node.propose("late").await, Err(ProposeError::Stopped));
    let read = within(node.handle.read(bytes("count"))).await;
    assert_eq!(read, Err(ReadError::Stopped));
    assert_eq!(node.disk.log.last().index, LogIndex(2));
}

#[tokio::test]
async fn a_cluster_goes_on_when_the_disk_of_a_follower_fails() {
    let cluster = Cluster::led(Setup::default()).await;
    let follower = &cluster.members[1];
    follower.disk.fails.store(true, Ordering::SeqCst);
    assert_eq!(cluster.leader().propose("add").await, Ok("1".to_owned()));
    let reason = within(follower.handle.stopped()).await;
    assert!(matches!(reason, StopReason::Storage(_)), "{reason:?}");
    assert_eq!(cluster.leader().propose("add").await, Ok("2".to_owned()));
    assert_eq!(follower.machine.commands(), [""; 0]);
}

/// A write that neither succeeds nor fails: the others commit without the leader's disk, so the
/// leader itself has to notice.
#[tokio::test]
async fn a_leader_whose_disk_hangs_steps_down_and_counts_it() {
    let cluster = Cluster::led(Setup::lively()).await;
    let old = cluster.leader();
    let hanging = old.disk.hang();
    let failed = within(old.handle.propose(bytes("first"))).await;
    assert_eq!(failed, Err(ProposeError::Unknown { leader: None }));
    let status = old.handle.status();
    assert_eq!(status.counters.storage_stalls, 1);
    assert!(status.raft.storage_waiting >= Setup::lively().election_timeout_min * 5);
    let new = within(cluster.members[1].another_leader(old.id)).await;
    let new = cluster.members.iter().find(|member| member.id == new).expect("a member");
    within(new.machine.has_flushed(LogIndex(2))).await;
    assert_eq!(new.propose("second").await, Ok("2".to_owned()), "the first is committed");
    drop(hanging);
    within(old.machine.has_flushed(LogIndex(4))).await;
    assert_eq!(old.machine.commands(), ["first", "second"]);
    assert_eq!(old.handle.status().counters.storage_stalls, 1);
}

#[tokio::test]
async fn under_retry_a_failed_command_is_told_to_its_caller_and_applied_later() {
    let setup = Setup { apply_failure: ApplyFailurePolicy::Retry, ..Setup::default() };
    let cluster = Cluster::led(setup).await;
    let leader = cluster.leader();
    leader.propose("before").await.expect("acknowledged");
    leader.machine.fail_at("hard");
    let failed = leader.propose("hard").await;
    let reason = "told to fail".to_owned();
    assert_eq!(failed, Err(ProposeError::ApplyFailed { index: LogIndex(3), reason }));
    leader.machine.mend();
    // The quorum had it all along; here it comes with the next heartbeat, once.
    assert_eq!(leader.propose("after").await, Ok("3".to_owned()));
    for member in &cluster.members {
        within(member.machine.has_flushed(LogIndex(4))).await;
        assert_eq!(member.machine.commands(), ["before", "hard", "after"]);
    }
    assert!(leader.handle.status().counters.apply_failures >= 1);
}

#[tokio::test]
async fn commands_behind_a_failed_one_wait_for_it_and_keep_their_callers() {
    let setup = Setup { apply_failure: ApplyFailurePolicy::Retry, ..Setup::default() };
    let cluster = Cluster::led(setup).await;
    let leader = cluster.leader();
    leader.machine.hold_at("first");
    leader.machine.fail_at("hard");
    let (first, hard, behind, ()) = tokio::join!(
        leader.propose("first"),
        async {
            let failed = leader.propose("hard").await;
            leader.machine.mend();
            failed
        },
        leader.propose("behind"),
        async {
            within(leader.machine.is_holding()).await;
            leader.machine.release();
        }
    );
    assert_eq!(first, Ok("1".to_owned()));
    assert!(matches!(hard, Err(ProposeError::ApplyFailed { .. })), "{hard:?}");
    assert_eq!(behind, Ok("3".to_owned()));
    assert_eq!(leader.machine.commands(), ["first", "hard", "behind"]);
}

/// No command is at fault when the state machine cannot write: the node stops, whatever the policy
/// for failed commands, its log is not marked, and a restart applies what is missing.
#[tokio::test]
async fn a_failed_flush_stops_the_node_and_a_restart_goes_on() {
    for apply_failure in [ApplyFailurePolicy::Halt, ApplyFailurePolicy::Retry] {
        let cluster = Cluster::led(Setup { apply_failure, ..Setup::alone() }).await;
        let node = cluster.leader();
        node.propose("before").await.expect("acknowledged");
        node.machine.fail_to_flush();
        let outcome = node.propose("lost").await;
        assert_eq!(outcome, Err(ProposeError::Unknown { leader: Some(node.id) }));
        let stopped = within(node.handle.stopped()).await;
        let expected = StorageFailure { reason: "told to fail to flush".to_owned() };
        assert!(
            matches!(&stopped, StopReason::StateMachineStorage(failure) if *failure == expected),
            "{stopped:?}"
        );
        assert_eq!(node.machine.commands(), ["before"]);
        within(node.disk.is_closed()).await;

        let machine = Arc::new(Machine::default());
        let again = cluster.boot(1, machine, Arc::clone(&node.disk)).await.expect("it starts");
        again.handle.campaign().await;
        within(again.known_leader(again.id)).await;
        assert_eq!(again.propose("after").await, Ok("3".to_owned()));
        assert_eq!(again.machine.commands(), ["before", "lost", "after"]);
    }
}

/// A command of a version that the node does not know is neither skipped nor a defect.
#[tokio::test]
async fn an_unsupported_command_stops_the_node_and_another_release_goes_on() {
    let cluster = Cluster::led(Setup::alone()).await;
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
    let again = cluster.boot(1, machine, Arc::clone(&node.disk)).await.expect("it starts");
    again.handle.campaign().await;
    within(again.known_leader(again.id)).await;
    assert_eq!(again.propose("after").await, Ok("3".to_owned()));
}

/// Effects and outputs that are held back have a bound, however many commands wait.
#[tokio::test]
async fn a_batch_that_stages_much_is_flushed_in_parts() {
    const COMMANDS: usize = 20;
    let cluster = Cluster::led(Setup::alone()).await;
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
    while node.handle.status().raft.commit_index < all_committed {
        tokio::task::yield_now().await;
    }
    node.machine.release();
    within(calls.join_all()).await.into_iter().for_each(|done| drop(done.expect("applied")));
    assert_eq!(node.machine.commands().len(), COMMANDS);
    assert_eq!(node.machine.unflushed_most(), 2, "20 MiB exceed the bound of 16 MiB");
}

#[tokio::test]
async fn under_halt_a_failed_command_stops_the_node_until_an_operator_mends_it() {
    let cluster = Cluster::led(Setup::alone()).await;
    let node = cluster.leader();
    node.machine.fail_at("hard");
    let reason = "told to fail".to_owned();
    let (index, told) = (LogIndex(2), reason.clone());
    let failed = node.propose("hard").await;
    assert_eq!(failed, Err(ProposeError::ApplyFailed { index, reason: told }));
    let stopped = within(node.handle.stopped()).await;
    let expected = HaltReason::ApplyFailed { index, reason: reason.clone() };
    assert!(matches!(&stopped, StopReason::Halted(halt) if *halt == expected), "{stopped:?}");

    // The mark is on the disk: a restart runs into it.
    let machine = Arc::new(Machine::default());
    let refused = cluster.boot(1, Arc::clone(&machine), Arc::clone(&node.disk)).await.map(drop);
    let Err(StartError::Config(ConfigError::Broken { index: at, reason: why })) = refused else {
        panic!("a broken log must not be started from: {refused:?}");
    };
    assert_eq!((at, why), (index, reason));
    within(node.disk.is_closed()).await;

    node.disk.log.restarted().mark_fixed().expect("the mark");
    let again = cluster.boot(1, machine, Arc::clone(&node.disk)).await.expect("it starts");
    again.handle.campaign().await;
    within(again.known_leader(again.id)).await;
    assert_eq!(again.propose("after").await, Ok("2".to_owned()));
    assert_eq!(again.machine.commands(), ["hard", "after"]);
}

#[tokio::test]
async fn a_panic_of_the_state_machine_stops_the_node_at_that_entry() {
    let cluster = Cluster::led(Setup::alone()).await;
    let node = cluster.leader();
    node.machine.panic_at("bomb");
    let outcome = node.propose("bomb").await;
    assert!(matches!(outcome, Err(ProposeError::Unknown { .. })), "{outcome:?}");
    let reason = within(node.handle.stopped()).await;
    let StopReason::StateMachinePanicked { index, message } = reason else {
        panic!("{reason:?}");
    };
    assert_eq!((index, message.as_str()), (LogIndex(2), "told to panic"));
    assert_eq!(node.machine.commands(), [""; 0]);
    within(node.disk.is_closed()).await;
}

#[tokio::test]
async fn a_panic_in_a_query_stops_the_node() {
    let cluster = Cluster::led(Setup::alone()).await;
    let node = cluster.leader();
    let read = within(node.handle.read(bytes("panic"))).await;
    assert_eq!(read, Err(ReadError::Stopped));
    let reason = within(node.handle.stopped()).await;
    assert!(
        matches!(&reason, StopReason::Panicked { part: "state machine", message } if message == "told to panic"),
        "{reason:?}"
    );
}

#[tokio::test]
async fn a_panic_of_the_log_store_stops_the_node() {
    let cluster = Cluster::led(Setup::alone()).await;
    let node = cluster.leader();
    node.disk.panics.store(true, Ordering::SeqCst);
    let outcome = node.propose("lost").await;
    assert!(matches!(outcome, Err(ProposeError::Unknown { .. })), "{outcome:?}");
    let reason = within(node.handle.stopped()).await;
    assert!(matches!(&reason, StopReason::Panicked { part: "log store", .. }), "{reason:?}");
}

/// A transport with a bug.
struct Exploding;

impl Transport for Exploding {
    fn send(&self, _message: Message) {
        panic!("told to panic");
    }

    fn set_peers(&self, _peers: &[PeerAddress]) {}
}

#[tokio::test]
async fn a_panic_of_the_transport_stops_the_node_and_closes_its_ports() {
    let (machine, disk) = (Arc::default(), Arc::<Disk>::default());
    let handle = builder(&Setup::default(), &Hub::new(), 1, &machine, &disk)
        .transport(|_inbox| Ok(Arc::new(Exploding)))
        .start()
        .await
        .expect("it starts");
    handle.campaign().await;
    let reason = within(handle.stopped()).await;
    assert!(
        matches!(&reason, StopReason::Panicked { message, .. } if message == "told to panic"),
        "{reason:?}"
    );
    within(disk.is_closed()).await;
    let status = handle.status();
    assert!(status.stopped.is_some());
    assert_eq!(handle.propose(bytes("late")).await, Err(ProposeError::Stopped));
}

/// A transport that delivers short messages alone.
struct Short;

impl Transport for Short {
    fn send(&self, _message: Message) {}

    fn set_peers(&self, _peers: &[PeerAddress]) {}

    fn message_bytes_max(&self) -> Option<u64> {
        Some(1024)
    }
}

/// Appends that the transport drops would be sent again and again.
#[tokio::test]
async fn a_node_does_not_start_with_a_transport_that_drops_its_appends() {
    let (machine, disk) = (Arc::default(), Arc::<Disk>::default());
    let refused = builder(&Setup::default(), &Hub::new(), 1, &machine, &disk)
        .transport(|_inbox| Ok(Arc::new(Short)))
        .start()
        .await
        .expect_err("it does not start");
    let StartError::Config(ConfigError::MessageExceedsTransport { transport, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(transport, 1024);
    within(disk.is_closed()).await;
}
