//! The envelope of a message.

use super::body::Body;
use super::refusal::MessageRefusal;
use super::rpc::Rpc;
use crate::types::{ClusterId, GroupId, Identity, Incarnation, NodeId, Term};

/// One message in its envelope.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The cluster of the sender. Nodes of other clusters refuse the message.
    pub cluster: ClusterId,
    /// The Raft group.
    pub group: GroupId,
    /// The sender.
    pub from: NodeId,
    /// The incarnation of the sender.
    pub from_incarnation: Incarnation,
    /// The receiver.
    pub to: NodeId,
    /// The incarnation of the receiver that the message is addressed to; `None` while the sender
    /// has not received from the receiver.
    pub to_incarnation: Option<Incarnation>,
    /// The request or response and the sender's current term.
    pub rpc: Rpc,
}

impl Message {
    /// The sender's current term.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.rpc.term()
    }

    /// The request or response.
    #[must_use]
    pub const fn body(&self) -> &Body {
        self.rpc.body()
    }

    /// Checks that the message is addressed to this receiver by another node of its group.
    ///
    /// # Errors
    /// The first field that does not fit.
    pub(crate) fn check_envelope(&self, receiver: &Identity) -> Result<(), MessageRefusal> {
        if self.cluster != receiver.cluster {
            return Err(MessageRefusal::WrongCluster);
        }
        if self.group != receiver.group {
            return Err(MessageRefusal::WrongGroup);
        }
        if self.to != receiver.node {
            return Err(MessageRefusal::WrongReceiver(self.to));
        }
        match self.to_incarnation {
            Some(addressed) if addressed != receiver.incarnation => {
                return Err(MessageRefusal::WrongIncarnation(addressed));
            }
            Some(_) | None => {}
        }
        if self.from == receiver.node || self.from == NodeId(0) {
            return Err(MessageRefusal::InvalidSender);
        }
        Ok(())
    }
}
