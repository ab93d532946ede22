//! Transfers of the leadership through the handle of a node.

use raft_core::{NodeId, Refusal, RoleKind};
use raft_server::TransferError;

use super::cluster::{Cluster, Setup, within};

#[tokio::test]
async fn another_node_leads_after_a_transfer() {
    let cluster = Cluster::with_leader(Setup::default()).await;
    let [old, target, _] = &cluster.members[..] else { panic!("three members") };
    old.propose("a").await.expect("acknowledged");
    let leader = within(old.handle.transfer_leadership(Some(target.id))).await;
    assert_eq!(leader, Ok(target.id));
    assert_eq!(target.handle.leadership().role, RoleKind::Leader);
    assert_eq!(old.handle.leadership().leader, Some(target.id));
    target.propose("b").await.expect("the new leader accepts commands");
    assert_eq!(target.machine.commands(), ["a", "b"]);
}

#[tokio::test]
async fn a_transfer_without_a_target_goes_to_another_voter() {
    let cluster = Cluster::with_leader(Setup::default()).await;
    let leader = within(cluster.leader().handle.transfer_leadership(None)).await.expect("it ends");
    assert_ne!(leader, cluster.leader().id);
}

#[tokio::test]
async fn transfers_that_cannot_begin_are_refused() {
    let cluster = Cluster::with_leader(Setup::default()).await;
    let leader = cluster.leader();
    for node in [leader.id, NodeId(9)] {
        let refused = within(leader.handle.transfer_leadership(Some(node))).await;
        assert_eq!(refused, Err(TransferError::Refused(Refusal::InvalidTarget { node })));
    }
    let follower = &cluster.members[1];
    within(follower.known_leader(leader.id)).await;
    let refused = within(follower.handle.transfer_leadership(None)).await;
    let not_leader = Refusal::NotLeader { leader: leader.id };
    assert_eq!(refused, Err(TransferError::Refused(not_leader)));
    within(leader.handle.shutdown()).await;
    let stopped = within(leader.handle.transfer_leadership(None)).await;
    assert_eq!(stopped, Err(TransferError::Stopped));
}
