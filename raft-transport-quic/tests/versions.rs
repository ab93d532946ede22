//! Peers of other releases.

use std::sync::Arc;

use quinn::{ConnectionError, Endpoint};
use raft_core::ports::{PeerAddress, Transport};
use raft_transport_quic::tls::{PeerIdentity, Protocol, server_config};
use raft_transport_quic::{CloseCode, PeerStatus, QuicTransport};

use crate::authority::{Authority, CLUSTER};
use crate::raw::{
    ONE, TWO, WAIT_MAX, configure, frame, frame_of_unknown_kind, hello_of, raw_dial, send_raw,
    start, vote,
};

fn only_status(transport: &QuicTransport) -> PeerStatus {
    let statuses = transport.status();
    assert_eq!(statuses.len(), 1);
    statuses.into_iter().next().unwrap()
}

/// Messages and streams that only newer versions support are skipped. Later messages are delivered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_messages_and_streams_of_a_newer_peer_are_skipped_and_counted() {
    let ca = Authority::new("ours");
    let (two, inbox) = start(TWO, ca.node(TWO));
    configure(&two, ONE);
    let issued = ca.issue_to(&PeerIdentity::Node { cluster: CLUSTER, node: ONE });
    let connection = raw_dial(Some(&issued), &ca, Protocol::Peer, two.local_addr()).await.unwrap();
    let known = frame(&vote(ONE, TWO));
    let bytes = [hello_of(1, 3), known.clone(), frame_of_unknown_kind(), known].concat();
    send_raw(&connection, &bytes).await.unwrap();
    inbox.wait("the messages of known kinds", |seen| seen.messages == 2);
    let status = only_status(&two);
    assert_eq!((status.counts.skipped_messages, status.counts.violations), (1, 0));
    assert_eq!((status.connected, status.version), (true, Some(2)));

    let mut stream = connection.open_uni().await.unwrap();
    stream.write_all(&[9, 1, 2, 3]).await.unwrap();
    let stopped = tokio::time::timeout(WAIT_MAX, stream.stopped()).await.unwrap();
    assert_eq!(stopped.unwrap(), Some(CloseCode::Protocol.into()));
    assert_eq!(only_status(&two).counts.skipped_streams, 1);
    send_raw(&connection, &[&[1][..], &frame(&vote(ONE, TWO))].concat()).await.unwrap();
    inbox.wait("a message on another stream", |seen| seen.messages == 3);
    assert_eq!(connection.close_reason(), None);
}

/// A hello of a later version may contain more fields.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hello_with_further_fields_is_accepted() {
    let ca = Authority::new("ours");
    let (two, inbox) = start(TWO, ca.node(TWO));
    configure(&two, ONE);
    let issued = ca.issue_to(&PeerIdentity::Node { cluster: CLUSTER, node: ONE });
    let connection = raw_dial(Some(&issued), &ca, Protocol::Peer, two.local_addr()).await.unwrap();
    let mut hello = hello_of(1, 3);
    hello.extend([7; 40]);
    hello[4] += 40;
    send_raw(&connection, &[hello, frame(&vote(ONE, TWO))].concat()).await.unwrap();
    inbox.wait("the message behind the hello", |seen| seen.messages == 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepted_connection_without_a_common_version_is_closed_with_both_ranges() {
    let ca = Authority::new("ours");
    let (two, inbox) = start(TWO, ca.node(TWO));
    configure(&two, ONE);
    let issued = ca.issue_to(&PeerIdentity::Node { cluster: CLUSTER, node: ONE });
    let connection = raw_dial(Some(&issued), &ca, Protocol::Peer, two.local_addr()).await.unwrap();
    let bytes = [hello_of(3, 4), frame(&vote(ONE, TWO))].concat();
    send_raw(&connection, &bytes).await.unwrap();
    let end = tokio::time::timeout(WAIT_MAX, connection.closed()).await.unwrap();
    let ConnectionError::ApplicationClosed(close) = &end else { panic!("{end}") };
    assert_eq!(close.error_code, CloseCode::Version.into(), "{end}");
    assert!(end.to_string().contains("here 1 to 2, by the other side 3 to 4"), "{end}");
    assert_eq!(inbox.messages(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dial_without_a_common_version_reports_both_ranges() {
    let ca = Authority::new("ours");
    let newer = Endpoint::server(
        server_config(&ca.node(TWO), Protocol::Peer).unwrap(),
        (std::net::Ipv4Addr::LOCALHOST, 0).into(),
    )
    .unwrap();
    let (one, inbox) = start(ONE, ca.node(ONE));
    let address = newer.local_addr().unwrap().to_string();
    one.set_peers(&[PeerAddress::new(TWO, address)]);
    let connection = newer.accept().await.unwrap().await.unwrap();
    send_raw(&connection, &hello_of(3, 4)).await.unwrap();
    let inbox = Arc::clone(&inbox);
    tokio::task::spawn_blocking(move || {
        inbox.wait("the failure of the dial", |seen| seen.unreachable > 0);
    })
    .await
    .unwrap();
    let error = only_status(&one).last_error.unwrap();
    assert!(error.contains("here 1 to 2, by the other side 3 to 4"), "{error}");
    let end = tokio::time::timeout(WAIT_MAX, connection.closed()).await.unwrap();
    assert!(matches!(end, ConnectionError::ApplicationClosed(close)
        if close.error_code == CloseCode::Version.into()));
}
