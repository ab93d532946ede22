//! Open connections without requests.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use quinn::{Connection, Endpoint, RecvStream, SendStream, TransportConfig};
use raft_server::kv::protocol::{
    ClientHello, FrameReader, SUPPORTED_VERSIONS, ServerHello, negotiate, read_extensible,
    write_frame,
};
use raft_transport_quic::tls::{self, Protocol, SERVER_NAME, TlsIdentity};
use tokio::task::JoinSet;

/// Concurrent handshakes.
const HANDSHAKES: usize = 32;
/// The interval of keep-alive packets, as in the client library.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(3);

/// Open connections; closed when dropped. All of them share one UDP socket.
#[derive(Debug)]
pub(crate) struct IdleConnections {
    connections: Vec<(Connection, SendStream, RecvStream)>,
    _endpoint: Endpoint,
}

impl IdleConnections {
    /// Opens `count` connections to a node.
    pub(crate) async fn open(
        count: usize,
        address: SocketAddr,
        tls: &TlsIdentity,
    ) -> anyhow::Result<Self> {
        let endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let mut config = tls::client_config(tls, Protocol::Client)?;
        let mut transport = TransportConfig::default();
        transport.keep_alive_interval(Some(KEEP_ALIVE_INTERVAL));
        config.transport_config(Arc::new(transport));
        let hello =
            ClientHello { versions: SUPPORTED_VERSIONS, cluster: Some(tls.identity().cluster()) };
        let mut opening = JoinSet::new();
        let mut connections = Vec::with_capacity(count);
        for opened in 0..count {
            if opening.len() >= HANDSHAKES {
                connections.push(next(&mut opening).await?);
            }
            let (endpoint, config) = (endpoint.clone(), config.clone());
            opening.spawn(async move {
                connect(&endpoint, config, address, hello)
                    .await
                    .with_context(|| format!("idle connection {opened}"))
            });
        }
        while !opening.is_empty() {
            connections.push(next(&mut opening).await?);
        }
        Ok(Self { connections, _endpoint: endpoint })
    }

    /// The number of connections that are open.
    pub(crate) fn count(&self) -> usize {
        let open = |(connection, ..): &&(Connection, SendStream, RecvStream)| {
            connection.close_reason().is_none()
        };
        self.connections.iter().filter(open).count()
    }
}

type Opened = (Connection, SendStream, RecvStream);

async fn next(opening: &mut JoinSet<anyhow::Result<Opened>>) -> anyhow::Result<Opened> {
    opening.join_next().await.context("no connection is being opened")??
}

async fn connect(
    endpoint: &Endpoint,
    config: quinn::ClientConfig,
    address: SocketAddr,
    hello: ClientHello,
) -> anyhow::Result<Opened> {
    let connection = endpoint.connect_with(config, address, SERVER_NAME)?.await?;
    let (mut send, mut receive) = connection.open_bi().await?;
    let mut out = Vec::new();
    write_frame(&mut out, &hello)?;
    send.write_all(&out).await?;
    let mut reader = FrameReader::default();
    let mut chunk = [0; 1024];
    loop {
        if let Some(frame) = reader.next_frame()? {
            negotiate(&hello, &read_extensible::<ServerHello>(frame)?)?;
            return Ok((connection, send, receive));
        }
        let Some(bytes) = receive.read(&mut chunk).await? else {
            bail!("the node closed the stream");
        };
        reader.extend(&chunk[..bytes]);
    }
}
