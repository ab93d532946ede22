//! The transport of messages between nodes.

use alloc::string::String;
use alloc::vec::Vec;

use super::snapshot_transfer::{
    SnapshotOffer, SnapshotOutcome, SnapshotRefusal, SnapshotResponse, SnapshotTransfer,
};
use crate::message::Message;
use crate::types::{Incarnation, NodeId};

/// The address of a peer, and the incarnation under which it is admitted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerAddress {
    /// The peer.
    pub node: NodeId,
    /// Its address in the notation of the transport (`host:port` for QUIC).
    pub address: String,
    /// The only incarnation of the peer that is accepted; `None` accepts every incarnation.
    pub incarnation: Option<Incarnation>,
}

impl PeerAddress {
    /// The address of a peer that is accepted under every incarnation.
    pub fn new(node: NodeId, address: impl Into<String>) -> Self {
        Self { node, address: address.into(), incarnation: None }
    }
}

/// Why two nodes use no connection although both are reachable.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum PeerRefusal {
    /// This node is not in the peer set of the other node.
    NotAPeer,
    /// The other node admits another incarnation of this node: the data directory of this node
    /// was created anew, and the membership has not been changed accordingly.
    WrongIncarnation,
    /// The two nodes were bootstrapped with different memberships.
    OtherBootstrap,
    /// The two nodes support no common version of the transport's protocol.
    Version,
}

/// Sends messages to peers. The thread that steps the node calls it.
pub trait Transport: Send + Sync + 'static {
    /// Sends a message to `message.to`. Never blocks. May drop the message without a report, but
    /// delivers none incomplete or altered. Messages of one kind between two nodes keep their order
    /// for the lifetime of a connection.
    fn send(&self, message: Message);

    /// Replaces the set of peers: the only nodes to which messages are sent and from which they are
    /// accepted. Connections to other nodes are closed. The set contains the members of every
    /// configuration in the log, so that messages of the leader of a newer configuration are
    /// accepted (thesis §4.2.3).
    ///
    /// May be called at any time. A changed address replaces the connection to that peer; messages
    /// in flight on it may be lost. A changed incarnation closes the connection to a peer that has
    /// another one. The connections of all other peers are not affected.
    fn set_peers(&self, peers: &[PeerAddress]);

    /// Starts to send the data of a snapshot to the peer `transfer.offer.message.to`, beside the
    /// messages, which it neither delays nor blocks. Never blocks. A transfer to the same peer that
    /// is in progress is cancelled.
    ///
    /// The host learns the end from
    /// [`OutgoingSnapshot::ended`](super::OutgoingSnapshot::ended). The default supports no
    /// transfers.
    fn send_snapshot(&self, transfer: SnapshotTransfer) {
        transfer.data.ended(SnapshotOutcome::Unsupported);
    }

    /// Cancels the transfer to this peer, if one is in progress. Never blocks.
    fn cancel_snapshot(&self, to: NodeId) {
        let _ = to;
    }

    /// The length of the longest [encoded](crate::wire::encode) message that it delivers, in bytes;
    /// `None` without a limit. Pass it to
    /// [`Config::check_transport`](crate::Config::check_transport) before the node starts.
    fn message_bytes_max(&self) -> Option<u64> {
        None
    }
}

/// Receives messages from a transport. Several threads of the transport call it at the same time.
pub trait Inbox: Send + Sync + 'static {
    /// Takes a message whose sender is authenticated as `message.from`. Never blocks; a full inbox
    /// drops the message.
    fn deliver(&self, message: Message);

    /// The transport has lost its connection to a peer or cannot establish one. Called once for
    /// each loss, not for each message.
    fn peer_unreachable(&self, peer: NodeId);

    /// A peer refuses this node for a reason that only an operator or a change of the membership
    /// removes. `reason` is a text for logs; for another incarnation it names the admitted one.
    /// Called once for each change of the refusal, and again after a connection was in use.
    fn refused_by_peer(&self, peer: NodeId, refusal: PeerRefusal, reason: &str) {
        let _ = (peer, refusal, reason);
    }

    /// The peer `from`, which is authenticated, offers the data of a snapshot. Called on a thread
    /// that may block. A peer offers at most one snapshot at a time: the call begins after the
    /// earlier [`IncomingSnapshot`](super::IncomingSnapshot) of that peer was dropped. The default
    /// refuses every snapshot.
    fn snapshot_offered(&self, from: NodeId, offer: &SnapshotOffer) -> SnapshotResponse {
        let _ = (from, offer);
        let reason = String::from("this node takes no snapshots");
        SnapshotResponse::Refuse(SnapshotRefusal::Failed(reason))
    }

    /// Takes several messages that arrived together. Override it to wake the host once for all.
    fn deliver_all(&self, messages: Vec<Message>) {
        for message in messages {
            self.deliver(message);
        }
    }
}
