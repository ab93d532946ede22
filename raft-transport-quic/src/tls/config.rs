//! QUIC configurations with mutual TLS.

use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, ServerConfig};

use super::crypto::provider;
use super::error::TlsError;
use super::files::TlsIdentity;
use super::protocol::Protocol;
use super::verify::{ClientVerifier, ServerVerifier};

/// The server name that every dial requests. It is a placeholder: identities are not host names.
pub const SERVER_NAME: &str = "raft.internal";

/// Creates the configuration of a port for `protocol`. It completes handshakes for the other
/// protocol too: [`accepted_identity`](super::accepted_identity) then refuses the connection with a
/// reason that names the right port.
///
/// # Errors
/// When the certificates cannot be used for this.
pub fn server_config(identity: &TlsIdentity, protocol: Protocol) -> Result<ServerConfig, TlsError> {
    let provider = provider();
    let verifier = ClientVerifier::new(identity.roots(), provider.clone())?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(identity.chain().to_vec(), identity.key())
        .map_err(unusable)?;
    config.alpn_protocols = vec![protocol.alpn().to_vec(), protocol.other().alpn().to_vec()];
    // Every connection presents its certificate: no resumption, no data before the handshake.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    let crypto =
        QuicServerConfig::try_from(config).map_err(|e| TlsError::Unusable(e.to_string()))?;
    Ok(ServerConfig::with_crypto(Arc::new(crypto)))
}

/// Creates the configuration for dialling a port for `protocol`. The caller must check the dialled
/// node with [`dialled_identity`](super::dialled_identity) before it sends anything.
///
/// # Errors
/// When the certificates cannot be used for this.
pub fn client_config(identity: &TlsIdentity, protocol: Protocol) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let verifier = ServerVerifier::new(identity.roots(), provider.clone());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(identity.chain().to_vec(), identity.key())
        .map_err(unusable)?;
    config.alpn_protocols = vec![protocol.alpn().to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    config.enable_early_data = false;
    let crypto =
        QuicClientConfig::try_from(config).map_err(|e| TlsError::Unusable(e.to_string()))?;
    Ok(ClientConfig::new(Arc::new(crypto)))
}

#[allow(clippy::needless_pass_by_value, reason = "used with map_err")]
fn unusable(error: rustls::Error) -> TlsError {
    TlsError::Unusable(error.to_string())
}
