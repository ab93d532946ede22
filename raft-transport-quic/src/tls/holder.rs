//! Describes a certificate in errors.

use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use super::identity::PeerIdentity;

/// The holder, issuer and validity of a certificate, as text for errors.
pub(super) struct Holder {
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) not_before: String,
    pub(super) not_after: String,
}

impl Holder {
    pub(super) fn of(der: &[u8]) -> Self {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else {
            let unknown = || "an unreadable certificate".to_owned();
            return Self {
                subject: unknown(),
                issuer: unknown(),
                not_before: unknown(),
                not_after: unknown(),
            };
        };
        let name = match PeerIdentity::from_certificate(der) {
            Ok(identity) => identity.to_string(),
            Err(_) => printable(&certificate.subject().to_string()),
        };
        let validity = certificate.validity();
        Self {
            subject: name,
            issuer: printable(&certificate.issuer().to_string()),
            not_before: date(validity.not_before),
            not_after: date(validity.not_after),
        }
    }
}

fn date(time: ASN1Time) -> String {
    time.to_rfc2822().unwrap_or_else(|_| time.timestamp().to_string())
}

/// Escapes a name, which the other side chooses: control characters must not reach a log or a
/// terminal.
fn printable(name: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 120;
    let shown = name.chars().take(SHOWN_CHARS_MAX);
    let shown: String = shown.map(|c| if c.is_control() { '?' } else { c }).collect();
    if shown.is_empty() { "a nameless subject".to_owned() } else { format!("{shown:?}") }
}
