//! Which connections are refused, and with which reason on either side.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use quinn::Endpoint;
use raft_core::ports::{PeerAddress, Transport};
use raft_core::{ClusterId, Message, NodeId, wire};
use raft_transport_quic::tls::{PeerIdentity, Protocol, TlsError, TlsIdentity, client_config};
use raft_transport_quic::{CloseCode, PeerStatus, QuicTransport, TransportError};

use crate::authority::{Authority, CLUSTER, Issued};
use crate::raw::{
    Counting, ONE, TWO, WAIT_MAX, close_reason, config, configure, frame, frame_of_unknown_kind,
    framed, hello, hello_of, raw_dial, send_raw, start, vote,
};

/// Node 1 dials this address as the one of node 2. Returns its status after the dial has failed.
fn failed_dial(tls: TlsIdentity, address: SocketAddr) -> PeerStatus {
    let (one, inbox) = start(ONE, tls);
    one.set_peers(&[PeerAddress::new(TWO, address.to_string())]);
    inbox.wait("the failure of the dial", |seen| seen.unreachable > 0);
    let status = one.status().remove(0);
    assert!(!status.connected && status.counts.failed_dials > 0, "{status:?}");
    status
}

fn assert_error_contains(status: &PeerStatus, expected: &[&str]) {
    let error = status.last_error.as_deref().unwrap_or_default();
    for word in expected {
        assert!(error.contains(word), "{word:?} is not in {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dialled_node_of_another_authority_is_refused_with_its_name() {
    let (ours, other) = (Authority::new("ours"), Authority::new("authority of others"));
    let (two, inbox) = start(TWO, other.node(TWO));
    let status = failed_dial(ours.node(ONE), two.local_addr());
    assert_error_contains(
        &status,
        &["refused here", "not a trusted authority", "authority of others", "node/2"],
    );
    assert_eq!(inbox.messages(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dialling_node_of_another_authority_receives_the_reason() {
    let (ours, other) = (Authority::new("ours"), Authority::new("authority of others"));
    let (two, _inbox) = start(TWO, ours.node(TWO));
    // Its certificate is issued by an authority that node 2 does not trust.
    let name = PeerIdentity::Node { cluster: CLUSTER, node: ONE };
    let untrusted = other.issue_to(&name).with_trusted(&ours).load().unwrap();
    let status = failed_dial(untrusted, two.local_addr());
    assert_error_contains(
        &status,
        &["refused by the other side", "not a trusted authority", "node/1"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dial_that_reaches_another_node_reports_its_name() {
    let ca = Authority::new("ours");
    let (three, _inbox) = start(NodeId(3), ca.node(NodeId(3)));
    let status = failed_dial(ca.node(ONE), three.local_addr());
    assert_error_contains(&status, &["wrong node", "expected node 2", "node/3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dial_that_reaches_another_cluster_reports_its_name() {
    let ca = Authority::new("ours");
    let cluster = ClusterId(0xbad);
    let mut foreign = config(TWO, ca.node_of(cluster, TWO));
    foreign.cluster = cluster;
    let two = QuicTransport::start(foreign, Arc::new(Counting::default())).unwrap();
    let status = failed_dial(ca.node(ONE), two.local_addr());
    assert_error_contains(&status, &["wrong cluster", &CLUSTER.to_string(), &cluster.to_string()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_and_not_yet_valid_certificates_are_refused_with_their_dates() {
    let ca = Authority::new("ours");
    let (two, inbox) = start(TWO, ca.node(TWO));
    let uri = PeerIdentity::Node { cluster: CLUSTER, node: ONE }.to_string();
    for (first, last, expected) in
        [(2001, 2002, ["expired on", "2002"]), (2400, 2500, ["not valid before", "2400"])]
    {
        let issued = ca.issue_for_years(&[&uri], first, last);
        let connection = raw_dial(Some(&issued), &ca, Protocol::Peer, two.local_addr()).await;
        let end = close_reason(connection).await;
        for word in expected.iter().chain(&["node/1"]) {
            assert!(end.contains(word), "{word:?} is not in {end:?}");
        }
    }
    assert_eq!(inbox.messages(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_without_a_certificate_is_refused() {
    let ca = Authority::new("ours");
    let (two, inbox) = start(TWO, ca.node(TWO));
    let connection = raw_dial(None, &ca, Protocol::Peer, two.local_addr()).await;
    if let Ok(connection) = &connection {
        // These bytes are sent before the refusal has arrived, and must not be read.
        let _ = send_raw(connection, &[hello(), frame(&vote(ONE, TWO))].concat()).await;
    }
    let end = close_reason(connection).await;
    assert!(end.contains("no certificates"), "{end}");
    assert_eq!((inbox.messages(), two.status()), (0, vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_at_the_peer_port_is_refused_with_the_right_port() {
    let ca = Authority::new("ours");
    let (two, inbox) = start(TWO, ca.node(TWO));
    let client = PeerIdentity::Client { cluster: CLUSTER, name: "ops".to_owned() };
    let identity = ca.issue_to(&client).load().unwrap();
    let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let dialled = client_config(&identity, Protocol::Client).unwrap();
    let connection =
        endpoint.connect_with(dialled, two.local_addr(), "raft.internal").unwrap().await;
    let end = close_reason(connection).await;
    assert!(end.contains("clients use the client address"), "{end}");

    // The right protocol with the certificate of a client.
    let issued = ca.issue_to(&client);
    let connection = raw_dial(Some(&issued), &ca, Protocol::Peer, two.local_addr()).await;
    let end = close_reason(connection).await;
    assert!(end.contains("expected the certificate of a node"), "{end}");
    assert_eq!(inbox.messages(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_without_exactly_one_name_is_refused() {
    let ca = Authority::new("ours");
    let (two, _inbox) = start(TWO, ca.node(TWO));
    let uri = PeerIdentity::Node { cluster: CLUSTER, node: ONE }.to_string();
    let other = PeerIdentity::Node { cluster: CLUSTER, node: NodeId(3) }.to_string();
    let bad = "raft://cluster/node/one";
    for (uris, word) in
        [(vec![], "has no subject"), (vec![uri.as_str(), &other], "several"), (vec![bad], bad)]
    {
        let issued = ca.issue(&uris);
        let connection = raw_dial(Some(&issued), &ca, Protocol::Peer, two.local_addr()).await;
        let end = close_reason(connection).await;
        assert!(end.contains(word), "{word:?} is not in {end:?}");
        let error = issued.load().unwrap_err();
        assert!(matches!(error, TlsError::NoIdentity { .. }), "{error}");
    }
}

/// Each case is a violation by a peer with a genuine certificate that a bug could cause.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn protocol_violation_closes_the_connection_with_a_code_and_a_reason() {
    let ca = Authority::new("ours");
    let (two, inbox) = start(TWO, ca.node(TWO));
    configure(&two, ONE);
    let three = NodeId(3);
    let foreign = Message { cluster: ClusterId(5), ..vote(ONE, TWO) };
    let mut trailing = frame(&vote(ONE, TWO))[4..].to_vec();
    trailing.push(0);
    let good = frame(&vote(ONE, TWO));
    let cases: Vec<(Vec<u8>, CloseCode, &str)> = vec![
        (vec![0xff; 5], CloseCode::FrameTooLarge, "a frame of 4294967295 bytes"),
        (framed(&[]), CloseCode::Malformed, "empty"),
        (framed(&[9, 9, 9]), CloseCode::Malformed, "format 9"),
        (framed(&[wire::FORMAT_VERSION]), CloseCode::Malformed, "malformed message"),
        (frame_of_unknown_kind(), CloseCode::Malformed, "unknown kind of message: 100"),
        (framed(&trailing), CloseCode::Malformed, "1 bytes follow"),
        (frame(&vote(three, TWO)), CloseCode::WrongSender, "in the name of node 3"),
        (frame(&vote(ONE, three)), CloseCode::WrongSender, "for node 3"),
        (frame(&foreign), CloseCode::WrongSender, "of cluster"),
    ];
    let count = cases.len();
    for (bad, code, expected) in cases {
        let issued = ca.issue_to(&PeerIdentity::Node { cluster: CLUSTER, node: ONE });
        let connection =
            raw_dial(Some(&issued), &ca, Protocol::Peer, two.local_addr()).await.unwrap();
        send_raw(&connection, &[hello(), good.clone(), bad].concat()).await.unwrap();
        let end = tokio::time::timeout(WAIT_MAX, connection.closed()).await.unwrap();
        let quinn::ConnectionError::ApplicationClosed(close) = &end else { panic!("{end}") };
        assert_eq!(close.error_code, code.into(), "{end}");
        assert!(end.to_string().contains(expected), "{expected:?} is not in {end}");
    }
    inbox.wait("the good messages before the bad ones", |seen| seen.messages == count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_that_does_not_begin_with_a_hello_is_closed() {
    let ca = Authority::new("ours");
    let (two, inbox) = start(TWO, ca.node(TWO));
    configure(&two, ONE);
    for first_bytes in [
        vec![1],
        vec![9],
        vec![0, 0, 0, 0, 1, 1],
        hello_of(2, 1),
        [&[0], frame(&vote(ONE, TWO)).as_slice()].concat(),
    ] {
        let issued = ca.issue_to(&PeerIdentity::Node { cluster: CLUSTER, node: ONE });
        let connection =
            raw_dial(Some(&issued), &ca, Protocol::Peer, two.local_addr()).await.unwrap();
        send_raw(&connection, &first_bytes).await.unwrap();
        let end = close_reason(Ok(connection)).await;
        assert!(end.contains("did not begin the connection with a hello"), "{end}");
    }
    assert_eq!(inbox.messages(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_reports_a_taken_port_a_wrong_certificate_and_an_invalid_setting() {
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

    let mut invalid = config(TWO, ca.node(TWO));
    invalid.idle_timeout = invalid.keep_alive;
    let error = start(invalid).unwrap_err();
    assert!(error.to_string().contains("idle_timeout"), "{error}");
}

#[test]
fn load_errors_name_the_file() {
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

    let directory = tempfile::tempdir().unwrap();
    let [ca, certificate, key] =
        ["ca.pem", "node.pem", "node.key"].map(|f| directory.path().join(f));
    let files = raft_transport_quic::tls::TlsFiles { ca, certificate, key };
    let error = TlsIdentity::load(&files).unwrap_err().to_string();
    assert!(error.contains("ca.pem") && error.contains("os error 2"), "{error}");
}
