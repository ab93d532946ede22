//! Changes of the membership, and nodes that lose their disks.

use std::collections::BTreeMap;

use raft_core::ports::{LogStore, StateMachine};
use raft_core::{
    ClusterSettings, Incarnation, Input, LogIndex, MemberInfo, MembershipChange, MembershipRequest,
    NodeId, Priority, PromoteWhen,
};

use super::disk::Crash;
use super::requests::RequestHandle;
use super::sim_cluster::Cluster;
use crate::snapshot::SnapshotStore;
use crate::trace::describe;
use crate::trace::record::RecordKind;

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Requests a change of the membership from a node. It ends as
    /// [`CommandOutcome::MembershipChanged`](crate::CommandOutcome::MembershipChanged), refused or
    /// unknown.
    ///
    /// # Panics
    /// If there is no such node; the other actions on the membership likewise.
    pub fn change_membership(&mut self, node: u64, change: MembershipChange) -> RequestHandle {
        self.change_membership_if(node, change, None)
    }

    /// Requests a change of the membership if the membership has this version.
    pub fn change_membership_if(
        &mut self,
        node: u64,
        change: MembershipChange,
        version: impl Into<Option<u64>>,
    ) -> RequestHandle {
        let if_version = version.into().map(LogIndex);
        let text = describe::membership_change(&change);
        let record = |command| RecordKind::MembershipRequested { command, text };
        self.submit(node, record, |id| {
            Input::ChangeMembership(MembershipRequest { id, change, if_version })
        })
    }

    /// Requests that a node is added as a learner, with its current incarnation.
    pub fn add_learner(&mut self, leader: u64, node: u64) -> RequestHandle {
        let change = self.addition_of(node);
        self.change_membership(leader, change)
    }

    /// Requests the promotion of a learner now: it is refused while the learner lags.
    pub fn promote(&mut self, leader: u64, node: u64) -> RequestHandle {
        let (node, when) = (NodeId(node), PromoteWhen::Now);
        self.change_membership(leader, MembershipChange::Promote { node, when })
    }

    /// Requests the promotion of a learner once it has caught up.
    pub fn promote_when_caught_up(&mut self, leader: u64, node: u64) -> RequestHandle {
        let (node, when) = (NodeId(node), PromoteWhen::CaughtUp);
        self.change_membership(leader, MembershipChange::Promote { node, when })
    }

    /// Requests that a voter becomes a learner.
    pub fn demote(&mut self, leader: u64, node: u64) -> RequestHandle {
        self.change_membership(leader, MembershipChange::Demote { node: NodeId(node) })
    }

    /// Requests that a member is removed.
    pub fn remove(&mut self, leader: u64, node: u64) -> RequestHandle {
        self.change_membership(leader, MembershipChange::Remove { node: NodeId(node) })
    }

    /// Requests that the current incarnation of a wiped member is admitted, as a learner.
    pub fn replace(&mut self, leader: u64, node: u64) -> RequestHandle {
        let change = self.replacement_of(node);
        self.change_membership(leader, change)
    }

    /// Requests these settings of the cluster.
    pub fn update_settings(&mut self, leader: u64, settings: ClusterSettings) -> RequestHandle {
        let settings = Box::new(settings);
        self.change_membership(leader, MembershipChange::UpdateSettings { settings })
    }

    /// Requests a priority of a member.
    pub fn set_priority(&mut self, leader: u64, node: u64, priority: u8) -> RequestHandle {
        let (node, priority) = (NodeId(node), Priority(priority));
        self.change_membership(leader, MembershipChange::SetPriority { node, priority })
    }

    /// Requests these voters and learners, new ones with their current incarnations.
    pub fn set_members(&mut self, leader: u64, voters: &[u64], learners: &[u64]) -> RequestHandle {
        let change = self.members_of(leader, voters, learners);
        self.change_membership(leader, change)
    }

    pub(crate) fn addition_of(&mut self, node: u64) -> MembershipChange {
        let info = self.info_of(node);
        MembershipChange::AddLearner { node: NodeId(node), info }
    }

    pub(crate) fn replacement_of(&mut self, node: u64) -> MembershipChange {
        let at = self.slot(node);
        let incarnation = self.nodes[at].config.identity().incarnation;
        MembershipChange::Replace { node: NodeId(node), incarnation }
    }

    /// `leader` knows the members that stay: their incarnations are not named again.
    pub(crate) fn members_of(
        &mut self,
        leader: u64,
        voters: &[u64],
        learners: &[u64],
    ) -> MembershipChange {
        let at = self.slot(leader);
        let current = self.nodes[at].status.membership.clone();
        let new = voters.iter().chain(learners).filter(|&&node| !current.contains(NodeId(node)));
        let nodes: BTreeMap<NodeId, MemberInfo> =
            new.map(|&node| (NodeId(node), self.info_of(node))).collect();
        let set = |nodes: &[u64]| nodes.iter().copied().map(NodeId).collect();
        MembershipChange::Set { voters: set(voters), learners: set(learners), nodes }
    }

    fn info_of(&mut self, node: u64) -> MemberInfo {
        let at = self.slot(node);
        let incarnation = Some(self.nodes[at].config.identity().incarnation);
        MemberInfo { incarnation, ..MemberInfo::default() }
    }

    /// Crashes the node, replaces its disk by an empty one and starts it as a new incarnation. It is
    /// not bootstrapped: it waits for a leader that admits it ([`Cluster::replace`]).
    pub fn wipe(&mut self, node: u64) {
        let at = self.slot(node);
        let incarnation = self.nodes[at].config.identity().incarnation;
        self.wipe_as(node, Incarnation(incarnation.get() + 1));
    }

    /// Like [`Cluster::wipe`], with a given incarnation. Every host has to choose a later one.
    pub(crate) fn wipe_as(&mut self, node: u64, incarnation: Incarnation) {
        let at = self.slot(node);
        self.crash(node, Crash::LoseUnsynced);
        self.nodes[at].config = self.config_of(NodeId(node), incarnation);
        self.nodes[at].store = Some((self.factory.store)(node));
        self.nodes[at].snapshots = SnapshotStore::new();
        self.checker.on_wiped(at, incarnation);
        self.record_at(at, RecordKind::Wiped { incarnation }, None);
        self.restart(node);
    }
}
