//! Checks that the holder of a genuine certificate is the expected one.

use quinn::Connection;
use raft_core::{ClusterId, NodeId};

use super::identity::{IdentityError, PeerIdentity};
use super::negotiated::{negotiated_protocol, peer_identity};
use super::protocol::Protocol;
use crate::close::CloseCode;

/// Why a connection with a genuine certificate is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A client connected to the port for nodes.
    #[error("this port is for connections between nodes; clients use the client address")]
    ClientAtPeerPort,
    /// A node connected to the port for clients.
    #[error("this port is for clients; nodes use the peer address")]
    PeerAtClientPort,
    /// The connection has negotiated no known protocol.
    #[error("the connection has negotiated no known protocol")]
    NoProtocol,
    /// The certificate contains no identity.
    #[error(transparent)]
    NoIdentity(#[from] IdentityError),
    /// The holder belongs to another cluster.
    #[error("wrong cluster: expected {expected}, but {found} belongs to another one")]
    WrongCluster {
        /// The cluster of this side.
        expected: ClusterId,
        /// The identity in the certificate.
        found: PeerIdentity,
    },
    /// Another node than the dialled one responded.
    #[error(
        "wrong node: expected node {expected} at this address, found {found}; \
         check the peer addresses and which certificate each node uses"
    )]
    WrongNode {
        /// The dialled node.
        expected: NodeId,
        /// The identity in the certificate.
        found: PeerIdentity,
    },
    /// The other side presented the identity of this node.
    #[error(
        "{found} is the name of this node itself: its certificate is in use elsewhere, or one of \
         its peer addresses leads back to it"
    )]
    OurOwnName {
        /// The identity in the certificate.
        found: PeerIdentity,
    },
    /// The node is not in the peer set.
    #[error(
        "{found} is not among the configured peers of node {refused_by}; \
         check the members in its configuration"
    )]
    NotAPeer {
        /// The node that connected.
        found: PeerIdentity,
        /// The node that refuses it.
        refused_by: NodeId,
    },
    /// The certificate is the one of a client where one of a node is required.
    #[error("expected the certificate of a node, found {found}")]
    NotANode {
        /// The identity in the certificate.
        found: PeerIdentity,
    },
}

impl Refusal {
    /// The code to close the connection with. The text of the refusal is the reason of the close.
    #[must_use]
    pub const fn code(&self) -> CloseCode {
        match self {
            Self::ClientAtPeerPort | Self::PeerAtClientPort | Self::NoProtocol => {
                CloseCode::WrongPort
            }
            Self::NoIdentity(_) => CloseCode::NoIdentity,
            Self::WrongCluster { .. } => CloseCode::WrongCluster,
            Self::WrongNode { .. } | Self::OurOwnName { .. } => CloseCode::WrongNode,
            Self::NotANode { .. } => CloseCode::NotANode,
            Self::NotAPeer { .. } => CloseCode::NotAPeer,
        }
    }

    /// Closes the connection with the code and the text of this refusal.
    pub fn close(&self, connection: &Connection) {
        connection.close(self.code().into(), self.to_string().as_bytes());
    }
}

/// Returns the identity of the other side of an accepted connection if it belongs to `cluster` and
/// may use a port for `port`: nodes may use both ports, clients only the port for clients.
///
/// # Errors
/// Why the connection must be refused. The caller closes it with [`Refusal::close`].
pub fn accepted_identity(
    connection: &Connection,
    port: Protocol,
    cluster: ClusterId,
) -> Result<PeerIdentity, Refusal> {
    match (port, negotiated_protocol(connection)) {
        (Protocol::Peer, Some(Protocol::Peer)) | (Protocol::Client, Some(Protocol::Client)) => {}
        (Protocol::Peer, Some(Protocol::Client)) => return Err(Refusal::ClientAtPeerPort),
        (Protocol::Client, Some(Protocol::Peer)) => return Err(Refusal::PeerAtClientPort),
        (_, None) => return Err(Refusal::NoProtocol),
    }
    let found = peer_identity(connection)?;
    if found.cluster() != cluster {
        return Err(Refusal::WrongCluster { expected: cluster, found });
    }
    if port == Protocol::Peer && found.node().is_none() {
        return Err(Refusal::NotANode { found });
    }
    Ok(found)
}

/// Returns the dialled node if it belongs to `cluster` and is the expected one, if any is expected.
///
/// # Errors
/// Why the connection must not be used. The caller closes it with [`Refusal::close`].
pub fn dialled_identity(
    connection: &Connection,
    cluster: ClusterId,
    expected: Option<NodeId>,
) -> Result<NodeId, Refusal> {
    let found = peer_identity(connection)?;
    if found.cluster() != cluster {
        return Err(Refusal::WrongCluster { expected: cluster, found });
    }
    match (found.node(), expected) {
        (None, _) => Err(Refusal::NotANode { found }),
        (Some(node), Some(expected)) if node != expected => {
            Err(Refusal::WrongNode { expected, found })
        }
        (Some(node), _) => Ok(node),
    }
}
