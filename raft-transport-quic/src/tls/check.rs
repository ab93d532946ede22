//! Decides whether the holder of a genuine certificate is the right one.

use quinn::Connection;
use raft_core::{ClusterId, NodeId};

use super::{IdentityError, PeerIdentity, Role, negotiated_role, peer_identity};
use crate::error::CloseCode;

/// Why somebody with a genuine certificate is turned away.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// A client at the nodes' port.
    #[error("this is the port that nodes use among themselves; clients use the client address")]
    ClientAtPeerPort,
    /// A node at the clients' port.
    #[error("this is the port for clients; nodes use the peer address")]
    PeerAtClientPort,
    /// The connection agreed on no protocol that is known here.
    #[error("the connection agreed on no known protocol")]
    NoProtocol,
    /// The certificate does not say who its holder is.
    #[error(transparent)]
    NoIdentity(#[from] IdentityError),
    /// A certificate of another cluster.
    #[error("wrong cluster: expected {expected}, but {found} is of another one")]
    WrongCluster {
        /// The cluster here.
        expected: ClusterId,
        /// Who it was.
        found: PeerIdentity,
    },
    /// Another node than the one that was dialled.
    #[error(
        "wrong node: expected node {expected} at this address, found {found}; \
         check the peer addresses and which certificate each node uses"
    )]
    WrongNode {
        /// Who should have answered.
        expected: NodeId,
        /// Who did.
        found: PeerIdentity,
    },
    /// Somebody with our own node's certificate.
    #[error(
        "{found} is this node's own name: its certificate is in use elsewhere, or one of its peer \
         addresses leads back to itself"
    )]
    OurOwnName {
        /// Our name.
        found: PeerIdentity,
    },
    /// A node that this node is not configured to exchange messages with.
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
    /// A client's certificate where only a node's will do.
    #[error("expected the certificate of a node, found {found}")]
    NotANode {
        /// Who it was.
        found: PeerIdentity,
    },
}

impl Refusal {
    /// The code to close the connection with; the refusal's text is the reason that goes along.
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

    /// Closes the connection, saying why.
    pub fn close(&self, connection: &Connection) {
        connection.close(self.code().into(), self.to_string().as_bytes());
    }
}

/// Who came in at a port that speaks `port`, if it is somebody of this cluster who belongs there:
/// at the nodes' port nodes only, at the clients' port clients and nodes.
///
/// # Errors
/// Why it must be turned away; close the connection with [`Refusal::close`].
pub fn accepted_identity(
    connection: &Connection,
    port: Role,
    cluster: ClusterId,
) -> Result<PeerIdentity, Refusal> {
    match (port, negotiated_role(connection)) {
        (Role::Peer, Some(Role::Peer)) | (Role::Client, Some(Role::Client)) => {}
        (Role::Peer, Some(Role::Client)) => return Err(Refusal::ClientAtPeerPort),
        (Role::Client, Some(Role::Peer)) => return Err(Refusal::PeerAtClientPort),
        (_, None) => return Err(Refusal::NoProtocol),
    }
    let found = peer_identity(connection)?;
    if found.cluster() != cluster {
        return Err(Refusal::WrongCluster { expected: cluster, found });
    }
    if port == Role::Peer && found.node().is_none() {
        return Err(Refusal::NotANode { found });
    }
    Ok(found)
}

/// Which node answered a dial, if it is one of this cluster and, where the caller knows whom it
/// wants, that one.
///
/// # Errors
/// Why it must not be talked to; close the connection with [`Refusal::close`].
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
