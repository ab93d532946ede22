//! `NodeHandle::status` in every state of the driver.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use raft_core::ports::{PeerAddress, Transport};
use raft_core::{LogIndex, Message, RoleKind};
use raft_server::StopReason;
use raft_transport_mem::Hub;
use tokio::sync::watch;

use super::cluster::{Cluster, Setup, builder, within};
use super::disk::Disk;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_covers_every_response_before_it() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    for count in 1..=100 {
        node.propose("add").await.expect("acknowledged");
        let status = node.handle.status().await;
        // Entry 1 is the empty one with which the leader began its term.
        assert_eq!(status.raft.commit_index, LogIndex(count + 1));
        assert_eq!(status.raft.applied_index, LogIndex(count + 1));
        assert_eq!(status.counters.proposals, count);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_returns_when_the_leadership_that_it_causes_is_published() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    for _ in 0..500 {
        node.handle.step_down().await;
        assert_eq!(node.handle.leadership().role, RoleKind::Follower);
        node.handle.campaign().await;
        within(node.known_leader(node.id)).await;
    }
}

#[tokio::test]
async fn a_stopped_node_reports_its_last_state() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    node.propose("add").await.expect("acknowledged");
    within(node.handle.shutdown()).await;
    let status = within(node.handle.status()).await;
    assert_eq!(status.raft.applied_index, LogIndex(2));
    assert!(matches!(status.stopped, Some(StopReason::Shutdown)));
}

#[tokio::test]
async fn a_status_is_available_while_a_shutdown_waits_for_the_disk() {
    let cluster = Cluster::start(Setup::single_member()).await;
    let node = cluster.leader();
    let hang = node.disk.hang();
    // The vote that the candidate must persist.
    node.handle.campaign().await;
    let ((), ()) = tokio::join!(within(node.handle.shutdown()), async {
        let status = within(node.handle.status()).await;
        assert_eq!(status.raft.role, RoleKind::Candidate);
        assert!(status.stopped.is_none());
        drop(hang);
    });
}

/// A transport that violates its contract: it blocks the driver.
struct BlockingTransport {
    blocks: watch::Sender<bool>,
    /// Sending blocks until the other end is dropped.
    release: Mutex<Receiver<()>>,
}

impl Transport for BlockingTransport {
    fn send(&self, _message: Message) {
        self.blocks.send_replace(true);
        let _ = self.release.lock().expect("no panic under this lock").recv();
    }

    fn set_peers(&self, _peers: &[PeerAddress]) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_is_available_while_the_driver_is_blocked() {
    let (machine, disk) = (Arc::default(), Arc::<Disk>::default());
    let (release, released) = channel();
    let blocks = watch::Sender::new(false);
    let mut is_blocked = blocks.subscribe();
    let transport = BlockingTransport { blocks, release: Mutex::new(released) };
    let handle = builder(&Setup::default(), &Hub::new(), 1, &machine, &disk)
        .transport(|_inbox| Ok(Arc::new(transport)))
        .start()
        .await
        .expect("it starts");
    let campaign = tokio::spawn({
        let handle = handle.clone();
        async move { handle.campaign().await }
    });
    within(is_blocked.wait_for(|&blocked| blocked)).await.expect("the transport exists");
    let status = within(handle.status()).await;
    assert_eq!(status.raft.role, RoleKind::Follower, "the state before the driver was blocked");
    assert!(status.raft_age >= Duration::from_secs(1), "{:?}", status.raft_age);

    drop(release);
    within(campaign).await.expect("the command is taken");
    let status = within(handle.status()).await;
    assert_eq!(status.raft.role, RoleKind::PreCandidate);
}
