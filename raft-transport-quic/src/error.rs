//! Errors of starting a transport.

use std::net::SocketAddr;

use raft_core::{ClusterId, NodeId};

use crate::tls::{PeerIdentity, TlsError};

/// Why a transport could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The socket cannot be bound.
    #[error("cannot listen on UDP {address}: {source}{}", hint(source))]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The certificate belongs to another node or cluster.
    #[error(
        "this is node {node} of cluster {cluster}, but the certificate is the one of {certificate}"
    )]
    NotOurCertificate {
        /// The configured cluster.
        cluster: ClusterId,
        /// The configured node.
        node: NodeId,
        /// The identity in the certificate.
        certificate: PeerIdentity,
    },
    /// A setting is out of its range.
    #[error("invalid transport setting: {0}")]
    Setting(String),
    /// The system refused a thread.
    #[error("a thread for handshakes could not be started: {0}")]
    Thread(#[source] std::io::Error),
    /// The transport was started outside a tokio runtime.
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
