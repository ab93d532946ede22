//! Which connections may start a handshake, and how many at a time.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::{Connection, ConnectionError, Endpoint};
use raft_core::NodeId;
use raft_core::ports::{PeerAddress, Transport};
use raft_transport_quic::tls::{PeerIdentity, Protocol, SERVER_NAME, TlsIdentity, client_config};
use raft_transport_quic::{CloseCode, QuicTransport};

use crate::authority::{Authority, CLUSTER};
use crate::raw::{Counting, ONE, TWO, WAIT_MAX, config, configure, raw_dial, start};

const THREE: NodeId = NodeId(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_that_is_not_a_configured_peer_is_refused_with_a_reason() {
    let ca = Authority::new("ours");
    let (two, inbox) = start(TWO, ca.node(TWO));
    configure(&two, ONE);
    let issued = ca.issue_to(&PeerIdentity::Node { cluster: CLUSTER, node: THREE });
    let connection = raw_dial(Some(&issued), &ca, Protocol::Peer, two.local_addr()).await;
    let end = connection.unwrap().closed().await;
    let ConnectionError::ApplicationClosed(close) = &end else { panic!("{end}") };
    assert_eq!(close.error_code, CloseCode::NotAPeer.into(), "{end}");
    let reason = "node/3 is not among the configured peers of node 2";
    assert!(end.to_string().contains(reason), "{end}");
    assert_eq!(two.accept_counts().refused_not_a_peer, 1);
    assert_eq!((inbox.messages(), two.status().len()), (0, 1));
}

/// Dials whose handshakes are never completed.
struct StalledDials {
    endpoint: Endpoint,
    /// Forwards packets to the node, and only Retry packets to the endpoint.
    relay: Arc<UdpSocket>,
    connections: Vec<quinn::Connecting>,
    tls: TlsIdentity,
}

impl StalledDials {
    fn from(source: [u8; 4], node: SocketAddr, tls: TlsIdentity) -> Self {
        let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let client = endpoint.local_addr().unwrap();
        let relay = Arc::new(UdpSocket::bind((IpAddr::from(source), 0)).unwrap());
        let inner = Arc::clone(&relay);
        std::thread::spawn(move || {
            let mut packet = [0; 65_536];
            while let Ok((bytes, from)) = inner.recv_from(&mut packet) {
                match bytes {
                    // Sent by `drop`.
                    0 => return,
                    _ if from != node => drop(inner.send_to(&packet[..bytes], node)),
                    _ if is_retry(packet[0]) => drop(inner.send_to(&packet[..bytes], client)),
                    _ => {}
                }
            }
        });
        Self { endpoint, relay, connections: Vec::new(), tls }
    }

    fn connect(&mut self, count: usize) {
        for _ in 0..count {
            let config = client_config(&self.tls, Protocol::Peer).unwrap();
            let relay = self.relay.local_addr().unwrap();
            let connecting = self.endpoint.connect_with(config, relay, SERVER_NAME).unwrap();
            self.connections.push(connecting);
        }
    }
}

/// Whether a packet with this first byte is a Retry packet (RFC 9000 §17.2.5).
const fn is_retry(first_byte: u8) -> bool {
    first_byte & 0xf0 == 0xf0
}

impl Drop for StalledDials {
    fn drop(&mut self) {
        let _ = self.relay.send_to(&[], self.relay.local_addr().unwrap());
    }
}

/// Dials from an address of the loopback network.
async fn dial_from(
    source: [u8; 4],
    tls: &TlsIdentity,
    node: SocketAddr,
) -> Result<Connection, ConnectionError> {
    let endpoint = Endpoint::client((IpAddr::from(source), 0).into()).unwrap();
    let config = client_config(tls, Protocol::Peer).unwrap();
    endpoint.connect_with(config, node, SERVER_NAME).unwrap().await
}

fn node_with_limits(total: usize, per_source: usize, tls: TlsIdentity) -> Arc<QuicTransport> {
    let mut config = config(TWO, tls);
    config.handshake_timeout = WAIT_MAX;
    config.handshakes_max = total;
    config.handshakes_per_source_max = per_source;
    QuicTransport::start(config, Arc::new(Counting::default())).unwrap()
}

/// Waits until this many handshakes were started.
async fn until_in_progress(node: &QuicTransport, handshakes: u64) {
    let reached = async {
        while node.accept_counts().handshakes < handshakes {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WAIT_MAX, reached).await.unwrap();
}

/// A handshake can be started without a certificate, from many validated addresses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_from_other_addresses_do_not_use_up_the_reserve_of_a_peer() {
    const PEER: [u8; 4] = [127, 0, 0, 1];
    let ca = Authority::new("ours");
    let two = node_with_limits(4, 4, ca.node(TWO));
    two.set_peers(&[PeerAddress::new(ONE, "127.0.0.1:1")]);
    let mut stalled = StalledDials::from([127, 0, 0, 3], two.local_addr(), ca.node(THREE));
    stalled.connect(4);
    until_in_progress(&two, 4).await;
    assert!(two.accept_counts().address_checks >= 2, "{:?}", two.accept_counts());
    let refused = dial_from([127, 0, 0, 4], &ca.node(THREE), two.local_addr()).await;
    assert!(matches!(refused, Err(ConnectionError::ConnectionClosed(_))), "{refused:?}");
    assert!(two.accept_counts().refused_limit >= 1, "{:?}", two.accept_counts());
    dial_from(PEER, &ca.node(ONE), two.local_addr()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_source_address_does_not_use_up_all_handshakes() {
    let ca = Authority::new("ours");
    let two = node_with_limits(16, 4, ca.node(TWO));
    two.set_peers(&[PeerAddress::new(ONE, "127.0.0.1:1")]);
    let mut stalled = StalledDials::from([127, 0, 0, 3], two.local_addr(), ca.node(THREE));
    stalled.connect(20);
    until_in_progress(&two, 4).await;
    // The peer dials from another address than the configured one.
    dial_from([127, 0, 0, 4], &ca.node(ONE), two.local_addr()).await.unwrap();
    let refused = dial_from([127, 0, 0, 3], &ca.node(ONE), two.local_addr()).await;
    assert!(matches!(refused, Err(ConnectionError::ConnectionClosed(_))), "{refused:?}");
    assert_eq!(two.accept_counts().handshakes, 5);
}
