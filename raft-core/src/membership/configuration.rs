//! Cluster configurations: the members, their votes, and what is known of each.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::priority::Priority;
use crate::config::{ClusterSettings, ConfigError};
use crate::quorum::{self, MEMBERS_MAX};
use crate::types::{Incarnation, LogIndex, NodeId};

/// The most bytes of one address: a DNS name of 253 bytes, a colon and a port need 259.
pub const ADDRESS_BYTES_MAX: usize = 260;

/// A configuration of the cluster (thesis §4). While `outgoing` is not empty it is a joint
/// configuration: elections and commitment need a majority of `voters` *and* one of `outgoing`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Membership {
    /// Members that vote and count towards commitment.
    pub voters: BTreeSet<NodeId>,
    /// The voters of the outgoing configuration of a change in progress (joint consensus, thesis
    /// §4.3). One that becomes a learner is in `learners`, too.
    pub outgoing: BTreeSet<NodeId>,
    /// Members that receive the log and do not vote (thesis §4.2.1).
    pub learners: BTreeSet<NodeId>,
    /// What is known of the members. A member without an entry has the default one: its
    /// incarnation is not pinned, and it has no addresses. Other nodes have no entry.
    pub nodes: BTreeMap<NodeId, MemberInfo>,
    /// Settings that replace those of each node. Boxed, since configurations are parts of messages
    /// and effects that are mostly smaller.
    pub settings: Box<ClusterSettings>,
}

/// What a configuration states of one member. The core uses the incarnation and the priority; the
/// addresses are for the host, its transport and its clients.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MemberInfo {
    /// The only incarnation whose votes and acknowledgements count. `None` until the leader has
    /// received a message of the member, and then pins the incarnation in that message.
    pub incarnation: Option<Incarnation>,
    /// Where the other nodes reach the member; empty if the host knows it from elsewhere. At most
    /// [`ADDRESS_BYTES_MAX`].
    pub peer_address: String,
    /// Where clients reach the member; empty if the host knows it from elsewhere. At most
    /// [`ADDRESS_BYTES_MAX`].
    pub client_address: String,
    /// Whether this voter is to lead rather than others.
    pub priority: Priority,
}

/// Why a configuration is invalid.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum MembershipError {
    /// It has no voter.
    #[error("a membership needs at least one voter")]
    NoVoters,
    /// It has too many members.
    #[error("a membership may name at most {MEMBERS_MAX} members, this one names {0}")]
    TooMany(usize),
    /// A node is a voter and a learner at once.
    #[error("node {0} is named both as a voter and as a learner")]
    VoterAndLearner(NodeId),
    /// It names node 0.
    #[error("0 is not a node id")]
    ZeroNodeId,
    /// It describes a node that is not a member.
    #[error("node {0} is described and is not a member")]
    NotAMember(NodeId),
    /// An address is too long.
    #[error("an address of node {node} has {bytes} bytes; the limit is {ADDRESS_BYTES_MAX}")]
    AddressTooLong {
        /// The member.
        node: NodeId,
        /// The length of the address.
        bytes: usize,
    },
    /// No voter may campaign by itself.
    #[error("every voter has priority 0, so that none would campaign; raise the priority of one")]
    NoCandidate,
    /// The settings break a rule.
    #[error(transparent)]
    InvalidSettings(ConfigError),
}

/// Members and what is known of them.
impl Membership {
    /// A configuration with these voters, no learners, and nothing known of them. It is not
    /// checked: see [`Membership::check`].
    pub fn of_voters(voters: impl IntoIterator<Item = NodeId>) -> Self {
        Self { voters: voters.into_iter().collect(), ..Self::default() }
    }

    /// Whether the node votes, in the incoming or the outgoing configuration.
    #[must_use]
    pub fn is_voter(&self, node: NodeId) -> bool {
        self.voters.contains(&node) || self.outgoing.contains(&node)
    }

    /// Whether the node is a voter or a learner.
    #[must_use]
    pub fn contains(&self, node: NodeId) -> bool {
        self.is_voter(node) || self.learners.contains(&node)
    }

    /// Every member once, in ascending order.
    #[must_use]
    pub fn members(&self) -> BTreeSet<NodeId> {
        self.voters.iter().chain(&self.outgoing).chain(&self.learners).copied().collect()
    }

    /// The number of node ids that it names, counted with repetition.
    #[must_use]
    pub fn size(&self) -> usize {
        self.voters.len() + self.outgoing.len() + self.learners.len()
    }

    /// Whether a change from `outgoing` to `voters` is in progress (thesis §4.3).
    #[must_use]
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// The incarnation of the member whose votes and acknowledgements count, if it is pinned.
    #[must_use]
    pub fn incarnation(&self, node: NodeId) -> Option<Incarnation> {
        self.nodes.get(&node)?.incarnation
    }

    /// The priority of the member.
    #[must_use]
    pub fn priority(&self, node: NodeId) -> Priority {
        self.nodes.get(&node).map_or(Priority::DEFAULT, |info| info.priority)
    }

    /// The bytes of memory that it takes, approximately; more than its encoded form has.
    #[must_use]
    pub(crate) fn weight_bytes(&self) -> u64 {
        /// The memory of an id in the nodes of a set, which are at least half full.
        const MEMBER_BYTES: u64 = 24;
        /// Likewise of an entry of the map, without the bytes of its addresses.
        const INFO_BYTES: u64 = 2 * (size_of::<NodeId>() + size_of::<MemberInfo>()) as u64;
        let address_bytes = |info: &MemberInfo| info.peer_address.len() + info.client_address.len();
        let addresses: usize = self.nodes.values().map(address_bytes).sum();
        (size_of::<Self>() + size_of::<ClusterSettings>()) as u64
            + MEMBER_BYTES * self.size() as u64
            + INFO_BYTES * self.nodes.len() as u64
            + addresses as u64
    }
}

/// Majorities.
impl Membership {
    /// Whether the voters for which `agrees` holds are a quorum.
    pub fn is_quorum(&self, mut agrees: impl FnMut(NodeId) -> bool) -> bool {
        quorum::majority_agrees(&self.voters, &mut agrees)
            && (self.outgoing.is_empty() || quorum::majority_agrees(&self.outgoing, &mut agrees))
    }

    /// The highest index that a quorum holds; `held` returns the index of each voter.
    pub fn quorum_index(&self, mut held: impl FnMut(NodeId) -> LogIndex) -> LogIndex {
        let incoming = quorum::majority_index(&self.voters, &mut held);
        if self.outgoing.is_empty() {
            incoming
        } else {
            incoming.min(quorum::majority_index(&self.outgoing, &mut held))
        }
    }
}

/// Changes.
impl Membership {
    /// The configuration to append next on the way from this one, which is not joint, to `target`.
    ///
    /// If the voters differ by at most one node, any two majorities of the old and the new voters
    /// have a node in common, and the next configuration is the target (thesis §4.2). Otherwise it
    /// is the joint configuration of both (thesis §4.3).
    #[must_use]
    pub(crate) fn towards(&self, target: Self) -> Self {
        if self.voters.symmetric_difference(&target.voters).count() <= 1 {
            return target;
        }
        let mut joint = target;
        joint.outgoing.clone_from(&self.voters);
        for node in &self.voters {
            if let (false, Some(info)) = (joint.nodes.contains_key(node), self.nodes.get(node)) {
                joint.nodes.insert(*node, info.clone());
            }
        }
        joint
    }

    /// The configuration that a joint one leads to: without the outgoing voters.
    #[must_use]
    pub(crate) fn without_outgoing(&self) -> Self {
        let mut target = self.clone();
        target.outgoing.clear();
        target.retain_members();
        target
    }

    /// Removes what is known of nodes that are not members.
    pub(super) fn retain_members(&mut self) {
        let mut nodes = core::mem::take(&mut self.nodes);
        nodes.retain(|&node, _| self.contains(node));
        self.nodes = nodes;
    }

    /// Checks the rules of a configuration.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self) -> Result<(), MembershipError> {
        if self.voters.is_empty() {
            return Err(MembershipError::NoVoters);
        }
        if self.size() > 2 * MEMBERS_MAX || self.members().len() > MEMBERS_MAX {
            return Err(MembershipError::TooMany(self.size()));
        }
        if self.members().contains(&NodeId(0)) {
            return Err(MembershipError::ZeroNodeId);
        }
        if let Some(&both) = self.voters.iter().find(|node| self.learners.contains(node)) {
            return Err(MembershipError::VoterAndLearner(both));
        }
        for (&node, info) in &self.nodes {
            if !self.contains(node) {
                return Err(MembershipError::NotAMember(node));
            }
            let bytes = info.peer_address.len().max(info.client_address.len());
            if bytes > ADDRESS_BYTES_MAX {
                return Err(MembershipError::AddressTooLong { node, bytes });
            }
        }
        if self.voters.iter().all(|&voter| self.priority(voter) == Priority::NEVER) {
            return Err(MembershipError::NoCandidate);
        }
        self.settings.check().map_err(MembershipError::InvalidSettings)
    }
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;

    use super::*;

    fn ids(ids: &[u64]) -> BTreeSet<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    fn voters(of: &[u64]) -> Membership {
        Membership { voters: ids(of), ..Membership::default() }
    }

    /// Majorities of voters that differ by two nodes need not have a node in common.
    #[test]
    fn a_change_of_more_than_one_voter_is_joint() {
        for (from, to, joint) in [
            (&[1, 2, 3][..], &[1, 2, 3][..], false),
            (&[1, 2, 3], &[1, 2, 3, 4], false),
            (&[1, 2, 3], &[1, 2], false),
            (&[1, 2, 3], &[1, 2, 4], true),
            (&[1], &[2], true),
            (&[1], &[1, 2, 3], true),
        ] {
            let next = voters(from).towards(voters(to));
            assert_eq!(next.is_joint(), joint, "{from:?} to {to:?}");
            assert_eq!(next.without_outgoing(), voters(to));
        }
    }

    #[test]
    fn joint_configuration_describes_the_members_of_both() {
        let info = |address: &str| MemberInfo {
            peer_address: address.to_owned(),
            ..MemberInfo::default()
        };
        let described = |of: &[u64], address| {
            let nodes = of.iter().map(|&node| (NodeId(node), info(address))).collect();
            Membership { nodes, ..voters(of) }
        };
        let joint = described(&[1, 2], "old").towards(described(&[2, 3, 4], "new"));
        let address = |node| joint.nodes[&NodeId(node)].peer_address.as_str();
        assert_eq!([1, 2, 3, 4].map(address), ["old", "new", "new", "new"]);
        assert_eq!(joint.check(), Ok(()));
        assert_eq!(joint.without_outgoing(), described(&[2, 3, 4], "new"));
    }

    #[test]
    fn joint_configuration_needs_both_majorities() {
        let joint = voters(&[1, 2, 3]).towards(voters(&[3, 4, 5]));
        let agree = |of: &[u64]| joint.is_quorum(|node| of.contains(&node.get()));
        assert!(!agree(&[1, 2, 3]), "one of the incoming voters");
        assert!(!agree(&[3, 4, 5]), "one of the outgoing voters");
        assert!(agree(&[1, 3, 4]));
        let held = |node: NodeId| LogIndex(node.get());
        assert_eq!(joint.quorum_index(held), LogIndex(2), "the lower of 4 and 2");
    }

    #[test]
    fn configurations_with_contradictions_are_refused() {
        let long = MemberInfo { client_address: "x".repeat(261), ..MemberInfo::default() };
        let described = |node, info| Membership {
            nodes: BTreeMap::from([(NodeId(node), info)]),
            ..voters(&[1, 2])
        };
        for (membership, error) in [
            (voters(&[]), MembershipError::NoVoters),
            (voters(&[0, 1]), MembershipError::ZeroNodeId),
            (voters(&(1..=65).collect::<alloc::vec::Vec<_>>()), MembershipError::TooMany(65)),
            (
                Membership { learners: ids(&[2]), ..voters(&[1, 2]) },
                MembershipError::VoterAndLearner(NodeId(2)),
            ),
            (described(3, MemberInfo::default()), MembershipError::NotAMember(NodeId(3))),
            (described(1, long), MembershipError::AddressTooLong { node: NodeId(1), bytes: 261 }),
        ] {
            assert_eq!(membership.check(), Err(error));
        }
        assert_eq!(described(2, MemberInfo::default()).check(), Ok(()));
    }
}
