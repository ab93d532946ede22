//! Random changes of the membership, and nodes that lose their disks.

use std::time::Duration;

use raft_core::{ClusterSettings, Membership, NodeId};

use super::known_bug::KnownBug;
use super::run::Run;
use crate::network::slot_of;

impl Run {
    /// Requests a random change from a leader. A configuration in which the wiped nodes leave no
    /// quorum would block the cluster for ever: it is not requested.
    pub(super) fn change_membership(&mut self) {
        let Some(leader) = self.random_leader() else { return };
        let current = self.cluster.nodes[slot_of(NodeId(leader))].status.membership.clone();
        let node = self.random_node();
        self.statistics.membership_requests += 1;
        if self.is_lost(&current, NodeId(node)) {
            self.statistics.replacements += 1;
            self.cluster.replace(leader, node);
            return;
        }
        if self.prng.one_in(4) {
            self.change_settings(leader, node);
            return;
        }
        let mut voters: Vec<u64> = current.voters.iter().map(|id| id.get()).collect();
        match self.prng.below(6) {
            0 | 1 if !current.contains(NodeId(node)) => {
                self.cluster.add_learner(leader, node);
            }
            0 | 1 if current.learners.contains(&NodeId(node)) => {
                voters.push(node);
                if self.leaves_quorum(&current, &voters) {
                    if self.prng.one_in(2) {
                        self.cluster.promote(leader, node);
                    } else {
                        self.cluster.promote_when_caught_up(leader, node);
                    }
                }
            }
            0..=3 if voters.len() > 1 => {
                voters.retain(|&voter| voter != node);
                if self.leaves_quorum(&current, &voters) {
                    if self.prng.one_in(2) {
                        self.cluster.remove(leader, node);
                    } else {
                        self.cluster.demote(leader, node);
                    }
                }
            }
            _ => self.set_random_members(leader, &current),
        }
        let status = &self.cluster.nodes[slot_of(NodeId(leader))].status;
        if status.membership.is_joint() && status.membership != current {
            self.statistics.joint_memberships += 1;
        }
    }

    /// Requests other settings of the cluster, or another priority of a node. Leases are never turned
    /// on or off where the clocks of the run may drift beyond their bound.
    fn change_settings(&mut self, leader: u64, node: u64) {
        if self.prng.one_in(3) {
            self.statistics.priority_changes += 1;
            let priority = *self.prng.pick(&[50, 100, 150, 200]);
            self.cluster.set_priority(leader, node, priority);
            return;
        }
        self.statistics.settings_changes += 1;
        let millis = |millis| Some(Duration::from_millis(millis));
        let (election_timeout_min, heartbeat_interval) =
            *self.prng.pick(&[(None, None), (millis(300), millis(60))]);
        let settings = ClusterSettings {
            election_timeout_min,
            heartbeat_interval,
            pre_vote: *self.prng.pick(&[None, Some(true), Some(false)]),
            kept_entries_max: *self.prng.pick(&[None, Some(2), Some(50)]),
            append_entries_max: *self.prng.pick(&[None, Some(1), Some(8)]),
            ..ClusterSettings::NONE
        };
        self.cluster.update_settings(leader, settings);
    }

    fn set_random_members(&mut self, leader: u64, current: &Membership) {
        let (mut voters, mut learners) = (Vec::new(), Vec::new());
        for node in 1..=self.plan.nodes as u64 {
            match self.prng.below(5) {
                0..=2 => voters.push(node),
                3 => learners.push(node),
                _ => {}
            }
        }
        if self.leaves_quorum(current, &voters) {
            self.cluster.set_members(leader, &voters, &learners);
        }
    }

    /// Wipes a random node, if its loss leaves a quorum of every configuration that may be in force
    /// at a node, also if it is a learner whose promotion waits.
    pub(super) fn wipe(&mut self) {
        let node = self.random_node();
        let survives = |membership: &Membership| {
            let keeps = |voter: NodeId| voter.get() != node && !self.is_lost(membership, voter);
            let mut promoted = membership.clone();
            promoted.voters.extend(membership.learners.get(&NodeId(node)));
            membership.is_quorum(keeps) && promoted.is_quorum(keeps)
        };
        if !self.cluster.checker.possible_memberships().all(survives) {
            return;
        }
        if self.known_bug == Some(KnownBug::WipedNodesKeepTheirIncarnation) {
            self.wipe_without_a_trace(node);
        } else {
            self.statistics.wipes += 1;
            self.cluster.wipe(node);
        }
    }

    /// Wipes a node of a cluster of at least three voters and starts it under the same incarnation: no
    /// other node can know of the loss.
    fn wipe_without_a_trace(&mut self, node: u64) {
        let voters = self.plan.nodes - self.plan.spares;
        if self.statistics.wipes < voters as u64 && voters >= 3 {
            self.statistics.wipes += 1;
            let identity = self.cluster.nodes[slot_of(NodeId(node))].config.identity();
            self.cluster.wipe_as(node, identity.incarnation);
        }
    }

    /// Whether the incarnation that the configuration names has lost its disk.
    fn is_lost(&self, membership: &Membership, node: NodeId) -> bool {
        let current = self.cluster.nodes[slot_of(node)].config.identity().incarnation;
        membership.incarnation(node).is_some_and(|pinned| pinned != current)
    }

    /// Whether these voters have a quorum although the wiped nodes of `current` are lost.
    fn leaves_quorum(&self, current: &Membership, voters: &[u64]) -> bool {
        let target = Membership::of_voters(voters.iter().copied().map(NodeId));
        target.is_quorum(|voter| !self.is_lost(current, voter))
    }
}
