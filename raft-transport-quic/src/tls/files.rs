//! Certificates and keys from PEM files, checked when they are read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::verify::Holder;
use super::{IdentityError, PeerIdentity};

/// Where the three PEM files are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// The trusted authorities: one or several certificates.
    pub ca: PathBuf,
    /// The own certificate, then any intermediate ones.
    pub certificate: PathBuf,
    /// The own private key.
    pub key: PathBuf,
}

/// Why certificates cannot be used. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {what} {path}: {source}")]
    Unreadable {
        /// Which of the three.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file holds something else than it should.
    #[error("{path} holds no {what} in PEM form: {detail}")]
    NotPem {
        /// What should be in it.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// The two do not belong together.
    #[error("the private key {key} does not belong to the certificate {certificate}")]
    KeyMismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// The own certificate is too old.
    #[error("our own certificate {path} ({subject}) expired on {not_after}")]
    Expired {
        /// Its file.
        path: PathBuf,
        /// Whose it is.
        subject: String,
        /// Its last day.
        not_after: String,
    },
    /// The own certificate is for later.
    #[error(
        "our own certificate {path} ({subject}) is not valid before {not_before}; \
         is the clock right?"
    )]
    NotYetValid {
        /// Its file.
        path: PathBuf,
        /// Whose it is.
        subject: String,
        /// Its first day.
        not_before: String,
    },
    /// The own certificate does not say whose it is.
    #[error("our own certificate {path}: {source}")]
    NoIdentity {
        /// Its file.
        path: PathBuf,
        /// What is missing.
        source: IdentityError,
    },
    /// The TLS library refuses them.
    #[error("the certificates cannot be used: {0}")]
    Unusable(String),
}

/// Who we are towards others, with the proof, and whom we trust.
#[derive(Clone, Debug)]
pub struct TlsIdentity {
    identity: PeerIdentity,
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
    roots: Arc<RootCertStore>,
    not_after: SystemTime,
}

impl TlsIdentity {
    /// Reads the three files and checks that they fit together and are valid now. Logs a
    /// warning if other users have access to the private key.
    ///
    /// # Errors
    /// The first thing that does not fit, with the file it is in.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let ca = read("the CA file", &files.ca)?;
        let certificate = read("the certificate", &files.certificate)?;
        let key = read("the private key", &files.key)?;
        if let Some(warning) = files.key_warning() {
            tracing::warn!("{warning}");
        }
        Self::from_pem(files, &ca, &certificate, &key)
    }

    /// As [`TlsIdentity::load`], from PEM text; `files` is for the messages.
    ///
    /// # Errors
    /// As [`TlsIdentity::load`].
    pub fn from_pem(
        files: &TlsFiles,
        ca: &[u8],
        certificate: &[u8],
        key: &[u8],
    ) -> Result<Self, TlsError> {
        let roots = roots(&files.ca, ca)?;
        let chain = certificates("certificate", &files.certificate, certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::NotPem {
            what: "private key",
            path: files.key.clone(),
            detail: error.to_string(),
        })?;
        match CertifiedKey::from_der(chain.clone(), key.clone_key(), &super::provider()) {
            Ok(_) => {}
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                return Err(TlsError::KeyMismatch {
                    key: files.key.clone(),
                    certificate: files.certificate.clone(),
                });
            }
            Err(error) => return Err(TlsError::Unusable(error.to_string())),
        }
        let not_after = check_dates(&files.certificate, &chain[0])?;
        let identity = PeerIdentity::from_certificate(&chain[0])
            .map_err(|source| TlsError::NoIdentity { path: files.certificate.clone(), source })?;
        Ok(Self { identity, chain, key: Arc::new(key), roots: Arc::new(roots), not_after })
    }

    /// Who our own certificate says we are.
    #[must_use]
    pub const fn identity(&self) -> &PeerIdentity {
        &self.identity
    }

    /// When our own certificate expires.
    #[must_use]
    pub const fn not_after(&self) -> SystemTime {
        self.not_after
    }

    pub(super) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }

    pub(super) fn roots(&self) -> Arc<RootCertStore> {
        self.roots.clone()
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable {
        what,
        path: path.to_owned(),
        source,
    })
}

/// At least one certificate.
fn certificates(
    what: &'static str,
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let not_pem = |detail: String| TlsError::NotPem { what, path: path.to_owned(), detail };
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| not_pem(error.to_string()))?;
    if found.is_empty() { Err(not_pem("nothing found".to_owned())) } else { Ok(found) }
}

fn roots(path: &Path, pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates("CA certificate", path, pem)? {
        roots.add(authority).map_err(|error| TlsError::NotPem {
            what: "usable CA certificate",
            path: path.to_owned(),
            detail: error.to_string(),
        })?;
    }
    Ok(roots)
}

/// Checks that a certificate is valid now, and says when it ceases to be.
fn check_dates(path: &Path, der: &[u8]) -> Result<SystemTime, TlsError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| TlsError::NotPem {
        what: "certificate",
        path: path.to_owned(),
        detail: error.to_string(),
    })?;
    let validity = certificate.validity();
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    let Holder { subject, not_before, not_after, .. } = Holder::of(der);
    if now > validity.not_after.timestamp() {
        return Err(TlsError::Expired { path: path.to_owned(), subject, not_after });
    }
    if now < validity.not_before.timestamp() {
        return Err(TlsError::NotYetValid { path: path.to_owned(), subject, not_before });
    }
    let seconds = u64::try_from(validity.not_after.timestamp()).unwrap_or(0);
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

impl TlsFiles {
    /// What is wrong with the permissions of the private key, if other users have access to it.
    #[cfg(unix)]
    #[must_use]
    pub fn key_warning(&self) -> Option<String> {
        use std::os::unix::fs::PermissionsExt;

        const OF_OTHER_USERS: u32 = 0o077;
        let mode = std::fs::metadata(&self.key).ok()?.permissions().mode() & 0o7777;
        (mode & OF_OTHER_USERS != 0).then(|| {
            let path = self.key.display();
            format!(
                "the private key {path} has mode {mode:04o}: its group or all users of this \
                 machine have access to it; run: chmod 600 {path}"
            )
        })
    }

    /// What is wrong with the permissions of the private key: not known on this system.
    #[cfg(not(unix))]
    #[must_use]
    pub fn key_warning(&self) -> Option<String> {
        None
    }
}
