//! Measures how far many handshakes delay the runtime of a node. The runtime has one thread, on
//! which a task is due every millisecond, while a number of dialling endpoints connect and close in
//! a loop. Prints how late the task ran.
//!
//! `cargo run --release -p raft-transport-quic --example handshake_storm`

#![allow(clippy::print_stdout, reason = "a program that prints results")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use quinn::Endpoint;
use raft_core::ports::{Inbox, PeerAddress, Transport};
use raft_core::{ClusterId, Message, NodeId};
use raft_transport_quic::tls::{
    PeerIdentity, Protocol, SERVER_NAME, TlsFiles, TlsIdentity, client_config,
};
use raft_transport_quic::{QuicConfig, QuicTransport};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};

const CLUSTER: ClusterId = ClusterId(1);
const PERIOD: Duration = Duration::from_millis(1);
const PHASE: Duration = Duration::from_secs(5);
const DIALLERS: usize = 200;

struct Discard;

impl Inbox for Discard {
    fn deliver(&self, _message: Message) {}
    fn peer_unreachable(&self, _peer: NodeId) {}
}

fn main() -> anyhow::Result<()> {
    let issuer = issuer()?;
    let node =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let transport = {
        let _inside = node.enter();
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut config = QuicConfig::new(CLUSTER, NodeId(1), listen, tls(&issuer, 1)?);
        // All diallers have the same source address; none may be refused.
        config.handshakes_max = DIALLERS;
        config.handshakes_per_source_max = DIALLERS;
        QuicTransport::start(config, Arc::new(Discard))?
    };
    transport.set_peers(&[PeerAddress::new(NodeId(2), "192.0.2.1:1")]);
    report("quiet", &node, 0)?;
    let diallers = tokio::runtime::Builder::new_multi_thread();
    let diallers = { diallers }.worker_threads(1).enable_all().build()?;
    let (stop, handshakes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let address = transport.local_addr();
    for _ in 0..DIALLERS {
        let (stop, handshakes) = (stop.clone(), handshakes.clone());
        let config = client_config(&tls(&issuer, 3)?, Protocol::Peer)?;
        diallers.spawn(async move {
            let Ok(endpoint) = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()) else { return };
            while !stop.load(Ordering::Relaxed) {
                let dialled = endpoint.connect_with(config.clone(), address, SERVER_NAME);
                let Ok(connecting) = dialled else { return };
                if let Ok(connection) = connecting.await {
                    handshakes.fetch_add(1, Ordering::Relaxed);
                    connection.close(0_u32.into(), &[]);
                }
            }
        });
    }
    let before = handshakes.load(Ordering::Relaxed);
    let lateness = measure(&node)?;
    let count = handshakes.load(Ordering::Relaxed) - before;
    print("storm", lateness, count);
    stop.store(true, Ordering::Relaxed);
    diallers.shutdown_timeout(Duration::from_secs(1));
    node.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}

fn report(phase: &str, node: &tokio::runtime::Runtime, handshakes: u64) -> anyhow::Result<()> {
    print(phase, measure(node)?, handshakes);
    Ok(())
}

/// Runs the periodic task on the node's thread and returns its delays in ascending order.
fn measure(node: &tokio::runtime::Runtime) -> anyhow::Result<Vec<Duration>> {
    let ticks = async {
        let (started, mut lateness) = (Instant::now(), Vec::new());
        while started.elapsed() < PHASE {
            let due = tokio::time::Instant::now() + PERIOD;
            tokio::time::sleep_until(due).await;
            lateness.push(due.elapsed());
        }
        lateness.sort_unstable();
        lateness
    };
    node.block_on(async { tokio::spawn(ticks).await }).context("the measured task failed")
}

fn print(phase: &str, lateness: Vec<Duration>, handshakes: u64) {
    let at = |share: usize| lateness[(lateness.len() - 1) * share / 1000];
    println!(
        "{phase}: {} ticks, late by {:?} (p50), {:?} (p99), {:?} (p99.9), {:?} (max); \
         {handshakes} handshakes in {PHASE:?}",
        lateness.len(),
        at(500),
        at(990),
        at(999),
        at(1000)
    );
}

fn issuer() -> anyhow::Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::new([])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn tls(issuer: &CertifiedIssuer<'static, KeyPair>, node: u64) -> anyhow::Result<TlsIdentity> {
    let uri = PeerIdentity::Node { cluster: CLUSTER, node: NodeId(node) }.to_string();
    let mut params = CertificateParams::new([])?;
    params.subject_alt_names.push(SanType::URI(uri.try_into()?));
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    let [ca, cert, key_file] = ["ca.pem", "node.pem", "node.key"].map(Into::into);
    let files = TlsFiles { ca, certificate: cert, key: key_file };
    Ok(TlsIdentity::from_pem(
        &files,
        issuer.pem().as_bytes(),
        certificate.pem().as_bytes(),
        key.serialize_pem().as_bytes(),
    )?)
}
