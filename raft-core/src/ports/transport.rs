//! Moving messages between nodes.

use alloc::string::String;
use alloc::vec::Vec;

use crate::message::Message;
use crate::types::NodeId;

/// Where a peer is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerAddress {
    /// Who.
    pub node: NodeId,
    /// Where, in the transport's own notation (`host:port` for QUIC).
    pub address: String,
}

/// Sends messages to peers. Called from the node's driver loop.
pub trait Transport: Send + Sync + 'static {
    /// Sends a message to `message.to`. Never blocks; may drop, in silence, but what it delivers
    /// arrives whole and unaltered. Messages of one kind between two nodes keep their order while
    /// a connection lasts.
    fn send(&self, message: Message);

    /// Replaces the set of peers: the only nodes that messages are sent to and accepted from.
    /// Connections to peers that are gone are closed. The set covers every node that may take part
    /// according to any configuration in the log, so that a message from the leader of a newer
    /// configuration is not lost (thesis §4.2.3).
    fn set_peers(&self, peers: &[PeerAddress]);

    /// The longest message that it delivers, in bytes of its [encoded](crate::wire::encode) form;
    /// `None` if there is no limit. A node whose limits permit longer ones does not start.
    fn message_bytes_max(&self) -> Option<u64> {
        None
    }
}

/// Where a transport hands over what arrives. Called from the transport's threads, several at a
/// time.
pub trait Inbox: Send + Sync + 'static {
    /// A message arrived whose sender was authenticated as `message.from`. Never blocks; a full
    /// inbox drops.
    fn deliver(&self, message: Message);

    /// The transport lost its connection to a peer or cannot establish one. Said once a loss,
    /// not once a message.
    fn peer_unreachable(&self, peer: NodeId);

    /// Several messages arrived together. Overridden by inboxes that gain from one wake-up.
    fn deliver_all(&self, messages: Vec<Message>) {
        for message in messages {
            self.deliver(message);
        }
    }
}
