//! The conformance suite of transports.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use raft_core::ports::{Inbox, PeerAddress};
use raft_core::{ClusterId, NodeId};
use raft_testkit::suite::transport::{TestNode, TransportFactory, WAIT_MAX};
use raft_transport_quic::{QuicConfig, QuicTransport};
use tokio::runtime::Runtime;

use crate::authority::{Authority, CLUSTER};

/// Starts nodes on the loopback interface, on ports that the system chooses.
struct Loopback {
    authority: Authority,
    runtime: Runtime,
    addresses: BTreeMap<NodeId, SocketAddr>,
    /// Sockets of nodes that are not started. They receive packets and send none.
    silent: Vec<UdpSocket>,
    made: Instant,
}

impl Loopback {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
        let authority = Authority::new("test authority");
        let made = Instant::now();
        Self { authority, runtime, addresses: BTreeMap::new(), silent: Vec::new(), made }
    }
}

impl TransportFactory for Loopback {
    type Transport = QuicTransport;

    const CLUSTER: ClusterId = CLUSTER;
    /// The default of [`QuicConfig`].
    const SNAPSHOTS_INCOMING_MAX: usize = 2;

    fn start(&mut self, test_node: TestNode, inbox: Arc<dyn Inbox>) -> Arc<QuicTransport> {
        let node = test_node.node;
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listen = self.addresses.get(&node).copied().unwrap_or(any_port);
        let mut config = QuicConfig::new(CLUSTER, node, listen, self.authority.node(node));
        config.incarnation = test_node.incarnation;
        config.bootstrap_fingerprint = test_node.bootstrap_fingerprint;
        let _inside = self.runtime.enter();
        let started = Instant::now();
        let transport = loop {
            match QuicTransport::start(config.clone(), inbox.clone()) {
                Ok(transport) => break transport,
                // quinn closes the socket of an earlier transport shortly after its last
                // connection.
                Err(error) => assert!(started.elapsed() < WAIT_MAX, "{error}"),
            }
            std::thread::yield_now();
        };
        self.addresses.insert(node, transport.local_addr());
        transport
    }

    fn now(&mut self) -> Duration {
        self.made.elapsed()
    }

    fn address(&mut self, node: NodeId) -> PeerAddress {
        let silent = &mut self.silent;
        let address = self.addresses.entry(node).or_insert_with(|| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = socket.local_addr().unwrap();
            silent.push(socket);
            address
        });
        PeerAddress::new(node, address.to_string())
    }

    fn move_to_new_address(&mut self, node: NodeId) {
        self.addresses.remove(&node);
    }

    fn stop(&mut self, transport: Arc<QuicTransport>) {
        self.runtime.block_on(transport.shutdown());
    }
}

raft_testkit::transport_suite!(Loopback::new());
