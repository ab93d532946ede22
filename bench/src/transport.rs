//! Measures a pair of QUIC transports on the loopback interface: messages a second in one direction
//! with their CPU time, and the time of a round trip.
//!
//! `transport-bench [--workers N]`
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::process_cpu;
use bytes::Bytes;
use raft_core::ports::{Inbox, PeerAddress, Transport};
use raft_core::{
    AppendEntries, AppendEntriesResponse, AppendOutcome, Body, ClusterId, Entry, GroupId,
    Incarnation, LogId, LogIndex, LogSlice, Message, NodeId, Round, Rpc, Term,
};
use raft_transport_quic::tls::{PeerIdentity, TlsFiles, TlsIdentity};
use raft_transport_quic::{QuicConfig, QuicTransport};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};

const CLUSTER: ClusterId = ClusterId(1);
const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);
const COMMAND_BYTES: usize = 256;

/// Counts messages. Node 2 responds to each append, as a follower does.
#[derive(Default)]
struct End {
    count: Mutex<u64>,
    arrived: Condvar,
    responder: OnceLock<Weak<QuicTransport>>,
}

impl Inbox for End {
    fn deliver(&self, message: Message) {
        self.deliver_all(vec![message]);
    }

    fn deliver_all(&self, messages: Vec<Message>) {
        let count = messages.len() as u64;
        if let Some(transport) = self.responder.get().and_then(Weak::upgrade) {
            for message in messages {
                transport.send(response(&message));
            }
        }
        *self.count.lock().expect("never poisoned") += count;
        self.arrived.notify_all();
    }

    fn peer_unreachable(&self, _peer: NodeId) {}
}

impl End {
    fn wait_for(&self, count: u64) -> Result<()> {
        let guard = self.count.lock().expect("never poisoned");
        let wait = Duration::from_secs(60);
        let (guard, timeout) = (self.arrived)
            .wait_timeout_while(guard, wait, |arrived| *arrived < count)
            .expect("never poisoned");
        ensure!(!timeout.timed_out(), "{} of {count} messages arrived", *guard);
        Ok(())
    }

    fn count(&self) -> u64 {
        *self.count.lock().expect("never poisoned")
    }
}

fn main() -> Result<()> {
    let workers = match std::env::args().skip_while(|arg| arg != "--workers").nth(1) {
        Some(number) => number.parse().context("--workers takes a number")?,
        None => 1,
    };
    println!("{workers} runtime threads a node, {COMMAND_BYTES}-byte commands, loopback");
    let (one, two) = (Node::start(ONE, workers)?, Node::start(TWO, workers)?);
    // Node 2 accepts connections from node 1 and dials an unused port. With two connections at once,
    // one would be closed during the measurement.
    two.transport.set_peers(&[PeerAddress::new(ONE, "127.0.0.1:1")]);
    one.transport.set_peers(&[two.address()]);
    while !one.transport.status().iter().any(|peer| peer.connected) {
        std::thread::yield_now();
    }
    for batch in [1, 16, 64] {
        one_way(&one, &two, batch)?;
    }
    two.end.responder.get_or_init(|| Arc::downgrade(&two.transport));
    for window in [1, 8, 64] {
        echo(&one, window)?;
    }
    Ok(())
}

/// Sends appends of `batch` entries as fast as the transport accepts them.
fn one_way(one: &Node, two: &Node, batch: u64) -> Result<()> {
    const ENTRIES: u64 = 2_000_000;
    // Messages in flight must fit into the queue; the transport drops further ones.
    let ahead_max = 8192 / batch;
    let message = append(batch);
    let messages = ENTRIES / batch.max(4);
    let before = two.end.count();
    let (started, cpu) = (Instant::now(), process_cpu());
    for sent in 0..messages {
        if sent >= ahead_max && sent % (ahead_max / 2) == 0 {
            two.end.wait_for(before + sent - ahead_max / 2)?;
        }
        one.transport.send(message.clone());
    }
    two.end.wait_for(before + messages)?;
    let (took, cpu) = (started.elapsed().as_secs_f64(), (process_cpu() - cpu).as_secs_f64());
    #[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
    let count = messages as f64;
    println!(
        "one way, {batch:3} entries an append: {:9.0} appends/s, {:6.2} us CPU an append (both)",
        count / took,
        cpu * 1e6 / count
    );
    Ok(())
}

/// Sends appends and waits for their responses, `window` at a time.
fn echo(one: &Node, window: u64) -> Result<()> {
    let rounds = 20_000 * window.min(8);
    let message = append(1);
    let mut times = Vec::new();
    let before = one.end.count();
    let (started, cpu) = (Instant::now(), process_cpu());
    let mut done = 0;
    while done < rounds {
        let sent_at = Instant::now();
        for _ in 0..window {
            one.transport.send(message.clone());
        }
        done += window;
        one.end.wait_for(before + done)?;
        times.push(sent_at.elapsed());
    }
    let (took, cpu) = (started.elapsed().as_secs_f64(), (process_cpu() - cpu).as_secs_f64());
    times.sort_unstable();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)].as_micros();
    #[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
    let count = done as f64;
    println!(
        "echo, {window:2} at a time: {:8.0} round trips/s, p50 {} us, p99 {} us, {:.1} us CPU each",
        count / took,
        at(50),
        at(99),
        cpu * 1e6 / count
    );
    Ok(())
}

struct Node {
    node: NodeId,
    end: Arc<End>,
    transport: Arc<QuicTransport>,
    _runtime: tokio::runtime::Runtime,
}

impl Node {
    fn start(node: NodeId, workers: usize) -> Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(workers).enable_all().build()?;
        let end = Arc::new(End::default());
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = QuicConfig::new(CLUSTER, node, listen, certificate(node)?);
        let inside = runtime.enter();
        let transport = QuicTransport::start(config, end.clone())?;
        drop(inside);
        Ok(Self { node, end, transport, _runtime: runtime })
    }

    fn address(&self) -> PeerAddress {
        PeerAddress::new(self.node, self.transport.local_addr().to_string())
    }
}

fn certificate(node: NodeId) -> Result<TlsIdentity> {
    static AUTHORITY: OnceLock<CertifiedIssuer<'static, KeyPair>> = OnceLock::new();
    let mut params = CertificateParams::new([])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let authority = AUTHORITY.get_or_init(|| authority);
    let mut params = CertificateParams::new([])?;
    let name = PeerIdentity::Node { cluster: CLUSTER, node }.to_string();
    params.subject_alt_names.push(SanType::URI(name.try_into()?));
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    let [ca, file, key_file] = ["ca", "certificate", "key"].map(PathBuf::from);
    let files = TlsFiles { ca, certificate: file, key: key_file };
    let (ca, pem, key) = (authority.pem(), certificate.pem(), key.serialize_pem());
    Ok(TlsIdentity::from_pem(&files, ca.as_bytes(), pem.as_bytes(), key.as_bytes())?)
}

fn append(entries: u64) -> Message {
    static ROUND: AtomicU64 = AtomicU64::new(1);
    let command = Bytes::from(vec![7; COMMAND_BYTES]);
    let at = |index| LogId::new(Term(1), LogIndex(index));
    let entry = |index| Entry::command(at(index), command.clone());
    let body = Body::AppendEntries(AppendEntries {
        slice: LogSlice::new(at(0), (1..=entries).map(entry).collect())
            .expect("contiguous entries"),
        commit: LogIndex(0),
        round: Round(ROUND.fetch_add(1, Ordering::Relaxed)),
    });
    message(ONE, TWO, body)
}

fn response(append: &Message) -> Message {
    let outcome = AppendOutcome::Matched { match_index: LogIndex(1) };
    let body = Body::AppendEntriesResponse(AppendEntriesResponse { round: Round(1), outcome });
    message(append.to, append.from, body)
}

fn message(from: NodeId, to: NodeId, body: Body) -> Message {
    Message {
        cluster: CLUSTER,
        group: GroupId(0),
        from,
        from_incarnation: Incarnation(1),
        to,
        to_incarnation: None,
        rpc: Rpc::new(Term(1), body).expect("a consistent message"),
    }
}
