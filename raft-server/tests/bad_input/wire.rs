//! Connections of the wrong kind, and invalid bytes, at the two UDP ports.

use std::net::{SocketAddr, UdpSocket};

use bytes::Bytes;
use quinn::{Connection, ConnectionError, Endpoint};
use raft_server::kv::client::Client;
use raft_server::kv::state_machine::Put;
use raft_transport_quic::CloseCode;
use raft_transport_quic::tls::{Protocol, SERVER_NAME, TlsFiles, TlsIdentity, client_config};

use super::block_on;
use crate::process::cluster::Cluster;
use crate::process::poll::PATIENCE;

/// Connects to a port with the certificate of a holder, in one of the two protocols.
async fn dial(cluster: &Cluster, holder: &str, protocol: Protocol, to: SocketAddr) -> Connection {
    let file = |kind: &str| cluster.path(&format!("{holder}.{kind}"));
    let files = TlsFiles { ca: cluster.path("ca.pem"), certificate: file("pem"), key: file("key") };
    let identity = TlsIdentity::load(&files).unwrap();
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = client_config(&identity, protocol).unwrap();
    endpoint.connect_with(config, to, SERVER_NAME).unwrap().await.unwrap()
}

/// The code and the reason with which the peer closes a connection.
async fn refusal(connection: &Connection) -> (u64, String) {
    let end = connection.closed().await;
    let ConnectionError::ApplicationClosed(close) = end else {
        panic!("closed without a reason: {end}")
    };
    (close.error_code.into_inner(), String::from_utf8_lossy(&close.reason).into_owned())
}

async fn put(client: &Client) {
    let put = Put {
        key: Bytes::from_static(b"key"),
        value: Bytes::from_static(b"value"),
        prev_kv: false,
    };
    client.put(put).await.unwrap();
}

#[test]
fn client_at_the_peer_port_is_refused_with_the_right_port() {
    block_on(async {
        let mut cluster = Cluster::started(1);
        put(&cluster.client()).await;
        let connection = dial(&cluster, "client", Protocol::Client, cluster.ports(1).peer).await;
        let (code, reason) = refusal(&connection).await;
        assert_eq!(code, CloseCode::WrongPort as u64);
        assert!(reason.contains("clients use the client address"), "{reason}");
        put(&cluster.client()).await;
        cluster.stop();
        assert!(cluster.log(1).contains("clients use the client address"), "{}", cluster.log(1));
    });
}

#[test]
fn node_at_the_client_port_is_refused_with_the_right_port() {
    block_on(async {
        let mut cluster = Cluster::started(1);
        put(&cluster.client()).await;
        let connection = dial(&cluster, "node-1", Protocol::Peer, cluster.ports(1).client).await;
        let (code, reason) = refusal(&connection).await;
        assert_eq!(code, CloseCode::WrongPort as u64);
        assert!(reason.contains("nodes use the peer address"), "{reason}");
        put(&cluster.client()).await;
        cluster.stop();
    });
}

#[test]
fn invalid_bytes_at_either_port_close_the_connection_and_the_node_continues() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::seed(seed);
    block_on(async {
        let mut cluster = Cluster::new(3);
        // The test connects in place of node 2.
        cluster.start(1);
        cluster.start(3);
        let client = cluster.client();
        put(&client).await;
        for bytes in invalid_bytes() {
            for (holder, protocol, to) in [
                ("client", Protocol::Client, cluster.ports(1).client),
                ("node-2", Protocol::Peer, cluster.ports(1).peer),
            ] {
                let connection = dial(&cluster, holder, protocol, to).await;
                send(&connection, protocol, &bytes).await;
                put(&client).await;
            }
        }
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..200 {
            let datagram: Vec<u8> =
                (0..fastrand::usize(1..1400)).map(|_| fastrand::u8(..)).collect();
            socket.send_to(&datagram, cluster.ports(1).client).unwrap();
            socket.send_to(&datagram, cluster.ports(1).peer).unwrap();
        }
        put(&client).await;
        cluster.stop();
    });
}

/// Bytes that are not frames: lengths beyond every limit, empty frames, random bytes.
fn invalid_bytes() -> Vec<Vec<u8>> {
    let mut all = vec![vec![0xff; 64], vec![0; 64], vec![0, 0, 0, 1, 0xff]];
    for _ in 0..10 {
        let bytes = fastrand::usize(1..2000);
        let mut frame = u32::try_from(bytes).unwrap().to_be_bytes().to_vec();
        frame.extend((0..bytes).map(|_| fastrand::u8(..)));
        // Random bytes may be a valid hello by chance. No frame of 4 GiB is valid.
        frame.extend([0xff; 64]);
        all.push(frame);
    }
    all
}

/// Sends bytes on the first stream of a protocol and waits until the peer closes the connection.
async fn send(connection: &Connection, protocol: Protocol, bytes: &[u8]) {
    let mut stream = match protocol {
        Protocol::Client => connection.open_bi().await.unwrap().0,
        Protocol::Peer => connection.open_uni().await.unwrap(),
    };
    if protocol == Protocol::Peer {
        // The number of a stream that exists.
        let _ = stream.write_all(&[0]).await;
    }
    // The peer may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.finish();
    let closed = tokio::time::timeout(PATIENCE, connection.closed()).await;
    assert!(closed.is_ok(), "the connection stays open after {protocol:?} {bytes:?}");
}
