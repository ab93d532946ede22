//! Peers whose bytes a test writes itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use quinn::{Connection, Endpoint};
use raft_core::ports::{Inbox, PeerAddress, Transport};
use raft_core::{
    Body, GroupId, Incarnation, Message, NodeId, RequestVoteResponse, Rpc, Term, wire,
};
use raft_transport_quic::tls::{Protocol, TlsIdentity};
use raft_transport_quic::{QuicConfig, QuicTransport};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::authority::{Authority, CLUSTER, Issued};

pub(crate) const ONE: NodeId = NodeId(1);
pub(crate) const TWO: NodeId = NodeId(2);
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);

/// Counts messages and reports, and wakes the test that waits for them.
#[derive(Default)]
pub(crate) struct Counting {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) messages: usize,
    pub(crate) unreachable: usize,
}

impl Inbox for Counting {
    fn deliver(&self, _message: Message) {
        self.seen.lock().unwrap().messages += 1;
        self.changed.notify_all();
    }

    fn peer_unreachable(&self, _peer: NodeId) {
        self.seen.lock().unwrap().unreachable += 1;
        self.changed.notify_all();
    }
}

impl Counting {
    pub(crate) fn wait(&self, what: &str, wanted: impl Fn(&Seen) -> bool) {
        let seen = self.seen.lock().unwrap();
        let (_seen, outcome) =
            self.changed.wait_timeout_while(seen, WAIT_MAX, |seen| !wanted(seen)).unwrap();
        assert!(!outcome.timed_out(), "timed out while waiting for {what}");
    }

    /// As [`Counting::wait`], without a failure after the timeout.
    pub(crate) fn wait_at_most(&self, time: Duration, wanted: impl Fn(&Seen) -> bool) {
        let seen = self.seen.lock().unwrap();
        drop(self.changed.wait_timeout_while(seen, time, |seen| !wanted(seen)).unwrap());
    }

    pub(crate) fn messages(&self) -> usize {
        self.seen.lock().unwrap().messages
    }
}

pub(crate) fn config(node: NodeId, tls: TlsIdentity) -> QuicConfig {
    QuicConfig::new(CLUSTER, node, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), tls)
}

pub(crate) fn start(node: NodeId, tls: TlsIdentity) -> (Arc<QuicTransport>, Arc<Counting>) {
    let inbox = Arc::new(Counting::default());
    (QuicTransport::start(config(node, tls), inbox.clone()).unwrap(), inbox)
}

/// Adds a node to the peer set, with an address at which no node listens.
pub(crate) fn configure(transport: &QuicTransport, peer: NodeId) {
    transport.set_peers(&[PeerAddress::new(peer, "127.0.0.1:1")]);
}

/// Dials with this certificate or none, and accepts any certificate.
pub(crate) async fn raw_dial(
    issued: Option<&Issued>,
    ca: &Authority,
    protocol: Protocol,
    to: SocketAddr,
) -> Result<Connection, quinn::ConnectionError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptsAnyCertificate(provider)));
    let mut config = match issued {
        Some(issued) => {
            let chain = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![chain], key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.alpn().to_vec()];
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(config).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(crypto));
    let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    endpoint.connect_with(config, to, "raft.internal").unwrap().await
}

/// The reason with which the other side closes a connection, during or after the handshake.
pub(crate) async fn close_reason(connection: Result<Connection, quinn::ConnectionError>) -> String {
    match connection {
        Ok(connection) => {
            tokio::time::timeout(WAIT_MAX, connection.closed()).await.unwrap().to_string()
        }
        Err(error) => error.to_string(),
    }
}

#[derive(Debug)]
pub(crate) struct AcceptsAnyCertificate(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for AcceptsAnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

pub(crate) fn vote(from: NodeId, to: NodeId) -> Message {
    Message {
        cluster: CLUSTER,
        group: GroupId(0),
        from,
        from_incarnation: Incarnation(1),
        to,
        to_incarnation: None,
        rpc: Rpc::new(Term(1), Body::RequestVoteResponse(RequestVoteResponse { granted: true }))
            .unwrap(),
    }
}

pub(crate) fn framed(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length, content].concat()
}

pub(crate) fn frame(message: &Message) -> Vec<u8> {
    let mut content = Vec::new();
    wire::encode(message, &mut content);
    framed(&content)
}

/// A message of a kind that this release does not know, from node 1 to node 2.
pub(crate) fn frame_of_unknown_kind() -> Vec<u8> {
    const UNKNOWN_KIND: u8 = 100;
    let mut content = frame(&vote(ONE, TWO))[4..].to_vec();
    // The kind, and whether the vote was granted.
    content.truncate(content.len() - 2);
    content.extend([UNKNOWN_KIND, 1, 2, 3]);
    framed(&content)
}

/// The tag of the control stream and a hello of a release that supports version 1 only
/// (docs/peer-protocol.md).
pub(crate) fn hello() -> Vec<u8> {
    hello_of(1, 1)
}

/// As [`hello`], of a release that supports these versions.
pub(crate) fn hello_of(lowest: u16, highest: u16) -> Vec<u8> {
    hello_with(lowest, highest, 77, 1)
}

/// As [`hello`], with this sequence number.
pub(crate) fn hello_numbered(sequence: u64) -> Vec<u8> {
    hello_with(1, 1, 77, sequence)
}

/// As [`hello`], of another process.
pub(crate) fn hello_after_restart() -> Vec<u8> {
    hello_with(1, 1, 78, 1)
}

/// As [`hello_of`] for versions 1 and 2, of the process with this number.
pub(crate) fn hello_of_process(instance: u64) -> Vec<u8> {
    hello_with(1, 2, instance, 1)
}

fn hello_with(lowest: u16, highest: u16, instance: u64, sequence: u64) -> Vec<u8> {
    let mut fields = [lowest.to_be_bytes(), highest.to_be_bytes()].concat();
    fields.extend(instance.to_be_bytes());
    fields.extend(sequence.to_be_bytes());
    fields.extend((1_u32 << 24).to_be_bytes());
    if highest >= 2 {
        // No claims.
        fields.extend([0; 1 + 3 * 8]);
    }
    [&[0], framed(&fields).as_slice()].concat()
}

pub(crate) async fn send_raw(
    connection: &Connection,
    bytes: &[u8],
) -> Result<(), quinn::WriteError> {
    let mut stream = connection.open_uni().await?;
    stream.write_all(bytes).await?;
    // Dropping the stream would finish it.
    std::mem::forget(stream);
    Ok(())
}
