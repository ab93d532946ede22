//! Certificates and keys in PEM files, which are checked when they are loaded.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::crypto::provider;
use super::error::TlsError;
use super::holder::Holder;
use super::identity::PeerIdentity;

/// The paths of the three PEM files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// The certificates of the trusted authorities: at least one.
    pub ca: PathBuf,
    /// The own certificate, followed by any intermediate ones.
    pub certificate: PathBuf,
    /// The own private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// A warning for operators if other users of the system have access to the private key.
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

    /// A warning for operators if other users of the system have access to the private key. Never
    /// on this platform, whose permissions are not checked.
    #[cfg(not(unix))]
    #[must_use]
    pub fn key_warning(&self) -> Option<String> {
        None
    }
}

/// The own certificate with its private key, and the trusted authorities.
#[derive(Clone, Debug)]
pub struct TlsIdentity {
    identity: PeerIdentity,
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
    roots: Arc<RootCertStore>,
    not_after: SystemTime,
}

impl TlsIdentity {
    /// Reads the three files and checks that they belong together and are valid now. Logs a warning
    /// if other users have access to the private key.
    ///
    /// # Errors
    /// The first problem, with the file that has it.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let ca = read("the CA file", &files.ca)?;
        let certificate = read("the certificate", &files.certificate)?;
        let key = read("the private key", &files.key)?;
        if let Some(warning) = files.key_warning() {
            tracing::warn!("{warning}");
        }
        Self::from_pem(files, &ca, &certificate, &key)
    }

    /// As [`TlsIdentity::load`], from PEM text. Errors name the paths in `files`, which are not
    /// read.
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
        match CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider()) {
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

    /// The identity in the own certificate.
    #[must_use]
    pub const fn identity(&self) -> &PeerIdentity {
        &self.identity
    }

    /// The end of the validity of the own certificate.
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

/// Parses certificates: at least one.
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

/// Checks that a certificate is valid now. Returns the end of its validity.
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
