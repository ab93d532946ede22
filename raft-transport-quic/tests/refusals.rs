//! Who is turned away, and with which words on either side.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use quinn::{Connection, Endpoint};
use raft_core::ports::{Inbox, PeerAddress, Transport};
use raft_core::{
    Body, ClusterId, GroupId, Incarnation, Message, NodeId, RequestVoteResponse, Term, wire,
};
use raft_transport_quic::tls::{PeerIdentity, Role, TlsError, TlsIdentity, client_config};
use raft_transport_quic::{CloseCode, PeerStatus, QuicConfig, QuicTransport, TransportError};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::authority::{Authority, CLUSTER, Issued};

const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Counts what arrives, and wakes whoever waits for a lost peer.
#[derive(Default)]
struct Counting {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
struct Seen {
    messages: usize,
    unreachable: usize,
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
    fn wait(&self, what: &str, wanted: impl Fn(&Seen) -> bool) {
        let seen = self.seen.lock().unwrap();
        let (_seen, outcome) =
            self.changed.wait_timeout_while(seen, WAIT_MAX, |seen| !wanted(seen)).unwrap();
        assert!(!outcome.timed_out(), "waited in vain for {what}");
    }

    fn messages(&self) -> usize {
        self.seen.lock().unwrap().messages
    }
}

fn config(node: NodeId, tls: TlsIdentity) -> QuicConfig {
    QuicConfig::new(CLUSTER, node, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), tls)
}

fn start(node: NodeId, tls: TlsIdentity) -> (Arc<QuicTransport>, Arc<Counting>) {
    let inbox = Arc::new(Counting::default());
    (QuicTransport::start(config(node, tls), inbox.clone()).unwrap(), inbox)
}

/// Node 1 dials an address that it takes for node 2's; returns how it stands once it has failed.
fn dial_in_vain(tls: TlsIdentity, address: SocketAddr) -> PeerStatus {
    let (one, inbox) = start(ONE, tls);
    one.set_peers(&[PeerAddress { node: TWO, address: address.to_string() }]);
    inbox.wait("the failure of the dial", |seen| seen.unreachable > 0);
    let status = one.status().remove(0);
    assert!(!status.connected && status.counts.failed_dials > 0, "{status:?}");
    status
}

fn assert_says(status: &PeerStatus, words: &[&str]) {
    let error = status.last_error.as_deref().unwrap_or_default();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in {error:?}");
    }
}

/// A client of our own that shows whatever certificate it is given, or none.
async fn raw_dial(
    issued: Option<&Issued>,
    ca: &Authority,
    role: Role,
    to: SocketAddr,
) -> Result<Connection, quinn::ConnectionError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustsAnybody(provider)));
    let mut config = match issued {
        Some(issued) => {
            let chain = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![chain], key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![role.alpn().to_vec()];
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(config).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(crypto));
    let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    endpoint.connect_with(config, to, "raft.internal").unwrap().await
}

/// The other side's words when it ends a connection, whether during or after the handshake.
async fn words_of_the_end(connection: Result<Connection, quinn::ConnectionError>) -> String {
    match connection {
        Ok(connection) => {
            tokio::time::timeout(WAIT_MAX, connection.closed()).await.unwrap().to_string()
        }
        Err(error) => error.to_string(),
    }
}

#[derive(Debug)]
struct TrustsAnybody(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for TrustsAnybody {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_authority_is_refused_by_name() {
    let (ours, other) = (Authority::new("ours"), Authority::new("the stranger's"));
    let (two, inbox) = start(TWO, other.node(TWO));
    let status = dial_in_vain(ours.node(ONE), two.local_addr());
    assert_says(&status, &["refused here", "not a trusted authority", "the stranger's", "node/2"]);
    assert_eq!(inbox.messages(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialler_of_another_authority_reads_why_it_is_refused() {
    let (ours, other) = (Authority::new("ours"), Authority::new("the stranger's"));
    let (two, _inbox) = start(TWO, ours.node(TWO));
    // Trusts us, and is not trusted.
    let name = PeerIdentity::Node { cluster: CLUSTER, node: ONE };
    let stranger = other.issue_to(&name).trusting(&ours).load().unwrap();
    let status = dial_in_vain(stranger, two.local_addr());
    assert_says(&status, &["refused by the other side", "not a trusted authority", "node/1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_at_the_address_is_named() {
    let ca = Authority::new("ours");
    let (three, _inbox) = start(NodeId(3), ca.node(NodeId(3)));
    let status = dial_in_vain(ca.node(ONE), three.local_addr());
    assert_says(&status, &["wrong node", "expected node 2", "node/3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_cluster_is_named() {
    let ca = Authority::new("ours");
    let cluster = ClusterId(0xbad);
    let mut foreign = config(TWO, ca.node_of(cluster, TWO));
    foreign.cluster = cluster;
    let two = QuicTransport::start(foreign, Arc::new(Counting::default())).unwrap();
    let status = dial_in_vain(ca.node(ONE), two.local_addr());
    assert_says(&status, &["wrong cluster", &CLUSTER.to_string(), &cluster.to_string()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_and_early_certificates_are_refused_with_their_dates() {
    let ca = Authority::new("ours");
    let (two, inbox) = start(TWO, ca.node(TWO));
    let uri = PeerIdentity::Node { cluster: CLUSTER, node: ONE }.to_string();
    for (first, last, words) in
        [(2001, 2002, ["expired on", "2002"]), (2400, 2500, ["not valid before", "2400"])]
    {
        let issued = ca.issue_for_years(&[&uri], first, last);
        let connection = raw_dial(Some(&issued), &ca, Role::Peer, two.local_addr()).await;
        let end = words_of_the_end(connection).await;
        for word in words.iter().chain(&["node/1"]) {
            assert!(end.contains(word), "{word:?} is not in {end:?}");
        }
    }
    assert_eq!(inbox.messages(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_comes_in_without_a_certificate() {
    let ca = Authority::new("ours");
    let (two, inbox) = start(TWO, ca.node(TWO));
    let connection = raw_dial(None, &ca, Role::Peer, two.local_addr()).await;
    if let Ok(connection) = &connection {
        // Sent before the refusal has arrived: must not be read.
        let _ = send_raw(connection, &[hello(), frame(&vote(ONE, TWO))].concat()).await;
    }
    let end = words_of_the_end(connection).await;
    assert!(end.contains("no certificates"), "{end}");
    assert_eq!((inbox.messages(), two.status()), (0, vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_at_the_peer_port_is_told_where_to_go() {
    let ca = Authority::new("ours");
    let (two, inbox) = start(TWO, ca.node(TWO));
    let client = PeerIdentity::Client { cluster: CLUSTER, name: "ops".to_owned() };
    let identity = ca.issue_to(&client).load().unwrap();
    let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let dialled = client_config(&identity, Role::Client).unwrap();
    let connection =
        endpoint.connect_with(dialled, two.local_addr(), "raft.internal").unwrap().await;
    let end = words_of_the_end(connection).await;
    assert!(end.contains("clients use the client address"), "{end}");

    // Nor does the other protocol help without a node's certificate.
    let issued = ca.issue_to(&client);
    let connection = raw_dial(Some(&issued), &ca, Role::Peer, two.local_addr()).await;
    let end = words_of_the_end(connection).await;
    assert!(end.contains("expected the certificate of a node"), "{end}");
    assert_eq!(inbox.messages(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_without_one_name_is_refused() {
    let ca = Authority::new("ours");
    let (two, _inbox) = start(TWO, ca.node(TWO));
    let uri = PeerIdentity::Node { cluster: CLUSTER, node: ONE }.to_string();
    let other = PeerIdentity::Node { cluster: CLUSTER, node: NodeId(3) }.to_string();
    let bad = "raft://cluster/node/one";
    for (uris, word) in
        [(vec![], "has no subject"), (vec![uri.as_str(), &other], "several"), (vec![bad], bad)]
    {
        let issued = ca.issue(&uris);
        let connection = raw_dial(Some(&issued), &ca, Role::Peer, two.local_addr()).await;
        let end = words_of_the_end(connection).await;
        assert!(end.contains(word), "{word:?} is not in {end:?}");
        let error = issued.load().unwrap_err();
        assert!(matches!(error, TlsError::NoIdentity { .. }), "{error}");
    }
}

fn vote(from: NodeId, to: NodeId) -> Message {
    Message {
        cluster: CLUSTER,
        group: GroupId(0),
        from,
        from_incarnation: Incarnation(1),
        to,
        to_incarnation: None,
        term: Term(1),
        body: Body::RequestVoteResponse(RequestVoteResponse { granted: true }),
    }
}

fn framed(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length, content].concat()
}

fn frame(message: &Message) -> Vec<u8> {
    let mut content = Vec::new();
    wire::encode(message, &mut content);
    framed(&content)
}

/// The control lane's number, and first words as the module's documentation describes them.
fn hello() -> Vec<u8> {
    let mut words = vec![1];
    words.extend(77_u64.to_be_bytes());
    words.extend(0_u64.to_be_bytes());
    words.extend((1_u32 << 24).to_be_bytes());
    [&[0], framed(&words).as_slice()].concat()
}

async fn send_raw(connection: &Connection, bytes: &[u8]) -> Result<(), quinn::WriteError> {
    let mut stream = connection.open_uni().await?;
    stream.write_all(bytes).await?;
    // The stream must outlive the connection: ending it is no part of what is tested.
    std::mem::forget(stream);
    Ok(())
}

/// A genuine peer that breaks the rules: each case is one that a bug could produce.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_breaks_the_rules_is_cut_off_with_a_reason() {
    let ca = Authority::new("ours");
    let (two, inbox) = start(TWO, ca.node(TWO));
    let three = NodeId(3);
    let foreign = Message { cluster: ClusterId(5), ..vote(ONE, TWO) };
    let mut trailing = frame(&vote(ONE, TWO))[4..].to_vec();
    trailing.push(0);
    let good = frame(&vote(ONE, TWO));
    let cases: Vec<(Vec<u8>, CloseCode, &str)> = vec![
        (vec![0xff; 5], CloseCode::FrameTooLarge, "a frame of 4294967295 bytes"),
        (framed(&[]), CloseCode::Malformed, "empty"),
        (framed(&[9, 9, 9]), CloseCode::Malformed, "format 9"),
        (framed(&[wire::FORMAT_VERSION]), CloseCode::Malformed, "no message"),
        (framed(&trailing), CloseCode::Malformed, "1 bytes follow"),
        (frame(&vote(three, TWO)), CloseCode::WrongSender, "in the name of node 3"),
        (frame(&vote(ONE, three)), CloseCode::WrongSender, "for node 3"),
        (frame(&foreign), CloseCode::WrongSender, "of cluster"),
    ];
    let count = cases.len();
    for (bad, code, words) in cases {
        let issued = ca.issue_to(&PeerIdentity::Node { cluster: CLUSTER, node: ONE });
        let connection = raw_dial(Some(&issued), &ca, Role::Peer, two.local_addr()).await.unwrap();
        send_raw(&connection, &[hello(), good.clone(), bad].concat()).await.unwrap();
        let end = tokio::time::timeout(WAIT_MAX, connection.closed()).await.unwrap();
        let quinn::ConnectionError::ApplicationClosed(close) = &end else { panic!("{end}") };
        assert_eq!(close.error_code, code.into(), "{end}");
        assert!(end.to_string().contains(words), "{words:?} is not in {end}");
    }
    inbox.wait("the good messages before the bad ones", |seen| seen.messages == count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_does_not_introduce_itself_is_cut_off() {
    let ca = Authority::new("ours");
    let (two, inbox) = start(TWO, ca.node(TWO));
    for first_words in [
        vec![1],
        vec![9],
        vec![0, 0, 0, 0, 1, 1],
        [&[0], frame(&vote(ONE, TWO)).as_slice()].concat(),
    ] {
        let issued = ca.issue_to(&PeerIdentity::Node { cluster: CLUSTER, node: ONE });
        let connection = raw_dial(Some(&issued), &ca, Role::Peer, two.local_addr()).await.unwrap();
        send_raw(&connection, &first_words).await.unwrap();
        let end = words_of_the_end(Ok(connection)).await;
        assert!(end.contains("did not introduce itself"), "{end}");
    }
    assert_eq!(inbox.messages(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transport_that_cannot_start_says_why() {
    let ca = Authority::new("ours");
    let start = |config| QuicTransport::start(config, Arc::new(Counting::default()));
    let first = start(config(ONE, ca.node(ONE))).unwrap();

    let mut taken = config(TWO, ca.node(TWO));
    taken.listen = first.local_addr();
    let error = start(taken).unwrap_err().to_string();
    assert!(error.contains("UDP") && error.contains("another process"), "{error}");
    assert!(error.contains(&first.local_addr().to_string()), "{error}");

    let error = start(config(TWO, ca.node(ONE))).unwrap_err();
    assert!(matches!(error, TransportError::NotOurCertificate { .. }), "{error}");
    assert!(error.to_string().contains("this is node 2"), "{error}");

    let mut hasty = config(TWO, ca.node(TWO));
    hasty.idle_timeout = hasty.keep_alive;
    let error = start(hasty).unwrap_err();
    assert!(error.to_string().contains("idle_timeout"), "{error}");
}

#[test]
fn certificates_that_do_not_fit_are_refused_by_file() {
    let ca = Authority::new("ours");
    let name = PeerIdentity::Node { cluster: CLUSTER, node: ONE };
    let (one, two) = (ca.issue_to(&name), ca.issue_to(&name));
    let mixed = Issued { key: two.key, ..ca.issue_to(&name) };
    let error = mixed.load().unwrap_err();
    assert!(matches!(error, TlsError::KeyMismatch { .. }), "{error}");

    let no_key = Issued { key: one.certificate.clone(), ..ca.issue_to(&name) };
    assert!(no_key.load().unwrap_err().to_string().contains("node.key"));
    let no_certificate = Issued { certificate: "text".to_owned(), ..ca.issue_to(&name) };
    assert!(no_certificate.load().unwrap_err().to_string().contains("node.pem"));
    let no_ca = Issued { ca: String::new(), ..ca.issue_to(&name) };
    assert!(no_ca.load().unwrap_err().to_string().contains("ca.pem"));

    let old = ca.issue_for_years(&[&name.to_string()], 2001, 2002).load().unwrap_err();
    assert!(matches!(old, TlsError::Expired { .. }), "{old}");
    let early = ca.issue_for_years(&[&name.to_string()], 2400, 2500).load().unwrap_err();
    assert!(matches!(early, TlsError::NotYetValid { .. }), "{early}");

    let folder = tempfile::tempdir().unwrap();
    let [ca, certificate, key] = ["ca.pem", "node.pem", "node.key"].map(|f| folder.path().join(f));
    let files = raft_transport_quic::tls::TlsFiles { ca, certificate, key };
    let error = TlsIdentity::load(&files).unwrap_err().to_string();
    assert!(error.contains("ca.pem") && error.contains("os error 2"), "{error}");
}
