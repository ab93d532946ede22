//! Errors of loading certificates and keys.

use std::path::PathBuf;

use super::identity::IdentityError;

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {what} {path}: {source}")]
    Unreadable {
        /// The purpose of the file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A file does not contain what it must contain.
    #[error("{path} contains no {what} in PEM form: {detail}")]
    NotPem {
        /// The expected content.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The private key does not belong to the certificate.
    #[error("the private key {key} does not belong to the certificate {certificate}")]
    KeyMismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// The own certificate has expired.
    #[error("our own certificate {path} ({subject}) expired on {not_after}")]
    Expired {
        /// The file of the certificate.
        path: PathBuf,
        /// The holder of the certificate.
        subject: String,
        /// The end of its validity.
        not_after: String,
    },
    /// The own certificate is not valid yet.
    #[error(
        "our own certificate {path} ({subject}) is not valid before {not_before}; \
         check the clock of this machine"
    )]
    NotYetValid {
        /// The file of the certificate.
        path: PathBuf,
        /// The holder of the certificate.
        subject: String,
        /// The start of its validity.
        not_before: String,
    },
    /// The own certificate contains no identity.
    #[error("our own certificate {path}: {source}")]
    NoIdentity {
        /// The file of the certificate.
        path: PathBuf,
        /// What is missing.
        source: IdentityError,
    },
    /// The TLS library refuses the certificates.
    #[error("the certificates cannot be used: {0}")]
    Unusable(String),
}
