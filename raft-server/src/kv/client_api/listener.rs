//! Opens and closes the client port.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::{Endpoint, EndpointConfig, IdleTimeout, TransportConfig, VarInt};
use raft_core::NodeId;
use raft_transport_quic::tls::{self, Protocol};
use raft_transport_quic::{CloseCode, HandshakeRuntime};
use tokio::sync::watch;
use tracing::{debug, info};

use super::accept::accept;
use super::config::{ClientApiConfig, MemberAddresses};
use super::context::Context;
use super::error::ClientApiError;
use super::monitor::ClientApiMonitor;
use crate::NodeHandle;
use crate::kv::state_machine::KvReader;

/// How long a connection may receive nothing before QUIC closes it. Clients send keep-alive
/// packets more often.
const IDLE_TIMEOUT_MS: u32 = 10_000;
/// The most that QUIC buffers for one connection in addition to the response budget: the default
/// receive window of a client.
const SEND_WINDOW_BYTES: u64 = 1_250_000;
/// The most connections that wait for their handshake to begin, and the most bytes of their
/// packets that are kept: of one, and of all.
const INCOMING_MAX: usize = 16_384;
const INCOMING_BYTES_MAX: u64 = 16 << 10;
const INCOMING_BYTES_TOTAL_MAX: u64 = 4 << 20;

/// The stream of requests and the stream of pings.
const BIDI_STREAMS_MAX: u32 = 2;
/// The round-trip time that is assumed before one is measured: a lost packet of a handshake is
/// sent again after three times this.
const INITIAL_RTT: Duration = Duration::from_millis(50);
/// The requested size of the socket's buffers.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// The open client port of a running node. Dropping it closes the port and every connection at
/// once; [`ClientApi::shutdown`] responds to the requests in flight first.
#[derive(Debug)]
pub struct ClientApi {
    endpoint: Endpoint,
    address: SocketAddr,
    context: Arc<Context>,
    stopping: watch::Sender<bool>,
}

impl ClientApi {
    /// Opens the port and serves clients. `reader` reads the store of the same node.
    ///
    /// # Errors
    /// When the port cannot be opened or the certificates cannot be used.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn start(
        config: ClientApiConfig,
        node: NodeHandle,
        reader: KvReader,
    ) -> Result<Self, ClientApiError> {
        let mut server = tls::server_config(&config.tls, Protocol::Client)?;
        server
            .transport_config(Arc::new(transport_config()))
            .max_incoming(INCOMING_MAX)
            .incoming_buffer_size(INCOMING_BYTES_MAX)
            .incoming_buffer_size_total(INCOMING_BYTES_TOTAL_MAX);
        let handshakes = HandshakeRuntime::start(&format!("raft-{}-client-tls", config.node))
            .map_err(ClientApiError::Thread)?;
        let listen = |source| ClientApiError::Listen { address: config.listen, source };
        let socket = bind(config.listen).map_err(listen)?;
        let endpoint =
            Endpoint::new(EndpointConfig::default(), Some(server), socket, handshakes.clone())
                .map_err(listen)?;
        let address = endpoint.local_addr().map_err(listen)?;
        let (stopping, stop) = watch::channel(false);
        let context = Arc::new(Context::new(config, node, reader));
        handshakes.spawn_handshake(accept(endpoint.clone(), Arc::clone(&context), stop));
        info!(%address, "listening for clients");
        Ok(Self { endpoint, address, context, stopping })
    }

    /// The address at which it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A monitor of the port's counters.
    #[must_use]
    pub fn monitor(&self) -> ClientApiMonitor {
        let disk_reads = Arc::clone(self.context.service.disk_reads().count());
        ClientApiMonitor::new(Arc::clone(self.context.budgets.usage()), disk_reads)
    }

    /// Replaces the addresses of members to which the membership in force gives none.
    pub fn set_members(&self, members: BTreeMap<NodeId, MemberAddresses>) {
        self.context.service.set_members(members);
    }

    /// Stops reading requests, responds to those in flight, and closes the port, after `grace` at
    /// the latest.
    pub async fn shutdown(self, grace: Duration) {
        // The send fails if every connection has been closed already.
        let _ = self.stopping.send(true);
        let drained = tokio::time::timeout(grace, async {
            self.stopping.closed().await;
            self.endpoint.wait_idle().await;
        });
        if drained.await.is_err() {
            debug!("closing client connections with requests in flight");
        }
    }
}

impl Drop for ClientApi {
    fn drop(&mut self) {
        self.endpoint.close(CloseCode::Shutdown.into(), b"the node shuts down");
    }
}

fn transport_config() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(BIDI_STREAMS_MAX))
        .initial_rtt(INITIAL_RTT)
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .send_window(SEND_WINDOW_BYTES)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_TIMEOUT_MS))));
    transport
}

/// A socket with a large receive buffer. All clients share it: the default of the system holds
/// fewer than a hundred packets, and packets beyond that are lost.
fn bind(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    // The system may grant less; that affects throughput only.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER_BYTES);
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(&socket, SOCKET_BUFFER_BYTES);
    Ok(socket)
}
