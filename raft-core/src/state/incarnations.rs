//! The incarnations of the peers.
//!
//! An incarnation that is replaced and the one that replaces it are two nodes which share an id: the
//! first one leaves the voters with one configuration, and the second one enters them with a later
//! one. Quorums of consecutive configurations have a node in common, as with any other two nodes, so
//! that nothing depends on what the second one has lost:
//!
//! - A candidate counts a vote, and a leader an acknowledgement, only of the incarnation that its own
//!   configuration pins. Responses of another one are refused in every case.
//! - A voter records its vote by node id, so it may vote for both incarnations in one term. At most one
//!   of them is elected: the later one campaigns once its admission is committed, and a voter with the
//!   admission in its log has no vote for the earlier one, whose log lacks it.
//! - A *request* of an incarnation that this node does not admit is accepted if its sender may hold a
//!   later configuration. Otherwise a voter with an old configuration would refuse the only leader
//!   that can send it the new one. Whether the sender was elected does not depend on this node: its
//!   voters counted for its own configuration.
//! - A member without a pinned incarnation is not protected: its leader pins it with the first
//!   heartbeat after it has met the member and committed in its term.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::membership::Membership;
use crate::message::MessageRefusal;
use crate::types::{Incarnation, NodeId};

/// The incarnation of each peer that counts: the one that the configuration in force pins, or the
/// latest one from which a message was accepted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Incarnations {
    current: BTreeMap<NodeId, Incarnation>,
}

/// What a message shows about the incarnation of its sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum IncarnationChange {
    /// It is the one that is recorded, or the first one.
    None,
    /// It supersedes the one that is recorded: the peer has lost what it had persisted.
    Superseded,
}

/// Whether a message may be of a sender whose configuration is later than that of this node, so
/// that this node cannot know which incarnation is admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SenderConfiguration {
    /// This node's is at least as new.
    NotLater,
    /// The sender's may be later.
    MayBeLater,
}

impl Incarnations {
    /// The incarnation of a peer to which messages are addressed, if it is known.
    pub(crate) fn current(&self, peer: NodeId) -> Option<Incarnation> {
        self.current.get(&peer).copied()
    }

    /// Checks the incarnation of a sender, and records it if the sender is a member: other senders
    /// must not make the map grow.
    ///
    /// Responses of a superseded incarnation acknowledge entries that the current one may lack
    /// (etcd and openraft had defects of this kind). A later incarnation than the pinned one has
    /// lost the vote and the entries of that one: it is refused until a configuration admits it.
    ///
    /// # Errors
    /// When the incarnation is superseded, or not admitted.
    pub(crate) fn record(
        &mut self,
        peer: NodeId,
        sender: Incarnation,
        membership: &Membership,
        configuration: SenderConfiguration,
    ) -> Result<IncarnationChange, MessageRefusal> {
        let current = self.current(peer);
        match current {
            Some(current) if current > sender => {
                return Err(MessageRefusal::SupersededSender { sender, current });
            }
            Some(current) if current == sender => return Ok(IncarnationChange::None),
            Some(_) | None => {}
        }
        match (membership.incarnation(peer), configuration) {
            (Some(admitted), SenderConfiguration::NotLater) if admitted != sender => {
                return Err(MessageRefusal::SenderNotAdmitted { sender, admitted });
            }
            (Some(_) | None, _) => {}
        }
        if membership.contains(peer) {
            self.current.insert(peer, sender);
        }
        match current {
            Some(_) => Ok(IncarnationChange::Superseded),
            None => Ok(IncarnationChange::None),
        }
    }

    /// The peers whose incarnation changes when this configuration comes into force.
    pub(crate) fn superseded_by(&self, membership: &Membership) -> Vec<NodeId> {
        let pinned = membership.nodes.keys().filter_map(|&node| {
            let (current, pinned) = (self.current(node)?, membership.incarnation(node)?);
            (current != pinned).then_some(node)
        });
        pinned.collect()
    }

    /// This configuration is in force: the incarnations that it pins count, and those of other
    /// nodes are removed.
    pub(crate) fn on_membership(&mut self, membership: &Membership) {
        self.current.retain(|&node, _| membership.contains(node));
        for (&node, info) in &membership.nodes {
            if let Some(pinned) = info.incarnation {
                self.current.insert(node, pinned);
            }
        }
    }
}
