//! Mutual TLS: certificates from files, and QUIC configurations that accept nobody without one.
//!
//! All nodes and clients of a cluster hold certificates of a common authority (several may be
//! trusted at a time, so that one can follow another). Each certificate carries its holder's
//! [`PeerIdentity`]. TLS proves that the certificate is genuine; [`accepted_identity`] and
//! [`dialled_identity`] then decide whether its holder is the right one, before any byte of
//! application data is read.

mod check;
mod files;
mod identity;
mod verify;

use std::sync::Arc;

use quinn::crypto::rustls::{HandshakeData, QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, ServerConfig};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;

pub use check::{Refusal, accepted_identity, dialled_identity};
pub use files::{TlsError, TlsFiles, TlsIdentity};
pub use identity::{IdentityError, PeerIdentity};

/// The name that every dial asks for: a placeholder, as identities are not host names.
pub const SERVER_NAME: &str = "raft.internal";

/// Which of the two protocols a port or a connection speaks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// Nodes among themselves.
    Peer,
    /// Clients to nodes.
    Client,
}

impl Role {
    /// The name under which TLS negotiates the protocol (ALPN).
    #[must_use]
    pub const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Peer => b"raft-peer/1",
            Self::Client => b"raft-client/1",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Peer => Self::Client,
            Self::Client => Self::Peer,
        }
    }
}

/// A configuration for a port that speaks `role`. It completes handshakes for the other role too:
/// [`accepted_identity`] then refuses with words that tell the caller where to go instead.
///
/// # Errors
/// When the certificates cannot be used for this.
pub fn server_config(identity: &TlsIdentity, role: Role) -> Result<ServerConfig, TlsError> {
    let provider = provider();
    let verifier = verify::ClientVerifier::new(identity.roots(), provider.clone())?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(identity.chain().to_vec(), identity.key())
        .map_err(unusable)?;
    config.alpn_protocols = vec![role.alpn().to_vec(), role.other().alpn().to_vec()];
    // Every connection shows its certificate anew: no resumption, no data before the handshake.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    let crypto =
        QuicServerConfig::try_from(config).map_err(|e| TlsError::Unusable(e.to_string()))?;
    Ok(ServerConfig::with_crypto(Arc::new(crypto)))
}

/// A configuration for dialling a port that speaks `role`. The caller must check the answerer with
/// [`dialled_identity`] before it sends anything.
///
/// # Errors
/// When the certificates cannot be used for this.
pub fn client_config(identity: &TlsIdentity, role: Role) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let verifier = verify::ServerVerifier::new(identity.roots(), provider.clone());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(identity.chain().to_vec(), identity.key())
        .map_err(unusable)?;
    config.alpn_protocols = vec![role.alpn().to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    config.enable_early_data = false;
    let crypto =
        QuicClientConfig::try_from(config).map_err(|e| TlsError::Unusable(e.to_string()))?;
    Ok(ClientConfig::new(Arc::new(crypto)))
}

/// Who is at the other end of an established connection, as its certificate says.
///
/// # Errors
/// When the certificate does not say.
pub fn peer_identity(connection: &Connection) -> Result<PeerIdentity, IdentityError> {
    let chain = connection
        .peer_identity()
        .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok());
    match chain.as_ref().and_then(|chain| chain.first()) {
        Some(certificate) => PeerIdentity::from_certificate(certificate),
        None => Err(IdentityError::Unreadable("none was shown".to_owned())),
    }
}

/// The protocol that an established connection agreed on.
#[must_use]
pub fn negotiated_role(connection: &Connection) -> Option<Role> {
    let data = connection.handshake_data()?.downcast::<HandshakeData>().ok()?;
    let protocol = data.protocol?;
    [Role::Peer, Role::Client].into_iter().find(|role| role.alpn() == protocol)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[allow(clippy::needless_pass_by_value, reason = "used with map_err")]
fn unusable(error: rustls::Error) -> TlsError {
    TlsError::Unusable(error.to_string())
}
