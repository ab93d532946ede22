//! The certificate of the node, checked against its configuration.

use raft_core::{ClusterId, NodeId};
use raft_transport_quic::tls::{PeerIdentity, TlsError, TlsIdentity};

use crate::config::Config;

/// A certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    /// A file cannot be read or is invalid.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The certificate names another holder.
    #[error(
        "this is node {node} of cluster {cluster}, but the certificate {path} names {holder}: set \
         tls_certificate and tls_key to the files of this node, or correct node_id and cluster_id"
    )]
    NotOurs {
        /// The cluster in the configuration.
        cluster: ClusterId,
        /// The node in the configuration.
        node: NodeId,
        /// The file of the certificate.
        path: String,
        /// The holder that the certificate names.
        holder: PeerIdentity,
    },
}

/// Reads and checks the certificate, its key and the authorities.
pub(crate) fn load(config: &Config) -> Result<TlsIdentity, IdentityError> {
    let identity = TlsIdentity::load(&config.tls)?;
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
