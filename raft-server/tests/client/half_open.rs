//! Handshakes that never complete.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use quinn::Endpoint;
use raft_server::kv::client::{Client, ClientConfig};
use raft_transport_quic::tls::{Protocol, SERVER_NAME, client_config};

use super::cluster::{CONNECTIONS_MAX, Cluster};
use super::setup::within;
use super::tls::Issuer;

const WAIT_MAX: Duration = Duration::from_secs(60);

/// Forwards the packets of an unauthenticated endpoint to the node, and in the other direction only
/// Retry packets: the handshake begins and never completes.
struct Relay(Arc<UdpSocket>);

impl Relay {
    fn new(node: SocketAddr, endpoint: SocketAddr, begun: Sender<()>) -> Self {
        let relay = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let socket = Arc::clone(&relay);
        std::thread::spawn(move || {
            let mut packet = [0; 65_536];
            while let Ok((bytes, from)) = socket.recv_from(&mut packet) {
                match bytes {
                    // Sent at the end of the test.
                    0 => return,
                    _ if from != node => drop(socket.send_to(&packet[..bytes], node)),
                    _ if is_retry(packet[0]) => drop(socket.send_to(&packet[..bytes], endpoint)),
                    _ => drop(begun.send(())),
                }
            }
        });
        Self(relay)
    }
}

/// Whether this is the first byte of a Retry packet (RFC 9000 §17.2.5).
const fn is_retry(first_byte: u8) -> bool {
    first_byte & 0xf0 == 0xf0
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.0.send_to(&[], self.0.local_addr().unwrap());
    }
}

/// A handshake can begin without a certificate. Handshakes that do not complete must not exhaust
/// the limit on connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_handshakes_do_not_count_as_connections() {
    let cluster = Cluster::led().await;
    let node = cluster.members[0].api.address();
    let unauthenticated = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let config = client_config(&Issuer::new().client(), Protocol::Client).unwrap();
    let mut stalled = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let (begun, begins): (_, Receiver<()>) = channel();
        let relay = Relay::new(node, unauthenticated.local_addr().unwrap(), begun);
        let at = relay.0.local_addr().unwrap();
        let connecting = unauthenticated.connect_with(config.clone(), at, SERVER_NAME).unwrap();
        stalled.push((relay, connecting, begins));
    }
    let stalled = tokio::task::spawn_blocking(move || {
        for (_, _, begins) in &stalled {
            begins.recv_timeout(WAIT_MAX).unwrap();
        }
        stalled
    });
    let stalled = within(stalled).await.unwrap();
    let mut config = ClientConfig::new(vec![node.to_string()], cluster.issuer.client());
    // Shorter than the handshake timeout of the node.
    config.timeout = Duration::from_secs(3);
    let client = Client::new(config).unwrap();
    within(client.status_of(&node.to_string())).await.unwrap();
    drop(stalled);
}
