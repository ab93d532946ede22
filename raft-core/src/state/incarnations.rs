//! The incarnations of the peers.

use alloc::collections::BTreeMap;

use crate::membership::Membership;
use crate::message::MessageRefusal;
use crate::types::{Incarnation, NodeId};

/// The latest incarnation of each peer from which a message was received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Incarnations {
    latest: BTreeMap<NodeId, Incarnation>,
}

/// What a message shows about the incarnation of its sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum IncarnationChange {
    /// It is the one that is recorded, or the first one.
    None,
    /// It supersedes the one that is recorded: the peer has lost what it had persisted.
    Superseded,
}

impl Incarnations {
    /// The latest incarnation of a peer, if a message of it was received.
    pub(crate) fn latest(&self, peer: NodeId) -> Option<Incarnation> {
        self.latest.get(&peer).copied()
    }

    /// Checks the incarnation of a sender, and records it if the sender is a member: other senders
    /// must not make the map grow.
    ///
    /// Responses of a superseded incarnation acknowledge entries that the current one may lack
    /// (etcd and openraft had defects of this kind).
    ///
    /// # Errors
    /// When the incarnation is superseded.
    pub(crate) fn record(
        &mut self,
        peer: NodeId,
        incarnation: Incarnation,
        membership: &Membership,
    ) -> Result<IncarnationChange, MessageRefusal> {
        let latest = self.latest(peer);
        match latest {
            Some(latest) if latest > incarnation => {
                return Err(MessageRefusal::SupersededSender(latest));
            }
            Some(latest) if latest == incarnation => return Ok(IncarnationChange::None),
            Some(_) | None => {}
        }
        if membership.contains(peer) {
            self.latest.insert(peer, incarnation);
        }
        match latest {
            Some(_) => Ok(IncarnationChange::Superseded),
            None => Ok(IncarnationChange::None),
        }
    }
}
