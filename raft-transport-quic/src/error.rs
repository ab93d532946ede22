//! What can go wrong, and the codes with which connections are closed.

use std::net::SocketAddr;

use quinn::VarInt;
use raft_core::{ClusterId, NodeId};

use crate::tls::{PeerIdentity, TlsError};

/// Why a transport could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The socket could not be had.
    #[error("cannot listen on UDP {address}: {source}{}", hint(source))]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The certificates are no good.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The certificate is somebody else's.
    #[error(
        "this is node {node} of cluster {cluster}, but the certificate is the one of {certificate}"
    )]
    NotOurCertificate {
        /// The cluster that was configured.
        cluster: ClusterId,
        /// The node that was configured.
        node: NodeId,
        /// Whom the certificate names.
        certificate: PeerIdentity,
    },
    /// A setting out of its range.
    #[error("invalid transport setting: {0}")]
    Setting(String),
    /// Started outside a runtime.
    #[error("a QUIC transport must be started inside a tokio runtime")]
    NoRuntime,
}

fn hint(source: &std::io::Error) -> &'static str {
    if source.kind() == std::io::ErrorKind::AddrInUse {
        " (another process uses this UDP port; TCP tools do not show it)"
    } else {
        ""
    }
}

/// Why a connection was closed, as the other side reads it. The numbers are part of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CloseCode {
    /// The node shuts down.
    Shutdown = 0,
    /// The other protocol lives on another port.
    WrongPort = 1,
    /// The certificate does not say who its holder is.
    NoIdentity = 2,
    /// The holder of the certificate belongs to another cluster.
    WrongCluster = 3,
    /// The holder is not the node that was dialled.
    WrongNode = 4,
    /// The holder is no node.
    NotANode = 5,
    /// A frame claimed to be longer than allowed.
    FrameTooLarge = 6,
    /// Bytes that are no message.
    Malformed = 7,
    /// A message in somebody else's name.
    WrongSender = 8,
    /// A newer connection of the same pair took over.
    Replaced = 9,
    /// The node is no peer any more.
    Removed = 10,
    /// A protocol step was left out or took too long.
    Protocol = 11,
    /// Too many connections or requests.
    Overloaded = 12,
}

impl From<CloseCode> for VarInt {
    fn from(code: CloseCode) -> Self {
        Self::from_u32(code as u32)
    }
}
