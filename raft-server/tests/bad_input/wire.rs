//! Strangers and nonsense at the two UDP ports.

use std::net::{SocketAddr, UdpSocket};

use bytes::Bytes;
use quinn::{Connection, ConnectionError, Endpoint};
use raft_server::kv::client::Client;
use raft_server::kv::state_machine::Put;
use raft_transport_quic::CloseCode;
use raft_transport_quic::tls::{Role, SERVER_NAME, TlsFiles, TlsIdentity, client_config};

use super::block_on;
use crate::process::cluster::{Cluster, PATIENCE};

/// Connects to a port with somebody's certificate, in one of the two protocols.
async fn dial(cluster: &Cluster, who: &str, role: Role, to: SocketAddr) -> Connection {
    let file = |kind: &str| cluster.path(&format!("{who}.{kind}"));
    let files = TlsFiles { ca: cluster.path("ca.pem"), certificate: file("pem"), key: file("key") };
    let identity = TlsIdentity::load(&files).unwrap();
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = client_config(&identity, role).unwrap();
    endpoint.connect_with(config, to, SERVER_NAME).unwrap().await.unwrap()
}

/// With what code and words the other side closes.
async fn refusal(connection: &Connection) -> (u64, String) {
    let end = connection.closed().await;
    let ConnectionError::ApplicationClosed(close) = end else {
        panic!("closed without a word: {end}")
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
fn a_client_at_the_peer_port_is_told_where_to_go() {
    block_on(async {
        let mut cluster = Cluster::started(1);
        put(&cluster.client()).await;
        let connection = dial(&cluster, "client", Role::Client, cluster.ports(1).peer).await;
        let (code, reason) = refusal(&connection).await;
        assert_eq!(code, CloseCode::WrongPort as u64);
        assert!(reason.contains("clients use the client address"), "{reason}");
        put(&cluster.client()).await;
        cluster.stop();
        assert!(cluster.log(1).contains("clients use the client address"), "{}", cluster.log(1));
    });
}

#[test]
fn a_node_at_the_client_port_is_told_where_to_go() {
    block_on(async {
        let mut cluster = Cluster::started(1);
        put(&cluster.client()).await;
        let connection = dial(&cluster, "node-1", Role::Peer, cluster.ports(1).client).await;
        let (code, reason) = refusal(&connection).await;
        assert_eq!(code, CloseCode::WrongPort as u64);
        assert!(reason.contains("nodes use the peer address"), "{reason}");
        put(&cluster.client()).await;
        cluster.stop();
    });
}

#[test]
fn nonsense_at_either_port_closes_the_connection_and_not_the_node() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::seed(seed);
    block_on(async {
        let mut cluster = Cluster::new(3);
        // Node 2 is played by the test.
        cluster.start(1);
        cluster.start(3);
        let client = cluster.client();
        put(&client).await;
        for nonsense in nonsense() {
            for (who, role, to) in [
                ("client", Role::Client, cluster.ports(1).client),
                ("node-2", Role::Peer, cluster.ports(1).peer),
            ] {
                let connection = dial(&cluster, who, role, to).await;
                send(&connection, role, &nonsense).await;
                put(&client).await;
            }
        }
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..200 {
            let datagram: Vec<u8> =
                (0..fastrand::usize(1..1400)).map(|_| fastrand::u8(..)).collect();
            stranger.send_to(&datagram, cluster.ports(1).client).unwrap();
            stranger.send_to(&datagram, cluster.ports(1).peer).unwrap();
        }
        put(&client).await;
        cluster.stop();
    });
}

/// Bytes that are no frames: lengths beyond every limit, empty frames, noise.
fn nonsense() -> Vec<Vec<u8>> {
    let mut all = vec![vec![0xff; 64], vec![0; 64], vec![0, 0, 0, 1, 0xff]];
    for _ in 0..10 {
        let bytes = fastrand::usize(1..2000);
        let mut frame = u32::try_from(bytes).unwrap().to_be_bytes().to_vec();
        frame.extend((0..bytes).map(|_| fastrand::u8(..)));
        // Noise may pass for a hello by chance; nothing passes for a frame of 4 GiB.
        frame.extend([0xff; 64]);
        all.push(frame);
    }
    all
}

/// Sends bytes as that protocol's first stream and waits until the other side has closed.
async fn send(connection: &Connection, role: Role, bytes: &[u8]) {
    let mut stream = match role {
        Role::Client => connection.open_bi().await.unwrap().0,
        Role::Peer => connection.open_uni().await.unwrap(),
    };
    if role == Role::Peer {
        // The number of a lane that exists.
        let _ = stream.write_all(&[0]).await;
    }
    // The other side may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.finish();
    let closed = tokio::time::timeout(PATIENCE, connection.closed()).await;
    assert!(closed.is_ok(), "nobody minds {role:?} {bytes:?}");
}
