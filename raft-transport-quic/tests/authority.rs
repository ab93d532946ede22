//! A certificate authority for tests.

use std::path::PathBuf;

use raft_core::{ClusterId, NodeId};
use raft_transport_quic::tls::{PeerIdentity, TlsError, TlsFiles, TlsIdentity};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};

pub(crate) const CLUSTER: ClusterId = ClusterId(0xc1);

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key and the trusted authority, as PEM.
pub(crate) struct Issued {
    pub(crate) ca: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate with these URIs as its names, valid from the start of one year to the start of
    /// another.
    pub(crate) fn issue_for_years(&self, uris: &[&str], first: i32, last: i32) -> Issued {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "under test");
        params.not_before = date_time_ymd(first, 1, 1);
        params.not_after = date_time_ymd(last, 1, 1);
        let names = uris.iter().map(|&uri| SanType::URI(uri.to_owned().try_into().unwrap()));
        params.subject_alt_names.extend(names);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued { ca: self.pem(), certificate: certificate.pem(), key: key.serialize_pem() }
    }

    pub(crate) fn issue(&self, uris: &[&str]) -> Issued {
        self.issue_for_years(uris, 2020, 2500)
    }

    pub(crate) fn issue_to(&self, identity: &PeerIdentity) -> Issued {
        self.issue(&[&identity.to_string()])
    }

    pub(crate) fn node(&self, node: NodeId) -> TlsIdentity {
        self.node_of(CLUSTER, node)
    }

    pub(crate) fn node_of(&self, cluster: ClusterId, node: NodeId) -> TlsIdentity {
        self.issue_to(&PeerIdentity::Node { cluster, node }).load().unwrap()
    }
}

impl Issued {
    /// Replaces the trusted authority.
    pub(crate) fn with_trusted(mut self, authority: &Authority) -> Self {
        self.ca = authority.pem();
        self
    }

    pub(crate) fn load(&self) -> Result<TlsIdentity, TlsError> {
        let [ca, certificate, key] = ["ca.pem", "node.pem", "node.key"].map(PathBuf::from);
        TlsIdentity::from_pem(
            &TlsFiles { ca, certificate, key },
            self.ca.as_bytes(),
            self.certificate.as_bytes(),
            self.key.as_bytes(),
        )
    }
}
