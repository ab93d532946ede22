//! The members of the cluster: their addresses, reports about them, and changes.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use raft_core::{MemberInfo, Membership, MembershipChange, MembershipRefusal, NodeId, PromoteWhen};
use tokio::sync::watch;

use super::config::MemberAddresses;
use crate::kv::protocol::{
    MemberChange, MemberReport, MemberRole, MembershipMember, MembershipReport, Refusal,
};
use crate::{MembershipInForce, NodeHandle, NodeStatus};

/// The addresses of the members: those of the membership in force and, where it has none, those of
/// the configuration.
#[derive(Debug)]
pub(super) struct Members {
    in_force: watch::Receiver<MembershipInForce>,
    listed: RwLock<BTreeMap<NodeId, MemberAddresses>>,
}

impl Members {
    pub(super) fn new(node: &NodeHandle, listed: BTreeMap<NodeId, MemberAddresses>) -> Self {
        Self { in_force: node.membership(), listed: RwLock::new(listed) }
    }

    /// Replaces the addresses of the configuration.
    pub(super) fn set_listed(&self, listed: BTreeMap<NodeId, MemberAddresses>) {
        *self.listed.write().unwrap_or_else(PoisonError::into_inner) = listed;
    }

    /// The client addresses of the members. Of a node that waits to be added: those of the
    /// configuration.
    pub(super) fn client_addresses(&self) -> Vec<(NodeId, String)> {
        let in_force = self.in_force.borrow();
        let members = in_force.membership.members();
        if members.is_empty() {
            let listed = self.listed.read().unwrap_or_else(PoisonError::into_inner);
            return listed.iter().map(|(node, found)| (*node, found.client.clone())).collect();
        }
        let known = members.into_iter().map(|node| (node, self.client_of(&in_force, node)));
        known.filter_map(|(node, address)| Some((node, address?))).collect()
    }

    /// The client address of a node, if it is known.
    pub(super) fn client_address(&self, node: NodeId) -> Option<String> {
        self.client_of(&self.in_force.borrow(), node)
    }

    /// The members as earlier releases report them.
    pub(super) fn reports(&self, status: &NodeStatus) -> Vec<MemberReport> {
        let report = |member: MembershipMember| MemberReport {
            node: member.node,
            voter: member.role != MemberRole::Learner,
            leader: member.leader,
            peer_address: member.peer_address,
            client_address: member.client_address,
        };
        self.report(status).members.into_iter().map(report).collect()
    }

    /// The membership.
    pub(super) fn report(&self, status: &NodeStatus) -> MembershipReport {
        let raft = &status.raft;
        let membership = &raft.membership;
        let is_leading = raft.leader == Some(raft.node);
        let member = |node| {
            let matched = raft.progress.get(&node).map(|progress| progress.match_index);
            let own = (node == raft.node).then_some(raft.persisted_index);
            MembershipMember {
                node,
                role: role(membership, node),
                leader: raft.leader == Some(node),
                incarnation: membership.incarnation(node),
                peer_address: self.address(
                    membership,
                    node,
                    |info| &info.peer_address,
                    |a| &a.peer,
                ),
                client_address: self.client_in(membership, node),
                match_index: matched.or(own).filter(|_| is_leading),
            }
        };
        MembershipReport {
            version: raft.membership_version,
            is_final: raft.membership_version <= raft.commit_index && !membership.is_joint(),
            last_index: raft.last_log.index,
            members: membership.members().into_iter().map(member).collect(),
        }
    }

    fn client_of(&self, in_force: &MembershipInForce, node: NodeId) -> Option<String> {
        self.client_in(&in_force.membership, node)
    }

    fn client_in(&self, membership: &Membership, node: NodeId) -> Option<String> {
        self.address(membership, node, |info| &info.client_address, |listed| &listed.client)
    }

    fn address(
        &self,
        membership: &Membership,
        node: NodeId,
        of_member: impl FnOnce(&MemberInfo) -> &String,
        of_listed: impl FnOnce(&MemberAddresses) -> &String,
    ) -> Option<String> {
        let known = membership.nodes.get(&node).map(of_member).filter(|text| !text.is_empty());
        known.cloned().or_else(|| {
            let listed = self.listed.read().unwrap_or_else(PoisonError::into_inner);
            listed.get(&node).map(|listed| of_listed(listed).clone())
        })
    }
}

fn role(membership: &Membership, node: NodeId) -> MemberRole {
    if membership.voters.contains(&node) {
        MemberRole::Voter
    } else if membership.outgoing.contains(&node) {
        MemberRole::Outgoing
    } else {
        MemberRole::Learner
    }
}

/// The change as the core takes it.
pub(super) fn change_of(change: MemberChange) -> MembershipChange {
    match change {
        MemberChange::Add { node, peer_address, client_address, incarnation } => {
            let info =
                MemberInfo { incarnation, peer_address, client_address, ..MemberInfo::default() };
            MembershipChange::AddLearner { node, info }
        }
        MemberChange::Promote { node } => {
            MembershipChange::Promote { node, when: PromoteWhen::Now }
        }
        MemberChange::Demote { node } => MembershipChange::Demote { node },
        MemberChange::Remove { node } => MembershipChange::Remove { node },
        MemberChange::Replace { node, incarnation } => {
            MembershipChange::Replace { node, incarnation }
        }
        MemberChange::Update { node, peer_address, client_address } => {
            MembershipChange::UpdateAddresses { node, peer_address, client_address }
        }
    }
}

/// The refusal of a change. One that another change in progress or a lagging learner causes ends by
/// itself.
pub(super) fn refusal_of(refusal: MembershipRefusal) -> Refusal {
    let reason = refusal.to_string();
    match refusal {
        MembershipRefusal::ChangeInProgress { .. } => Refusal::ChangeInProgress { reason },
        MembershipRefusal::Lagging { match_index, last_index, .. } => {
            Refusal::Lagging { reason, match_index, last_index }
        }
        MembershipRefusal::VersionDiffers { .. }
        | MembershipRefusal::AlreadyInForce { .. }
        | MembershipRefusal::AlreadyAMember(_)
        | MembershipRefusal::NotAMember(_)
        | MembershipRefusal::NotALearner(_)
        | MembershipRefusal::NotAVoter(_)
        | MembershipRefusal::IncarnationOfVoter(_)
        | MembershipRefusal::IncarnationNotLater { .. }
        | MembershipRefusal::ReplacesLeader(_)
        | MembershipRefusal::Invalid(_)
        | _ => Refusal::MembershipNotChanged { reason },
    }
}
