//! Start, restart and shutdown of a node.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use raft_core::{LogIndex, Membership, NodeId, RoleKind};
use raft_server::{Node, ProposeError, StartError, StopReason};
use raft_transport_mem::Hub;

use super::cluster::{Cluster, Setup, builder, bytes, within};
use super::disk::Disk;
use super::machine::Machine;

#[tokio::test]
async fn a_start_without_a_required_part_names_it() {
    let refused = Node::builder().start().await.map(drop);
    assert!(matches!(refused, Err(StartError::Missing("a config"))), "{refused:?}");
    let config = Setup::single_member().config(1);
    let refused = Node::builder().config(config).bootstrap(Setup::single_member().membership());
    let refused = refused.start().await.map(drop);
    assert!(matches!(refused, Err(StartError::Missing("a log store"))), "{refused:?}");
}

#[tokio::test]
async fn a_failed_start_closes_the_store() {
    let machine = Arc::default();
    let disk: Arc<Disk> = Arc::default();
    let complete = || builder(&Setup::single_member(), &Hub::new(), 1, &machine, &disk);

    disk.fails.store(true, Ordering::SeqCst);
    let refused = complete().start().await.map(drop);
    assert!(matches!(refused, Err(StartError::Store(_))), "{refused:?}");
    disk.fails.store(false, Ordering::SeqCst);

    disk.panics.store(true, Ordering::SeqCst);
    let refused = complete().start().await.map(drop);
    let Err(StartError::Panicked { part: "log store", message }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(message, "injected panic");
    disk.panics.store(false, Ordering::SeqCst);

    let refused = complete().transport(|_inbox| Err("port in use".into())).start().await.map(drop);
    assert!(
        matches!(&refused, Err(StartError::Transport(why)) if why.to_string() == "port in use")
    );

    let refused = complete().bootstrap(Membership::default()).start().await.map(drop);
    assert!(matches!(refused, Err(StartError::Recovery(_))), "{refused:?}");

    within(disk.is_closed()).await;
    complete().start().await.expect("the store is closed");
}

#[tokio::test]
async fn a_node_whose_state_machine_is_ahead_of_its_log_does_not_start() {
    let disk = Arc::default();
    let machine = Arc::new(Machine::durable_to(LogIndex(7)));
    let refused =
        builder(&Setup::single_member(), &Hub::new(), 1, &machine, &disk).start().await.map(drop);
    assert!(
        matches!(
            refused,
            Err(StartError::Diverged { applied: LogIndex(7), last: LogIndex(0), .. })
        ),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_restart_applies_the_whole_log_to_a_state_machine_in_memory() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    for command in ["a", "b", "c"] {
        node.propose(command).await.expect("acknowledged");
    }
    within(node.handle.shutdown()).await;
    let again =
        cluster.start_member(1, Arc::default(), Arc::clone(&node.disk)).await.expect("it starts");
    again.handle.campaign().await;
    within(again.known_leader(NodeId(1))).await;
    assert_eq!(again.propose("d").await, Ok("4".to_owned()));
    assert_eq!(again.machine.commands(), ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_restart_applies_only_entries_after_the_applied_index() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    for command in ["a", "b", "c"] {
        node.propose(command).await.expect("acknowledged");
    }
    within(node.handle.shutdown()).await;
    // Entry 1 is the empty one of the leader's term; "a" and "b" are entries 2 and 3.
    let machine = Arc::new(Machine::durable_to(LogIndex(3)));
    let again = cluster.start_member(1, machine, Arc::clone(&node.disk)).await.expect("it starts");
    again.handle.campaign().await;
    within(again.known_leader(NodeId(1))).await;
    again.propose("d").await.expect("acknowledged");
    assert_eq!(again.machine.commands(), ["c", "d"]);
}

#[tokio::test]
async fn a_restarted_cluster_has_every_acknowledged_command() {
    let mut cluster = Cluster::with_leader(Setup::default()).await;
    for command in ["a", "b", "c"] {
        cluster.leader().propose(command).await.expect("acknowledged");
    }
    let old = std::mem::take(&mut cluster.members);
    for member in &old {
        within(member.handle.shutdown()).await;
    }
    for member in &old {
        let disk = Arc::clone(&member.disk);
        let member =
            cluster.start_member(member.id.get(), Arc::default(), disk).await.expect("it starts");
        cluster.members.push(member);
    }
    cluster.leader().handle.campaign().await;
    within(cluster.leader().known_leader(NodeId(1))).await;
    assert_eq!(cluster.leader().propose("d").await, Ok("4".to_owned()));
    assert_eq!(cluster.leader().machine.commands(), ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_shutdown_waits_for_pending_requests_refuses_others_and_closes_the_store() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    node.machine.hold_at("slow");
    let shutdown = async {
        within(node.machine.is_holding()).await;
        let late = async {
            // Polled after the shutdown began.
            let late = node.propose("late").await;
            node.machine.release();
            late
        };
        let ((), late) = tokio::join!(biased; within(node.handle.shutdown()), late);
        late
    };
    let (slow, late) = tokio::join!(node.propose("slow"), shutdown);
    assert_eq!(late, Err(ProposeError::Stopped));
    assert_eq!(slow, Ok("1".to_owned()));
    within(node.disk.is_closed()).await;
    assert!(matches!(within(node.handle.stopped()).await, StopReason::Shutdown));
    assert_eq!(node.propose("too late").await, Err(ProposeError::Stopped));
    within(node.handle.shutdown()).await;
}

#[tokio::test]
async fn a_proposal_that_a_shutdown_abandons_is_of_unknown_outcome() {
    let cluster = Cluster::with_leader(Setup::short_election_timeout()).await;
    let leader = cluster.leader().another_leader(NodeId(0)).await;
    let leader = &cluster.members[usize::try_from(leader.get() - 1).unwrap()];
    leader.propose("before").await.expect("acknowledged");
    cluster.hub.isolate(leader.id);
    let (outcome, ()) = tokio::join!(leader.propose("isolated"), async {
        leader.has_taken_requests().await;
        within(leader.handle.shutdown()).await;
    });
    assert!(matches!(outcome, Err(ProposeError::Unknown { .. })), "{outcome:?}");
    assert_eq!(leader.machine.commands(), ["before"]);
}

#[tokio::test]
async fn a_node_shuts_down_when_its_last_handle_is_dropped() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    let disk = Arc::clone(&node.disk);
    let copy = node.handle.clone();
    node.propose("add").await.expect("acknowledged");
    drop(cluster);
    assert_eq!(within(copy.propose(bytes("add"))).await, Ok(bytes("2")));
    assert_eq!(*disk.open.borrow(), 1);
    drop(copy);
    within(disk.is_closed()).await;
}

#[test]
fn dropping_the_runtime_ends_the_threads_and_closes_the_store() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (handle, disk) = runtime.block_on(async {
        let mut cluster = Cluster::with_leader(Setup::single_member()).await;
        let node = cluster.members.remove(0);
        (node.handle, node.disk)
    });
    drop(runtime);
    // The drop of the runtime waits for the threads.
    assert_eq!(*disk.open.borrow(), 0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let reason = within(handle.stopped()).await;
        assert!(matches!(reason, StopReason::RuntimeEnded), "{reason:?}");
        assert_eq!(handle.status().await.raft.role, RoleKind::Leader);
        assert_eq!(within(handle.propose(bytes("late"))).await, Err(ProposeError::Stopped));
    });
}
