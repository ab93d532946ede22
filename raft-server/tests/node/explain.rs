//! `NodeHandle::explain` and `NodeHandle::events`.

use std::sync::Arc;

use raft_core::{Event, NodeId, RoleKind};
use raft_server::{HostFinding, HostInsight, StreamedEvent};

use super::cluster::{Cluster, Setup, within};

#[tokio::test]
async fn a_leader_without_followers_names_them() {
    let cluster = Cluster::with_leader(Setup::short_election_timeout()).await;
    let leader = cluster.leader();
    leader.propose("a").await.expect("acknowledged");
    for follower in &cluster.members[1..] {
        within(follower.handle.shutdown()).await;
    }
    let explained = async {
        // Until the last messages of the others are not recent any more.
        while !leader.handle.explain().await.to_string().contains("contact with 1 only") {}
    };
    within(explained).await;
}

#[tokio::test]
async fn a_write_that_hangs_is_explained_by_the_core_and_by_the_host() {
    let cluster = Cluster::with_leader(Setup::default()).await;
    let leader = cluster.leader();
    let hang = leader.disk.hang();
    let proposed = leader.propose("a");
    let explained = async {
        loop {
            let explanation = leader.handle.explain().await;
            if !explanation.host.is_empty() {
                return explanation.to_string();
            }
        }
    };
    let explanation = tokio::select! {
        explanation = within(explained) => explanation,
        _ = proposed => panic!("the command is not durable here"),
    };
    assert!(explanation.contains("disk: the disk of this node has been writing"), "{explanation}");
    assert!(explanation.contains("disk: a write of 1 changes with "), "{explanation}");
    drop(hang);
}

#[tokio::test]
async fn a_stopped_node_explains_why_it_has_stopped() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    within(node.handle.shutdown()).await;
    let explanation = within(node.handle.explain()).await;
    assert!(matches!(explanation.host[..], [HostFinding::Stopped { .. }]), "{explanation}");
}

/// A part of a host that has lost its connection to node 2.
struct Unconnected;

impl HostInsight for Unconnected {
    fn explain(&self, findings: &mut Vec<HostFinding>) {
        let last_error = Some("refused".to_owned());
        findings.push(HostFinding::PeerUnconnected { node: NodeId(2), last_error });
    }
}

#[tokio::test]
async fn parts_of_the_host_add_what_they_find() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    node.handle.add_insight(Arc::new(Unconnected));
    let explanation = within(node.handle.explain()).await.to_string();
    assert!(explanation.ends_with("\n  peers: no connection to node 2: refused"), "{explanation}");
}

#[tokio::test]
async fn a_silent_follower_is_an_event() {
    let cluster = Cluster::with_leader(Setup::short_election_timeout()).await;
    let leader = cluster.leader();
    leader.propose("a").await.expect("acknowledged");
    let mut events = leader.handle.events();
    let follower = &cluster.members[2];
    within(follower.handle.shutdown()).await;
    loop {
        let event = within(events.next()).await.expect("the node runs");
        if let StreamedEvent::Event(Event::FollowerSilent { follower: silent, .. }) = event {
            assert_eq!(silent, follower.id);
            break;
        }
    }
}

#[tokio::test]
async fn events_are_a_stream_until_the_node_stops() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    let mut events = node.handle.events();
    node.handle.step_down().await;
    let event = within(events.next()).await.expect("the node runs");
    let StreamedEvent::Event(Event::RoleChanged { role, .. }) = event else { panic!("{event:?}") };
    assert_eq!(role, RoleKind::Follower);
    within(node.handle.shutdown()).await;
    while within(events.next()).await.is_some() {}
}
