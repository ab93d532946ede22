//! A client that sends and reads single frames, without the logic of the real client.

use std::net::{Ipv4Addr, SocketAddr};

use quinn::{Connection, Endpoint, RecvStream, SendStream};
use raft_server::kv::protocol::{
    ClientHello, FrameReader, SUPPORTED_VERSIONS, ServerHello, read_message, write_frame,
};
use raft_transport_quic::tls::{self, Protocol, SERVER_NAME, TlsIdentity};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::setup::within;
use super::tls::CLUSTER;

/// The hello of this release.
pub(super) const HELLO: ClientHello =
    ClientHello { versions: SUPPORTED_VERSIONS, cluster: Some(CLUSTER) };

/// A connection with one stream.
pub(super) struct RawClient {
    pub(super) connection: Connection,
    send: SendStream,
    receive: RecvStream,
    reader: FrameReader,
}

impl RawClient {
    /// Connects to a client port and opens the stream of requests. Sends nothing.
    pub(super) async fn connect(address: SocketAddr, identity: &TlsIdentity) -> Self {
        Self::on(dial(address, identity, Protocol::Client).await).await
    }

    /// As [`RawClient::connect`], and exchanges hellos.
    pub(super) async fn open(address: SocketAddr, identity: &TlsIdentity) -> (Self, ServerHello) {
        let mut client = Self::connect(address, identity).await;
        client.send(&HELLO).await;
        let server_hello = client.read().await;
        (client, server_hello)
    }

    /// Opens a stream on a connection.
    pub(super) async fn on(connection: Connection) -> Self {
        let (send, receive) = connection.open_bi().await.unwrap();
        Self { connection, send, receive, reader: FrameReader::default() }
    }

    pub(super) async fn send<M: Serialize>(&mut self, message: &M) {
        self.send_bytes(&frame(message)).await;
    }

    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) {
        within(self.send.write_all(bytes)).await.unwrap();
    }

    /// The next message of the stream.
    pub(super) async fn read<M: DeserializeOwned>(&mut self) -> M {
        let message = within(read_message_from(&mut self.receive, &mut self.reader)).await;
        message.expect("the node keeps the stream open")
    }
}

/// Connects to a port with a protocol.
pub(super) async fn dial(
    address: SocketAddr,
    identity: &TlsIdentity,
    protocol: Protocol,
) -> Connection {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let endpoint = Endpoint::client(any).unwrap();
    let config = tls::client_config(identity, protocol).unwrap();
    let connecting = endpoint.connect_with(config, address, SERVER_NAME).unwrap();
    within(connecting).await.unwrap()
}

pub(super) fn frame<M: Serialize>(message: &M) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_frame(&mut bytes, message).unwrap();
    bytes
}

/// The next message of a stream; `None` at its end. Loses no bytes if it is dropped.
pub(super) async fn read_message_from<M: DeserializeOwned>(
    receive: &mut RecvStream,
    reader: &mut FrameReader,
) -> Option<M> {
    let mut chunk = vec![0; 64 << 10];
    loop {
        if let Some(frame) = reader.next_frame().unwrap() {
            return Some(read_message(frame).unwrap());
        }
        let bytes = receive.read(&mut chunk).await.ok().flatten()?;
        reader.extend(&chunk[..bytes]);
    }
}
