//! The node's certificate, and that it is this node's.

use raft_core::{ClusterId, NodeId};
use raft_transport_quic::tls::{PeerIdentity, TlsError, TlsFiles, TlsIdentity};

use crate::config::Config;

/// Why the certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    /// The files.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// It is somebody else's.
    #[error(
        "this is node {node} of cluster {cluster}, but its certificate {path} is the one of \
         {holder}: set tls_certificate and tls_key to this node's own, or correct node_id and \
         cluster_id"
    )]
    NotOurs {
        /// The cluster in the configuration.
        cluster: ClusterId,
        /// The node in the configuration.
        node: NodeId,
        /// The certificate's file.
        path: String,
        /// Whom it names.
        holder: PeerIdentity,
    },
}

/// Reads and checks the certificate, its key and the authorities.
pub(crate) fn load(config: &Config) -> Result<TlsIdentity, IdentityError> {
    let identity = TlsIdentity::load(&files(config))?;
    let expected = PeerIdentity::Node { cluster: config.cluster, node: config.node };
    if *identity.identity() == expected {
        Ok(identity)
    } else {
        Err(IdentityError::NotOurs {
            cluster: config.cluster,
            node: config.node,
            path: config.tls.certificate.display().to_string(),
            holder: identity.identity().clone(),
        })
    }
}

/// The files of the certificate.
pub(crate) fn files(config: &Config) -> TlsFiles {
    TlsFiles {
        ca: config.tls.ca.clone(),
        certificate: config.tls.certificate.clone(),
        key: config.tls.key.clone(),
    }
}
