//! A node's port against strangers and nonsense, spoken by hand.

use std::net::{Ipv4Addr, SocketAddr};

use quinn::{Connection, ConnectionError, Endpoint, RecvStream};
use raft_core::ClusterId;
use raft_server::kv::protocol::{
    ClientHello, FrameReader, REQUEST_BYTES_MAX, Request, RequestBody, Response, ResponseBody,
    SUPPORTED_VERSIONS, read_message, write_frame,
};
use raft_transport_quic::tls::{self, Role, SERVER_NAME, TlsIdentity};
use raft_transport_quic::{CloseCode, VersionRange};

use super::calls::within;
use super::cluster::Cluster;
use super::tls::{CLUSTER, Issuer};

const HELLO: ClientHello = ClientHello { versions: SUPPORTED_VERSIONS, cluster: Some(CLUSTER) };

/// Dials a node as somebody, in some role.
async fn dial(cluster: &Cluster, identity: &TlsIdentity, role: Role) -> Connection {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let endpoint = Endpoint::client(any).unwrap();
    let config = tls::client_config(identity, role).unwrap();
    let address = cluster.members[0].api.address();
    let connecting = endpoint.connect_with(config, address, SERVER_NAME).unwrap();
    within(connecting).await.unwrap()
}

fn frame<M: serde::Serialize>(message: &M) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_frame(&mut bytes, message).unwrap();
    bytes
}

/// Says something on a fresh stream and returns how the node closes the connection.
async fn refused(connection: Connection, bytes: &[u8]) -> (u64, String) {
    if let Ok((mut send, receive)) = connection.open_bi().await {
        // The node may have closed before everything is said.
        let _ = send.write_all(bytes).await;
        let closed = within(connection.closed()).await;
        drop((send, receive));
        return close_of(closed);
    }
    close_of(within(connection.closed()).await)
}

fn close_of(closed: ConnectionError) -> (u64, String) {
    match closed {
        ConnectionError::ApplicationClosed(close) => {
            (close.error_code.into_inner(), String::from_utf8_lossy(&close.reason).into_owned())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hellos_that_do_not_match_are_refused_with_both_values() {
    let cluster = Cluster::led().await;
    let identity = cluster.issuer.client();
    let other = ClusterId(0xbad);
    for (hello, code, parts) in [
        (
            ClientHello { versions: VersionRange::new(8, 9).unwrap(), ..HELLO },
            CloseCode::Version,
            ["supports 8 to 9".to_owned(), format!("the node {SUPPORTED_VERSIONS}")],
        ),
        (
            ClientHello { cluster: Some(other), ..HELLO },
            CloseCode::WrongCluster,
            [other.to_string(), CLUSTER.to_string()],
        ),
    ] {
        let connection = dial(&cluster, &identity, Role::Client).await;
        let (closed, reason) = refused(connection, &frame(&hello)).await;
        assert_eq!(closed, code as u64, "{reason}");
        assert!(parts.iter().all(|part| reason.contains(part)), "{reason}");
    }
}

/// A client of a later release supports more versions and sends more fields; one version is common.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_client_with_a_common_version_is_served() {
    let cluster = Cluster::led().await;
    let identity = cluster.issuer.client();
    let newest = SUPPORTED_VERSIONS.highest() + 7;
    let versions = VersionRange::new(SUPPORTED_VERSIONS.highest(), newest).unwrap();
    let mut hello = frame(&ClientHello { versions, ..HELLO });
    hello.extend([1, 2, 3]);
    hello[3] += 3;
    let connection = dial(&cluster, &identity, Role::Client).await;
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    let ping = frame(&Request { id: 3, body: RequestBody::Ping });
    send.write_all(&[hello, ping].concat()).await.unwrap();
    let replies = frames(&mut receive, 2).await;
    let reply: Response = read_message(&replies[1]).unwrap();
    assert_eq!(reply, Response { id: 3, body: ResponseBody::Pong });
}

/// The first frames of a stream.
async fn frames(receive: &mut RecvStream, count: usize) -> Vec<Vec<u8>> {
    let mut reader = FrameReader::default();
    let mut frames = Vec::new();
    let mut chunk = [0; 256];
    while frames.len() < count {
        let bytes = within(receive.read(&mut chunk)).await.unwrap().unwrap();
        reader.extend(&chunk[..bytes]);
        while let Some(frame) = reader.next_frame().unwrap() {
            frames.push(frame.to_vec());
        }
    }
    frames
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_closes_the_connection_and_no_other() {
    let cluster = Cluster::led().await;
    let identity = cluster.issuer.client();
    let hello = frame(&HELLO);
    let after_hello = |bytes: &[u8]| [&hello[..], bytes].concat();
    let mut trailing = frame(&Request { id: 1, body: RequestBody::Status });
    trailing[3] += 1;
    trailing.push(0);
    let too_large = u32::try_from(REQUEST_BYTES_MAX + 1).unwrap().to_be_bytes();
    // Before the hello a node keeps hardly anything.
    let long_hello = 1025_u32.to_be_bytes();
    let witness = dial(&cluster, &identity, Role::Client).await;
    for (bytes, code) in [
        (long_hello.to_vec(), CloseCode::FrameTooLarge),
        (after_hello(&too_large), CloseCode::FrameTooLarge),
        (after_hello(&u32::MAX.to_be_bytes()), CloseCode::FrameTooLarge),
        (vec![0, 0, 0, 1, 0xff], CloseCode::Malformed),
        (after_hello(&[0, 0, 0, 0]), CloseCode::Malformed),
        (after_hello(&[0, 0, 0, 2, 1, 99]), CloseCode::Malformed),
        (after_hello(&trailing), CloseCode::Malformed),
    ] {
        let connection = dial(&cluster, &identity, Role::Client).await;
        let (closed, reason) = refused(connection, &bytes).await;
        assert_eq!(closed, code as u64, "{bytes:?}: {reason}");
    }
    let (mut send, mut receive) = witness.open_bi().await.unwrap();
    let ping = frame(&Request { id: 3, body: RequestBody::Ping });
    send.write_all(&after_hello(&ping)).await.unwrap();
    let frames = frames(&mut receive, 2).await;
    let reply: Response = read_message(&frames[1]).unwrap();
    assert_eq!(reply, Response { id: 3, body: ResponseBody::Pong });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_at_the_clients_port_is_told_where_to_go() {
    let cluster = Cluster::led().await;
    let connection = dial(&cluster, &cluster.issuer.node(2), Role::Peer).await;
    let (closed, reason) = refused(connection, &[]).await;
    assert_eq!(closed, CloseCode::WrongPort as u64);
    assert!(reason.contains("nodes use the peer address"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_another_cluster_is_refused_by_its_certificate() {
    let cluster = Cluster::led().await;
    let other = cluster.issuer.client_of(ClusterId(0xbad));
    let connection = dial(&cluster, &other, Role::Client).await;
    let (closed, reason) = refused(connection, &frame(&HELLO)).await;
    assert_eq!(closed, CloseCode::WrongCluster as u64);
    assert!(reason.contains("wrong cluster"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_fails_the_handshake() {
    let cluster = Cluster::led().await;
    let stranger = Issuer::new().client();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let endpoint = Endpoint::client(any).unwrap();
    let config = tls::client_config(&stranger, Role::Client).unwrap();
    let address = cluster.members[0].api.address();
    let connected = within(endpoint.connect_with(config, address, SERVER_NAME).unwrap()).await;
    assert!(matches!(connected, Err(ConnectionError::TransportError(_))), "{connected:?}");
}
