//! Certificates of a test cluster.

use raft_core::{ClusterId, NodeId};
use raft_server::certificates::{Authority, Validity};
use raft_transport_quic::tls::{PeerIdentity, TlsFiles, TlsIdentity};

pub(super) const CLUSTER: ClusterId = ClusterId(0xc1);

/// An authority that issues certificates for one cluster.
pub(super) struct Issuer(Authority);

impl Issuer {
    pub(super) fn new() -> Self {
        Self(Authority::new("the tests").unwrap())
    }

    pub(super) fn node(&self, node: u64) -> TlsIdentity {
        self.issue(&PeerIdentity::Node { cluster: CLUSTER, node: NodeId(node) })
    }

    pub(super) fn client(&self) -> TlsIdentity {
        self.client_of(CLUSTER)
    }

    pub(super) fn client_of(&self, cluster: ClusterId) -> TlsIdentity {
        self.issue(&PeerIdentity::Client { cluster, name: "tester".to_owned() })
    }

    fn issue(&self, holder: &PeerIdentity) -> TlsIdentity {
        let issued = self.0.issue(holder, Validity::ten_years()).unwrap();
        let named = |name: &str| name.into();
        let files = TlsFiles { ca: named("ca"), certificate: named("cert"), key: named("key") };
        TlsIdentity::from_pem(
            &files,
            self.0.certificate_pem().as_bytes(),
            issued.certificate_pem.as_bytes(),
            issued.key_pem.as_bytes(),
        )
        .unwrap()
    }
}
