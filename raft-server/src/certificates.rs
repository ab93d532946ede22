//! A certificate authority, and certificates for nodes and clients, for development and tests.
//!
//! An installation with an authority of its own does not need this module: nodes check only the
//! chain of a certificate and the `raft://` name in it (see [`PeerIdentity`]).

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use raft_transport_quic::tls::PeerIdentity;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

/// A certificate authority for nodes and clients.
#[derive(Debug)]
pub struct Authority {
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its private key, both PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// The key, unencrypted.
    pub key_pem: String,
}

/// The years in which a certificate is valid, each from the first of January.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Validity {
    /// The first year of validity.
    pub from_year: i32,
    /// The year in which it expires.
    pub to_year: i32,
}

/// A failure to make or to store a certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The certificate could not be made.
    #[error("cannot make the certificate of {subject}: {source}")]
    Make {
        /// The holder.
        subject: String,
        /// The error of the library.
        source: rcgen::Error,
    },
    /// A file could not be written.
    #[error("cannot {operation} {}: {source}", path.display())]
    File {
        /// The operation that failed.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
}

impl Validity {
    /// Ten years from the beginning of last year.
    #[must_use]
    pub fn ten_years() -> Self {
        const SECONDS_A_YEAR: u64 = 31_556_952;
        let seconds =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let year = 1970 + i32::try_from(seconds / SECONDS_A_YEAR).unwrap_or(0);
        Self { from_year: year - 1, to_year: year + 9 }
    }
}

impl Authority {
    /// A new authority with a new key.
    ///
    /// # Errors
    /// When the key or the certificate cannot be made.
    pub fn new(name: &str) -> Result<Self, CertificateError> {
        let made = make_error(name);
        let key = KeyPair::generate().map_err(&made)?;
        let mut params = params(name, Validity::ten_years());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(&made)?;
        Ok(Self { certificate_pem: certificate.pem(), issuer: Issuer::new(params, key) })
    }

    /// The authority's own certificate, PEM, which nodes and clients trust.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// A certificate for a node or client.
    ///
    /// # Errors
    /// When the key or the certificate cannot be made.
    ///
    /// # Panics
    /// When a year of `validity` is outside of the range of dates (-9999 to 9999).
    pub fn issue(
        &self,
        holder: &PeerIdentity,
        validity: Validity,
    ) -> Result<Issued, CertificateError> {
        let uri = holder.to_string();
        let made = make_error(&uri);
        let key = KeyPair::generate().map_err(&made)?;
        let mut params = params(&uri, validity);
        params.subject_alt_names = vec![SanType::URI(uri.as_str().try_into().map_err(&made)?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).map_err(&made)?;
        Ok(Issued { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

impl Issued {
    /// Writes the two files. A new key file has mode 0600; an existing one keeps its mode.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, certificate: &Path, key: &Path) -> Result<(), CertificateError> {
        write(certificate, &self.certificate_pem, 0o644)?;
        write(key, &self.key_pem, 0o600)
    }
}

/// Writes a text to a file that is created with these permissions.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), CertificateError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(|source| {
        CertificateError::File { operation: "write", path: path.to_owned(), source }
    })
}

fn make_error(subject: &str) -> impl Fn(rcgen::Error) -> CertificateError {
    move |source| CertificateError::Make { subject: subject.to_owned(), source }
}

fn params(name: &str, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(validity.from_year, 1, 1);
    params.not_after = date_time_ymd(validity.to_year, 1, 1);
    params
}

#[cfg(test)]
mod tests {
    use raft_core::{ClusterId, NodeId};
    use raft_transport_quic::tls::{TlsError, TlsFiles, TlsIdentity};

    use super::*;

    fn load(directory: &Path, validity: Validity) -> Result<TlsIdentity, TlsError> {
        let authority = Authority::new("an authority").unwrap();
        let holder = PeerIdentity::Node { cluster: ClusterId(7), node: NodeId(3) };
        let files = TlsFiles {
            ca: directory.join("ca.pem"),
            certificate: directory.join("node.pem"),
            key: directory.join("node.key"),
        };
        write(&files.ca, authority.certificate_pem(), 0o644).unwrap();
        let issued = authority.issue(&holder, validity).unwrap();
        issued.write(&files.certificate, &files.key).unwrap();
        TlsIdentity::load(&files)
    }

    #[test]
    fn issued_certificate_names_its_holder() {
        let directory = tempfile::tempdir().unwrap();
        let identity = load(directory.path(), Validity::ten_years()).unwrap();
        assert_eq!(identity.identity().to_string(), format!("raft://{}/node/3", ClusterId(7)));
    }

    #[test]
    fn validity_is_that_of_the_request() {
        let directory = tempfile::tempdir().unwrap();
        let past = Validity { from_year: 2010, to_year: 2011 };
        assert!(matches!(load(directory.path(), past), Err(TlsError::Expired { .. })));
        let future = Validity { from_year: 2400, to_year: 2401 };
        assert!(matches!(load(directory.path(), future), Err(TlsError::NotYetValid { .. })));
    }

    #[test]
    fn key_file_is_readable_by_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        load(directory.path(), Validity::ten_years()).unwrap();
        let mode =
            std::fs::metadata(directory.path().join("node.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
