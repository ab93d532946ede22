//! Streams of snapshots whose other side writes the bytes itself.

use std::sync::{Arc, Mutex};

use quinn::{Connection, ConnectionError, RecvStream, SendStream};
use raft_core::ports::{
    Inbox, IncomingSnapshot, OutgoingSnapshot, SnapshotOffer, SnapshotOutcome, SnapshotRefusal,
    SnapshotResponse, SnapshotTransfer, StorageFailure, Transport,
};
use raft_core::{LogId, LogIndex, Message, NodeId, Term, wire};
use raft_transport_quic::tls::{PeerIdentity, Protocol};
use raft_transport_quic::{CloseCode, QuicTransport};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::authority::{Authority, CLUSTER};
use crate::raw::{
    ONE, TWO, WAIT_MAX, config, configure, frame, framed, hello, hello_of, raw_dial, send_raw,
    start, vote,
};

const SIZE: u64 = 1000;

/// Takes every snapshot and counts its bytes.
#[derive(Default)]
struct Taking {
    bytes: Arc<Mutex<Vec<u8>>>,
}

struct Sink(Arc<Mutex<Vec<u8>>>);

impl IncomingSnapshot for Sink {
    fn write_at(&mut self, _offset: u64, chunk: &[u8]) -> Result<(), SnapshotRefusal> {
        self.0.lock().unwrap().extend(chunk);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), SnapshotRefusal> {
        Ok(())
    }
}

impl Inbox for Taking {
    fn deliver(&self, _message: Message) {}

    fn peer_unreachable(&self, _peer: NodeId) {}

    fn snapshot_offered(&self, _from: NodeId, _offer: &SnapshotOffer) -> SnapshotResponse {
        SnapshotResponse::Receive { offset: 0, into: Box::new(Sink(self.bytes.clone())) }
    }
}

fn offer(from: NodeId, to: NodeId) -> SnapshotOffer {
    let last = LogId::new(Term(1), LogIndex(5));
    SnapshotOffer { message: vote(from, to), last, size_bytes: SIZE, checksum: 1 }
}

/// The bytes of an offer (docs/peer-protocol.md), with its tag.
fn offer_bytes(offer: &SnapshotOffer) -> Vec<u8> {
    let mut content = Vec::new();
    for number in [offer.last.term.get(), offer.last.index.get(), offer.size_bytes] {
        content.extend(number.to_be_bytes());
    }
    content.extend(offer.checksum.to_be_bytes());
    wire::encode(&offer.message, &mut content);
    [&[2], framed(&content).as_slice()].concat()
}

/// The bytes of a chunk with a right checksum.
fn chunk_bytes(offset: u64, data: &[u8]) -> Vec<u8> {
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&offset.to_be_bytes()), data);
    framed(&[&offset.to_be_bytes()[..], &checksum.to_be_bytes(), data].concat())
}

async fn dial(ca: &Authority, to: &QuicTransport, hello: &[u8]) -> Connection {
    let issued = ca.issue_to(&PeerIdentity::Node { cluster: CLUSTER, node: ONE });
    let connection = raw_dial(Some(&issued), ca, Protocol::Peer, to.local_addr()).await.unwrap();
    send_raw(&connection, hello).await.unwrap();
    connection
}

async fn open(connection: &Connection, bytes: &[u8]) -> (SendStream, RecvStream) {
    let (mut outgoing, incoming) = timeout(WAIT_MAX, connection.open_bi()).await.unwrap().unwrap();
    outgoing.write_all(bytes).await.unwrap();
    (outgoing, incoming)
}

async fn response(incoming: &mut RecvStream) -> Vec<u8> {
    let mut length = [0; 4];
    timeout(WAIT_MAX, incoming.read_exact(&mut length)).await.unwrap().unwrap();
    let mut content = vec![0; u32::from_be_bytes(length) as usize];
    timeout(WAIT_MAX, incoming.read_exact(&mut content)).await.unwrap().unwrap();
    content
}

fn taking(ca: &Authority) -> (Arc<QuicTransport>, Arc<Taking>) {
    let inbox = Arc::new(Taking::default());
    let transport = QuicTransport::start(config(TWO, ca.node(TWO)), inbox.clone()).unwrap();
    configure(&transport, ONE);
    (transport, inbox)
}

/// Later releases must accept these bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshot_of_documented_bytes_is_received() {
    let ca = Authority::new("ours");
    let (two, inbox) = taking(&ca);
    let connection = dial(&ca, &two, &hello_of(1, 2)).await;
    let (mut outgoing, mut incoming) = open(&connection, &offer_bytes(&offer(ONE, TWO))).await;
    assert_eq!(response(&mut incoming).await, [0; 9], "the data is requested from its start");
    outgoing.write_all(&chunk_bytes(0, &[7; 400])).await.unwrap();
    outgoing.write_all(&chunk_bytes(400, &[7; 600])).await.unwrap();
    outgoing.finish().unwrap();
    assert_eq!(response(&mut incoming).await, [1], "complete");
    assert_eq!(*inbox.bytes.lock().unwrap(), [7; 1000]);
    assert_eq!(two.status()[0].counts.snapshot_bytes_received, SIZE);
}

/// The connection stays: messages are not affected by data that was altered on a disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn altered_chunk_is_refused_before_the_host_receives_it() {
    let ca = Authority::new("ours");
    let (two, inbox) = taking(&ca);
    let connection = dial(&ca, &two, &hello_of(1, 2)).await;
    let (mut outgoing, mut incoming) = open(&connection, &offer_bytes(&offer(ONE, TWO))).await;
    response(&mut incoming).await;
    let mut altered = chunk_bytes(0, &[7; 400]);
    altered[100] ^= 1;
    outgoing.write_all(&altered).await.unwrap();
    let refused = response(&mut incoming).await;
    assert_eq!(refused[..2], [2, 2], "{}", String::from_utf8_lossy(&refused));
    assert!(inbox.bytes.lock().unwrap().is_empty());
    assert_eq!(connection.close_reason(), None);
}

/// No input of a peer causes a panic, and each violation names its cause.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn violation_on_the_stream_of_a_snapshot_closes_the_connection() {
    let ca = Authority::new("ours");
    let (two, _inbox) = taking(&ca);
    let good = offer_bytes(&offer(ONE, TWO));
    let with = |bytes: Vec<u8>| [good.clone(), bytes].concat();
    let three = NodeId(3);
    let cases = [
        (vec![9], CloseCode::Protocol, "unknown kind 9"),
        ([&[2][..], &framed(&[1, 2])].concat(), CloseCode::Malformed, "malformed offer"),
        (vec![2, 0xff, 0, 0, 0], CloseCode::FrameTooLarge, "exceeds the limit"),
        (offer_bytes(&offer(three, TWO)), CloseCode::WrongSender, "in the name of node 3"),
        (offer_bytes(&offer(ONE, three)), CloseCode::WrongSender, "for node 3"),
        (with(chunk_bytes(1, &[7])), CloseCode::Protocol, "at 1 follows 0"),
        (with(chunk_bytes(0, &[7; 1001])), CloseCode::Protocol, "1001 bytes at 0"),
        (with(framed(&[0; 12])), CloseCode::Protocol, "without data"),
        (with(vec![0x10, 0, 0, 0]), CloseCode::FrameTooLarge, "exceeds the limit"),
    ];
    for (number, (bytes, code, expected)) in (1..).zip(cases) {
        let connection = dial(&ca, &two, &crate::raw::hello_of_process(100 + number)).await;
        let _streams = open(&connection, &bytes).await;
        let end = timeout(WAIT_MAX, connection.closed()).await.unwrap();
        let ConnectionError::ApplicationClosed(close) = &end else { panic!("{end}") };
        assert_eq!(close.error_code, code.into(), "{end}");
        assert!(end.to_string().contains(expected), "{expected:?} is not in {end}");
    }
    assert_eq!(two.status()[0].counts.violations, 9);
}

struct Outcome(Option<oneshot::Sender<SnapshotOutcome>>);

impl OutgoingSnapshot for Outcome {
    fn read_at(&mut self, _offset: u64, _buffer: &mut [u8]) -> Result<(), StorageFailure> {
        Err(StorageFailure { reason: "a defective sector".to_owned() })
    }

    fn ended(mut self: Box<Self>, outcome: SnapshotOutcome) {
        // Fails only after the test has ended.
        let _ = self.0.take().expect("one report").send(outcome);
    }
}

async fn outcome_of_transfer(from: &QuicTransport) -> SnapshotOutcome {
    let (sender, outcome) = oneshot::channel();
    from.send_snapshot(SnapshotTransfer {
        offer: offer(TWO, ONE),
        data: Box::new(Outcome(Some(sender))),
        bytes_per_second_max: None,
    });
    timeout(WAIT_MAX, outcome).await.unwrap().unwrap()
}

/// Without the check of the version the transfer would wait for a stream that the peer never
/// permits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_of_an_older_version_is_reported_as_unsupported() {
    let ca = Authority::new("ours");
    let (two, inbox) = start(TWO, ca.node(TWO));
    configure(&two, ONE);
    let bytes = [hello(), frame(&vote(ONE, TWO))].concat();
    let _connection = dial(&ca, &two, &bytes).await;
    inbox.wait("the connection", |seen| seen.messages == 1);
    assert_eq!(outcome_of_transfer(&two).await, SnapshotOutcome::Unsupported);
}

/// The peer learns that the data ends, and must not take it for complete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_read_breaks_the_transfer_and_resets_the_stream() {
    let ca = Authority::new("ours");
    let (two, inbox) = start(TWO, ca.node(TWO));
    configure(&two, ONE);
    let bytes = [hello_of(1, 2), frame(&vote(ONE, TWO))].concat();
    let connection = dial(&ca, &two, &bytes).await;
    inbox.wait("the connection", |seen| seen.messages == 1);
    let peer = async {
        let (mut outgoing, mut incoming) =
            timeout(WAIT_MAX, connection.accept_bi()).await.unwrap().unwrap();
        let expected = offer_bytes(&offer(TWO, ONE));
        let mut bytes = vec![0; expected.len()];
        incoming.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, expected);
        // Send the data from its start on.
        outgoing.write_all(&framed(&[0; 9])).await.unwrap();
        let end = timeout(WAIT_MAX, incoming.read_to_end(1 << 20)).await.unwrap();
        assert!(matches!(end, Err(quinn::ReadToEndError::Read(quinn::ReadError::Reset(_)))));
    };
    let (outcome, ()) = tokio::join!(outcome_of_transfer(&two), peer);
    let SnapshotOutcome::Broken { offset: 0, reason } = &outcome else { panic!("{outcome}") };
    assert!(reason.contains("a defective sector"), "{reason}");
}
