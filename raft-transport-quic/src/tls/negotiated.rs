//! What the TLS handshake of an established connection has negotiated and proved.

use quinn::Connection;
use quinn::crypto::rustls::HandshakeData;
use rustls::pki_types::CertificateDer;

use super::identity::{IdentityError, PeerIdentity};
use super::protocol::Protocol;

/// The identity in the certificate of the other side of an established connection.
///
/// # Errors
/// When the certificate contains no identity.
pub fn peer_identity(connection: &Connection) -> Result<PeerIdentity, IdentityError> {
    let chain = connection
        .peer_identity()
        .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok());
    match chain.as_ref().and_then(|chain| chain.first()) {
        Some(certificate) => PeerIdentity::from_certificate(certificate),
        None => Err(IdentityError::Unreadable("the other side presented none".to_owned())),
    }
}

/// The protocol that an established connection has negotiated; `None` if it is not known here.
#[must_use]
pub fn negotiated_protocol(connection: &Connection) -> Option<Protocol> {
    let data = connection.handshake_data()?.downcast::<HandshakeData>().ok()?;
    let protocol = data.protocol?;
    Protocol::ALL.into_iter().find(|known| known.alpn() == protocol)
}
