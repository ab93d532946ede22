//! Which connection a pair of nodes uses when both have dialled.

use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, ConnectionError, Endpoint};
use raft_core::ports::{PeerAddress, Transport};
use raft_core::{Message, NodeId};
use raft_transport_quic::tls::{PeerIdentity, Protocol, server_config};
use raft_transport_quic::{CloseCode, PeerCounts, QuicTransport};
use tokio::time::timeout;

use crate::authority::{Authority, CLUSTER};
use crate::raw::{
    Counting, ONE, TWO, WAIT_MAX, config, configure, frame, hello_after_restart, hello_numbered,
    raw_dial, send_raw, start, vote,
};

/// An endpoint in the place of the peer, which accepts the dials of the node under test.
fn listen(ca: &Authority, node: NodeId) -> Endpoint {
    let tls = server_config(&ca.node(node), Protocol::Peer).unwrap();
    Endpoint::server(tls, (std::net::Ipv4Addr::LOCALHOST, 0).into()).unwrap()
}

async fn accept(endpoint: &Endpoint) -> Connection {
    let incoming = timeout(WAIT_MAX, endpoint.accept()).await.unwrap().unwrap();
    timeout(WAIT_MAX, incoming).await.unwrap().unwrap()
}

async fn dial(ca: &Authority, node: NodeId, to: &QuicTransport) -> Connection {
    let issued = ca.issue_to(&PeerIdentity::Node { cluster: CLUSTER, node });
    raw_dial(Some(&issued), ca, Protocol::Peer, to.local_addr()).await.unwrap()
}

/// The sequence number in the hello of the node under test; an error if it closes the connection.
async fn receive_sequence(connection: &Connection) -> Result<u64, ConnectionError> {
    const HELLO_BYTES: usize = 2 + 2 + 8 + 8 + 4;
    let mut stream = timeout(WAIT_MAX, connection.accept_uni()).await.unwrap()?;
    // The tag of the control stream and the length come first.
    let mut hello = [0; 1 + 4 + HELLO_BYTES];
    stream.read_exact(&mut hello).await.unwrap();
    // Dropping the stream would stop it.
    std::mem::forget(stream);
    Ok(u64::from_be_bytes(hello[17..25].try_into().unwrap()))
}

fn is_replaced(end: &ConnectionError) -> bool {
    matches!(end, ConnectionError::ApplicationClosed(close)
        if close.error_code == CloseCode::Replaced.into())
}

async fn assert_replaced(connection: &Connection) {
    let end = timeout(WAIT_MAX, connection.closed()).await.unwrap();
    assert!(is_replaced(&end), "{end}");
}

fn only_counts(transport: &QuicTransport) -> PeerCounts {
    transport.status()[0].counts
}

fn set_peer(transport: &QuicTransport, node: NodeId, address: std::net::SocketAddr) {
    transport.set_peers(&[PeerAddress::new(node, address.to_string())]);
}

/// Otherwise node 1 would use the connection that node 2 dialled, and replace it, together with the
/// messages on it, when the hello of node 2 arrives on the one that node 1 itself dialled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lower_node_uses_no_other_connection_while_it_offers_its_own() {
    let ca = Authority::new("ours");
    let two = listen(&ca, TWO);
    let mut patient = config(ONE, ca.node(ONE));
    patient.handshake_timeout = WAIT_MAX;
    let inbox = Arc::new(Counting::default());
    let one = QuicTransport::start(patient, inbox.clone()).unwrap();
    set_peer(&one, TWO, two.local_addr().unwrap());
    let offered = accept(&two).await;
    receive_sequence(&offered).await.unwrap();

    let dialled = dial(&ca, TWO, &one).await;
    send_raw(&dialled, &hello_numbered(1)).await.unwrap();
    let end = receive_sequence(&dialled).await.expect_err("a hello on a second connection");
    assert!(is_replaced(&end), "{end}");

    let bytes = [hello_numbered(2), frame(&vote(TWO, ONE))].concat();
    send_raw(&offered, &bytes).await.unwrap();
    inbox.wait("the message on the offered connection", |seen| seen.messages == 1);
    let PeerCounts { connections, losses, failed_dials, .. } = only_counts(&one);
    assert_eq!((connections, losses, failed_dials), (1, 0, 0));
}

/// Otherwise a higher node that restarts right after the handshake is refused until the handshake
/// timeout of the connection to its earlier process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lower_node_gives_up_its_offer_when_the_hello_of_the_peer_is_overdue() {
    let ca = Authority::new("ours");
    let two = listen(&ca, TWO);
    let mut patient = config(ONE, ca.node(ONE));
    patient.handshake_timeout = WAIT_MAX / 10;
    let inbox = Arc::new(Counting::default());
    let one = QuicTransport::start(patient, inbox.clone()).unwrap();
    set_peer(&one, TWO, two.local_addr().unwrap());
    let offered = accept(&two).await;
    receive_sequence(&offered).await.unwrap();
    // Node 2 sends no hello on it, and its next process dials until it is accepted.
    let began = std::time::Instant::now();
    let accepted = loop {
        let dialled = dial(&ca, TWO, &one).await;
        let bytes = [hello_after_restart(), frame(&vote(TWO, ONE))].concat();
        // Fails if the connection was refused already.
        let _ = send_raw(&dialled, &bytes).await;
        if receive_sequence(&dialled).await.is_ok() {
            break dialled;
        }
    };
    assert!(began.elapsed() < WAIT_MAX / 20, "accepted after {:?}", began.elapsed());
    inbox.wait("a message of the later process", |seen| seen.messages == 1);
    assert_replaced(&offered).await;
    assert_eq!(accepted.close_reason(), None);
}

/// Otherwise a peer that closes the offered connection, or never responds on it, could not connect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lower_node_accepts_connections_again_after_its_offer_has_failed() {
    let ca = Authority::new("ours");
    let two = listen(&ca, TWO);
    let (one, inbox) = start(ONE, ca.node(ONE));
    set_peer(&one, TWO, two.local_addr().unwrap());
    let offered = accept(&two).await;
    let first = receive_sequence(&offered).await.unwrap();
    // Further dials of node 1 get no response.
    configure(&one, TWO);
    offered.close(CloseCode::Shutdown.into(), b"closed before the hello");
    inbox.wait("the failure of the dial", |seen| seen.unreachable > 0);

    let dialled = dial(&ca, TWO, &one).await;
    send_raw(&dialled, &[hello_numbered(1), frame(&vote(TWO, ONE))].concat()).await.unwrap();
    assert!(receive_sequence(&dialled).await.unwrap() > first);
    inbox.wait("the message on the accepted connection", |seen| seen.messages == 1);
}

/// The hello of the lower node shows which of two connections it has chosen. The higher node drops
/// its own, which would come into use otherwise when the chosen one is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn higher_node_drops_its_dial_when_the_lower_node_offers_a_connection() {
    let ca = Authority::new("ours");
    let one = listen(&ca, ONE);
    let (two, inbox) = start(TWO, ca.node(TWO));
    set_peer(&two, ONE, one.local_addr().unwrap());
    let dialled_by_two = accept(&one).await;
    let offered = receive_sequence(&dialled_by_two).await.unwrap();

    let chosen = dial(&ca, ONE, &two).await;
    send_raw(&chosen, &[hello_numbered(1), frame(&vote(ONE, TWO))].concat()).await.unwrap();
    assert!(receive_sequence(&chosen).await.unwrap() > offered);
    assert_replaced(&dialled_by_two).await;
    inbox.wait("the message on the chosen connection", |seen| seen.messages == 1);
    let PeerCounts { connections, losses, failed_dials, .. } = only_counts(&two);
    assert_eq!((connections, losses, failed_dials), (1, 0, 0));
}

/// Otherwise a connection that was made at the same time would replace the one in use, on which
/// messages are in flight.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_later_hello_replaces_a_connection_in_use() {
    let ca = Authority::new("ours");
    let one = listen(&ca, ONE);
    let (two, inbox) = start(TWO, ca.node(TWO));
    set_peer(&two, ONE, one.local_addr().unwrap());
    let used = accept(&one).await;
    send_raw(&used, &[hello_numbered(2), frame(&vote(ONE, TWO))].concat()).await.unwrap();
    inbox.wait("a message on the connection in use", |seen| seen.messages == 1);
    for sequence in [1, 2] {
        let late = dial(&ca, ONE, &two).await;
        send_raw(&late, &hello_numbered(sequence)).await.unwrap();
        assert_replaced(&late).await;
        assert_eq!(used.close_reason(), None, "replaced by hello {sequence}");
    }
    // Node 1 has lost its side of the connection.
    let later = dial(&ca, ONE, &two).await;
    send_raw(&later, &[hello_numbered(3), frame(&vote(ONE, TWO))].concat()).await.unwrap();
    assert_replaced(&used).await;
    inbox.wait("a message on the later connection", |seen| seen.messages == 2);
}

/// A restarted process begins to number its hellos anew. It must not have to wait until the
/// connection to the earlier process times out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarted_peer_replaces_the_connection_of_its_earlier_process() {
    let ca = Authority::new("ours");
    for (node, peer) in [(ONE, TWO), (TWO, ONE)] {
        let (transport, inbox) = start(node, ca.node(node));
        configure(&transport, peer);
        let earlier = dial(&ca, peer, &transport).await;
        send_raw(&earlier, &[hello_numbered(9), frame(&vote(peer, node))].concat()).await.unwrap();
        inbox.wait("a message of the earlier process", |seen| seen.messages == 1);

        let later = dial(&ca, peer, &transport).await;
        let bytes = [hello_after_restart(), frame(&vote(peer, node))].concat();
        send_raw(&later, &bytes).await.unwrap();
        assert_replaced(&earlier).await;
        inbox.wait("a message of the later process", |seen| seen.messages == 2);
    }
}

/// Sends until one message has arrived, and then many, all of which must arrive.
fn send_burst(from: &QuicTransport, message: &Message, to: &Counting) {
    const BURST: usize = 200;
    const REPEAT_AFTER: Duration = Duration::from_millis(1);
    let before = to.messages();
    let mut sent = 0;
    while to.messages() == before {
        from.send(message.clone());
        sent += 1;
        assert!(sent < WAIT_MAX.as_millis(), "no message arrives");
        to.wait_at_most(REPEAT_AFTER, |seen| seen.messages > before);
    }
    let dropped = usize::try_from(only_counts(from).dropped_unconnected).unwrap();
    for _ in 0..BURST {
        from.send(message.clone());
    }
    let all = usize::try_from(sent).unwrap() - dropped + BURST;
    to.wait("every message that was accepted for sending", |seen| seen.messages == all);
}

/// Both nodes dial, and the handshakes end in any order: no message is lost, and neither node
/// counts a second connection or a loss.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_dial_each_other_at_once_use_one_connection() {
    const PAIRS: usize = 50;
    let ca = Authority::new("ours");
    for pair in 0..PAIRS {
        let ((one, inbox_one), (two, inbox_two)) =
            (start(ONE, ca.node(ONE)), start(TWO, ca.node(TWO)));
        set_peer(&two, ONE, one.local_addr());
        set_peer(&one, TWO, two.local_addr());
        let nodes = [Arc::clone(&one), Arc::clone(&two)];
        tokio::task::spawn_blocking(move || {
            send_burst(&one, &vote(ONE, TWO), &inbox_two);
            send_burst(&two, &vote(TWO, ONE), &inbox_one);
        })
        .await
        .unwrap();
        for node in &nodes {
            let counts = only_counts(node);
            assert_eq!((counts.connections, counts.losses), (1, 0), "{node:?} of pair {pair}");
        }
    }
}
