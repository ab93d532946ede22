//! The client port against unauthorized peers and malformed bytes.

use std::net::Ipv4Addr;

use quinn::{Connection, ConnectionError, Endpoint};
use raft_core::ClusterId;
use raft_server::kv::protocol::{
    ClientHello, REQUEST_BYTES_MAX, Request, RequestBody, Response, ResponseBody,
    SUPPORTED_VERSIONS, ServerHello,
};
use raft_transport_quic::tls::{self, Protocol, SERVER_NAME, TlsIdentity};
use raft_transport_quic::{CloseCode, VersionRange};

use super::cluster::Cluster;
use super::raw_client::{HELLO, RawClient, dial, frame};
use super::setup::within;
use super::tls::{CLUSTER, Issuer};

async fn connect(cluster: &Cluster, identity: &TlsIdentity) -> Connection {
    dial(cluster.members[0].api.address(), identity, Protocol::Client).await
}

/// Sends bytes on a new stream and returns the code and reason of the node's close.
async fn close_after(connection: Connection, bytes: &[u8]) -> (u64, String) {
    let streams = connection.open_bi().await;
    let streams = match streams {
        Ok((mut send, receive)) => {
            // The node may close the connection before it has read everything.
            let _ = send.write_all(bytes).await;
            Some((send, receive))
        }
        Err(_) => None,
    };
    let closed = within(connection.closed()).await;
    drop(streams);
    match closed {
        ConnectionError::ApplicationClosed(close) => {
            (close.error_code.into_inner(), String::from_utf8_lossy(&close.reason).into_owned())
        }
        other => panic!("{other:?}"),
    }
}

/// Sends this hello and a ping, and expects the responses to both.
async fn assert_is_served(mut client: RawClient, hello: &[u8]) {
    client.send_bytes(hello).await;
    client.send(&Request { id: 3, body: RequestBody::Ping }).await;
    let _: ServerHello = client.read().await;
    let response: Response = client.read().await;
    assert_eq!(response, Response { id: 3, body: ResponseBody::Pong, leader: None });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hello_that_does_not_match_is_refused_with_both_values() {
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
        let connection = connect(&cluster, &identity).await;
        let (closed, reason) = close_after(connection, &frame(&hello)).await;
        assert_eq!(closed, code as u64, "{reason}");
        assert!(parts.iter().all(|part| reason.contains(part)), "{reason}");
    }
}

/// The client supports more versions and sends more fields; one version is common.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newer_client_with_a_common_version_is_served() {
    let cluster = Cluster::led().await;
    let identity = cluster.issuer.client();
    let newest = SUPPORTED_VERSIONS.highest() + 7;
    let versions = VersionRange::new(SUPPORTED_VERSIONS.highest(), newest).unwrap();
    let mut hello = frame(&ClientHello { versions, ..HELLO });
    hello.extend([1, 2, 3]);
    hello[3] += 3;
    let client = RawClient::on(connect(&cluster, &identity).await).await;
    assert_is_served(client, &hello).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_frame_closes_its_connection_and_no_other() {
    let cluster = Cluster::led().await;
    let identity = cluster.issuer.client();
    let hello = frame(&HELLO);
    let after_hello = |bytes: &[u8]| [&hello[..], bytes].concat();
    let mut trailing = frame(&Request { id: 1, body: RequestBody::Status });
    trailing[3] += 1;
    trailing.push(0);
    let too_large = u32::try_from(REQUEST_BYTES_MAX + 1).unwrap().to_be_bytes();
    // Before the hello a node accepts only short frames.
    let long_hello = 1025_u32.to_be_bytes();
    let other = connect(&cluster, &identity).await;
    for (bytes, code) in [
        (long_hello.to_vec(), CloseCode::FrameTooLarge),
        (after_hello(&too_large), CloseCode::FrameTooLarge),
        (after_hello(&u32::MAX.to_be_bytes()), CloseCode::FrameTooLarge),
        (vec![0, 0, 0, 1, 0xff], CloseCode::Malformed),
        (after_hello(&[0, 0, 0, 0]), CloseCode::Malformed),
        (after_hello(&[0, 0, 0, 2, 1, 99]), CloseCode::Malformed),
        (after_hello(&trailing), CloseCode::Malformed),
    ] {
        let connection = connect(&cluster, &identity).await;
        let (closed, reason) = close_after(connection, &bytes).await;
        assert_eq!(closed, code as u64, "{bytes:?}: {reason}");
    }
    assert_is_served(RawClient::on(other).await, &hello).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_at_the_client_port_is_refused_with_the_port_to_use() {
    let cluster = Cluster::led().await;
    let address = cluster.members[0].api.address();
    let connection = dial(address, &cluster.issuer.node(2), Protocol::Peer).await;
    let (closed, reason) = close_after(connection, &[]).await;
    assert_eq!(closed, CloseCode::WrongPort as u64);
    assert!(reason.contains("nodes use the peer address"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_with_a_certificate_of_another_cluster_is_refused() {
    let cluster = Cluster::led().await;
    let other = cluster.issuer.client_of(ClusterId(0xbad));
    let connection = connect(&cluster, &other).await;
    let (closed, reason) = close_after(connection, &frame(&HELLO)).await;
    assert_eq!(closed, CloseCode::WrongCluster as u64);
    assert!(reason.contains("wrong cluster"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_with_a_certificate_of_another_authority_fails_the_handshake() {
    let cluster = Cluster::led().await;
    let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let config = tls::client_config(&Issuer::new().client(), Protocol::Client).unwrap();
    let address = cluster.members[0].api.address();
    let connected = within(endpoint.connect_with(config, address, SERVER_NAME).unwrap()).await;
    assert!(matches!(connected, Err(ConnectionError::TransportError(_))), "{connected:?}");
}
