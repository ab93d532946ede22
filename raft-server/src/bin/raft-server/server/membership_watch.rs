//! Reports to the operator that the cluster does not admit this node, and what to do.

use std::collections::BTreeMap;

use raft_core::ports::PeerRefusal;
use raft_core::{Identity, Membership, NodeId, Participation};
use raft_server::{NodeHandle, RefusedBy};

use crate::exit::{Exit, Failure};

/// What prevents this node from taking part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Obstacle {
    /// The cluster has admitted another incarnation of this node. It waits until it is replaced.
    NotAdmitted,
    /// It was removed from the cluster, or never was a member.
    NotAMember,
    /// So many members were bootstrapped differently that no quorum remains. The node cannot become
    /// a part of this cluster with its data.
    OtherBootstrap,
}

/// Watches a node, and logs each obstacle once when it arises. Returns when the node must stop: its
/// data belongs to another cluster.
pub(super) async fn watch(node: NodeHandle, identity: Identity) -> Failure {
    let mut membership = node.membership();
    let mut refusals = node.refusals();
    let mut logged = None;
    loop {
        let in_force = membership.borrow_and_update().clone();
        let refused_by = refusals.borrow_and_update().clone();
        let found = obstacle(&in_force.membership, in_force.participation, &refused_by);
        if found != logged {
            logged = found;
            match found {
                Some(Obstacle::OtherBootstrap) => return other_bootstrap(&refused_by),
                Some(obstacle) => log(obstacle, &identity),
                None => tracing::info!("the cluster admits this node"),
            }
        }
        let changed = tokio::select! {
            changed = membership.changed() => changed,
            changed = refusals.changed() => changed,
        };
        if changed.is_err() {
            // The node has stopped; this task ends with the process.
            std::future::pending::<()>().await;
        }
    }
}

fn obstacle(
    membership: &Membership,
    participation: Participation,
    refused_by: &BTreeMap<NodeId, RefusedBy>,
) -> Option<Obstacle> {
    let refuses = |wanted| refused_by.values().any(|refused| refused.refusal == wanted);
    let differs = |node: NodeId| {
        refused_by.get(&node).is_some_and(|refused| refused.refusal == PeerRefusal::OtherBootstrap)
    };
    if refuses(PeerRefusal::OtherBootstrap) && !membership.is_quorum(|node| !differs(node)) {
        return Some(Obstacle::OtherBootstrap);
    }
    let is_other_incarnation = matches!(participation, Participation::NotAdmitted { .. });
    if is_other_incarnation || refuses(PeerRefusal::WrongIncarnation) {
        return Some(Obstacle::NotAdmitted);
    }
    let is_removed = participation == Participation::Removed;
    (is_removed || refuses(PeerRefusal::NotAPeer)).then_some(Obstacle::NotAMember)
}

fn log(obstacle: Obstacle, identity: &Identity) {
    let Identity { node, incarnation, .. } = identity;
    match obstacle {
        Obstacle::NotAdmitted => tracing::error!(
            "the data directory of this node was created anew (incarnation {incarnation}), and the \
             cluster has admitted an earlier one: it neither votes nor counts until an operator runs \
             `raft-server members replace {node} --incarnation {incarnation}` and then \
             `raft-server members promote {node}`"
        ),
        Obstacle::NotAMember => tracing::warn!(
            "this node is not a member of the cluster: it was removed, or is not added yet; stop it, \
             or run `raft-server members add {node}=PEER/CLIENT`"
        ),
        // The caller ends the process with a message.
        Obstacle::OtherBootstrap => {}
    }
}

fn other_bootstrap(refused_by: &BTreeMap<NodeId, RefusedBy>) -> Failure {
    let reasons: Vec<_> = refused_by.values().map(|refused| refused.reason.as_str()).collect();
    let message = format!(
        "this node and the others were bootstrapped with different lists of members: correct \
         members, empty the data directory and start again ({})",
        reasons.join("; ")
    );
    Failure::new(Exit::Config, message)
}

#[cfg(test)]
mod tests {
    use raft_core::Incarnation;

    use super::*;

    fn refused_by(peers: &[(u64, PeerRefusal)]) -> BTreeMap<NodeId, RefusedBy> {
        let refused =
            |&(peer, refusal)| (NodeId(peer), RefusedBy { refusal, reason: String::new() });
        peers.iter().map(refused).collect()
    }

    #[test]
    fn obstacles_are_distinguished() {
        use PeerRefusal::{NotAPeer, OtherBootstrap, Version, WrongIncarnation};
        let voters = Membership::of_voters([1, 2, 3].map(NodeId));
        let found =
            |participation, peers: &[_]| obstacle(&voters, participation, &refused_by(peers));
        let voter = Participation::Voter;
        assert_eq!(found(voter, &[]), None);
        assert_eq!(found(voter, &[(1, Version)]), None, "a rolling upgrade");
        assert_eq!(found(voter, &[(1, OtherBootstrap)]), None, "nodes 2 and 3 are a quorum");
        let both = [(1, OtherBootstrap), (2, OtherBootstrap)];
        assert_eq!(found(voter, &both), Some(Obstacle::OtherBootstrap));
        assert_eq!(found(voter, &[(1, WrongIncarnation)]), Some(Obstacle::NotAdmitted));
        let admitted = Incarnation(1);
        let not_admitted = Participation::NotAdmitted { admitted };
        assert_eq!(found(not_admitted, &[]), Some(Obstacle::NotAdmitted));
        assert_eq!(found(voter, &[(2, NotAPeer)]), Some(Obstacle::NotAMember));
        assert_eq!(found(Participation::Removed, &[]), Some(Obstacle::NotAMember));
    }
}
