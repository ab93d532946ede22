//! The pauses between dials.

use std::time::{Duration, Instant};

use quinn::Endpoint;
use raft_core::ports::{PeerAddress, Transport};
use raft_transport_quic::tls::{Protocol, server_config};
use raft_transport_quic::{CloseCode, QuicTransport};

use crate::authority::Authority;
use crate::raw::{ONE, TWO, WAIT_MAX, config, hello, send_raw};

/// The pauses grow although each connection comes into use. The bound is the least possible sum of
/// the pauses; a slow machine only adds to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pauses_between_dials_grow_while_the_peer_closes_every_connection() {
    const FIRST_PAUSE: Duration = Duration::from_millis(100);
    let ca = Authority::new("ours");
    let tls = server_config(&ca.node(TWO), Protocol::Peer).unwrap();
    let two = Endpoint::server(tls, (std::net::Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let mut config = config(ONE, ca.node(ONE));
    (config.redial_min, config.redial_max) = (FIRST_PAUSE, 100 * FIRST_PAUSE);
    let inbox = std::sync::Arc::new(crate::raw::Counting::default());
    let one = QuicTransport::start(config, inbox).unwrap();
    let address = two.local_addr().unwrap().to_string();
    one.set_peers(&[PeerAddress::new(TWO, address)]);
    let mut first = None;
    for count in 1..=6 {
        let connection = two.accept().await.unwrap().await.unwrap();
        first.get_or_insert_with(Instant::now);
        let mut stream = connection.accept_uni().await.unwrap();
        stream.read_exact(&mut [0; 5]).await.unwrap();
        send_raw(&connection, &hello()).await.unwrap();
        let in_use = async {
            while one.status()[0].counts.connections < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(WAIT_MAX, in_use).await.unwrap();
        connection.close(CloseCode::Shutdown.into(), b"closed at once");
    }
    let full_pauses = (1 + 2 + 4 + 8 + 16) * FIRST_PAUSE;
    let elapsed = first.unwrap().elapsed();
    assert!(elapsed >= full_pauses / 2, "five more dials took {elapsed:?}");
}
