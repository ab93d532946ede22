//! The transport itself: one socket, the peers, and the port that the node calls.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use quinn::{Endpoint, EndpointConfig, ServerConfig, TransportConfig};
use raft_core::ports::{Inbox, PeerAddress, Transport};
use raft_core::{Message, NodeId};
use tokio::runtime::Handle;

use crate::accept::{self, RefusalLog};
use crate::admission::{Admission, AdmissionLimits, Source};
use crate::config::{
    INCOMING_BYTES_MAX, INCOMING_BYTES_TOTAL_MAX, INCOMING_MAX, QuicConfig, SOCKET_BUFFER_BYTES,
    UDP_PAYLOAD_BYTES_MAX,
};
use crate::dial;
use crate::error::{CloseCode, TransportError};
use crate::handshake::HandshakeRuntime;
use crate::metrics::{AcceptCounts, AcceptMetrics, PeerStatus};
use crate::peer::Peer;
use crate::tls::{self, PeerIdentity, Role};

/// Carries messages over QUIC: one connection a pair of nodes, both proven by certificates.
///
/// Both sides dial, so that a node that has just started is reached at once; of two connections
/// the lower node chooses one before either carries a message. Closed when dropped; [`QuicTransport::shutdown`] also waits until the others have
/// received.
pub struct QuicTransport {
    shared: Arc<Shared>,
}

/// What the transport's tasks share.
pub(crate) struct Shared {
    pub(crate) config: QuicConfig,
    pub(crate) inbox: Arc<dyn Inbox>,
    pub(crate) endpoint: Endpoint,
    pub(crate) local: SocketAddr,
    pub(crate) client_config: quinn::ClientConfig,
    /// A random number that tells restarts of this process apart.
    pub(crate) instance: u64,
    /// Carries established traffic.
    pub(crate) runtime: Handle,
    pub(crate) admission: Arc<Admission>,
    pub(crate) accepts: AcceptMetrics,
    pub(crate) refusals: RefusalLog,
    /// The nodes that are in the peer set or were in it.
    peers: RwLock<BTreeMap<NodeId, Arc<Peer>>>,
}

impl QuicTransport {
    /// Binds the socket and accepts connections from now on. Dials nobody before
    /// [`Transport::set_peers`], and refuses every node until then. Must be called inside a tokio
    /// runtime, whose threads then carry the traffic; handshakes run on a thread of their own.
    ///
    /// # Errors
    /// When the socket cannot be bound, the system refuses a thread, or the settings or
    /// certificates are no good.
    pub fn start(config: QuicConfig, inbox: Arc<dyn Inbox>) -> Result<Arc<Self>, TransportError> {
        let runtime = Handle::try_current().map_err(|_| TransportError::NoRuntime)?;
        config.check()?;
        let ours = PeerIdentity::Node { cluster: config.cluster, node: config.node };
        if *config.tls.identity() != ours {
            return Err(TransportError::NotOurCertificate {
                cluster: config.cluster,
                node: config.node,
                certificate: config.tls.identity().clone(),
            });
        }
        let transport = config.transport()?;
        let mut client_config = tls::client_config(&config.tls, Role::Peer)?;
        client_config.transport_config(transport.clone());
        let server_config = server_config(&config, transport)?;
        let handshakes = HandshakeRuntime::start(&format!("raft-{}-peer-tls", config.node))
            .map_err(TransportError::Thread)?;

        let bind_error = |source| TransportError::Bind { address: config.listen, source };
        let socket = bind(config.listen).map_err(bind_error)?;
        let local = socket.local_addr().map_err(bind_error)?;
        let mut endpoint_config = EndpointConfig::default();
        endpoint_config
            .max_udp_payload_size(UDP_PAYLOAD_BYTES_MAX)
            .map_err(|error| TransportError::Setting(error.to_string()))?;
        let endpoint =
            Endpoint::new(endpoint_config, Some(server_config), socket, handshakes.clone())
                .map_err(bind_error)?;
        let admission = Admission::new(AdmissionLimits {
            total: config.handshakes_max,
            per_source: config.handshakes_per_source_max,
            per_peer_address: config.handshakes_per_peer_max,
        });
        let shared = Arc::new(Shared {
            config,
            inbox,
            endpoint,
            local,
            client_config,
            instance: fastrand::u64(..),
            runtime,
            admission,
            accepts: AcceptMetrics::default(),
            refusals: RefusalLog::default(),
            peers: RwLock::default(),
        });
        handshakes.spawn_handshake(accept::run(shared.clone()));
        Ok(Arc::new(Self { shared }))
    }

    /// The address that the socket is bound to, with the port that the system chose if none was
    /// asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local
    }

    /// How it stands with each peer that is in the set.
    #[must_use]
    pub fn status(&self) -> Vec<PeerStatus> {
        self.shared.peers().values().filter_map(|peer| peer.status()).collect()
    }

    /// What became of the connections that other addresses made to this node.
    #[must_use]
    pub fn accept_counts(&self) -> AcceptCounts {
        self.shared.accepts.counts()
    }

    /// Closes every connection, and waits until the other sides were told. Nothing is sent or
    /// delivered afterwards.
    pub async fn shutdown(&self) {
        self.shared.close();
        self.shared.endpoint.wait_idle().await;
    }
}

impl Transport for QuicTransport {
    fn send(&self, message: Message) {
        let config = &self.shared.config;
        if (message.cluster, message.from) != (config.cluster, config.node) {
            tracing::error!(
                node = %config.node, from = %message.from, cluster = %message.cluster,
                "dropped a message in another's name: the receiver would close the connection"
            );
            return;
        }
        if let Some(peer) = self.shared.peers().get(&message.to) {
            peer.push(message);
        }
    }

    /// Nodes outside the set are refused in the handshake, whatever their certificates. A node of
    /// a newer configuration is heard once this set has it (thesis §4.1).
    fn set_peers(&self, peers: &[PeerAddress]) {
        self.shared.set_peers(peers);
    }

    fn message_bytes_max(&self) -> Option<u64> {
        Some(u64::from(self.shared.config.frame_bytes_max))
    }
}

impl Drop for QuicTransport {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl fmt::Debug for QuicTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicTransport")
            .field("node", &self.shared.config.node)
            .field("local", &self.shared.local)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// The peer of this name, if it is in the set.
    pub(crate) fn configured_peer(&self, node: NodeId) -> Option<Arc<Peer>> {
        self.peers().get(&node).filter(|peer| peer.is_in_set()).cloned()
    }

    /// Whether a configured peer is known to be at this source.
    pub(crate) fn is_peer_address(&self, source: Source) -> bool {
        self.peers().values().any(|peer| peer.is_at(source))
    }

    fn peers(&self) -> RwLockReadGuard<'_, BTreeMap<NodeId, Arc<Peer>>> {
        // The map is only ever inserted into.
        self.peers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_peers(self: &Arc<Self>, wanted: &[PeerAddress]) {
        let names: BTreeSet<NodeId> = wanted.iter().map(|peer| peer.node).collect();
        let known: Vec<Arc<Peer>> = self.peers().values().cloned().collect();
        for peer in known {
            if peer.is_in_set() && !names.contains(&peer.node) {
                peer.remove();
            }
        }
        for PeerAddress { node, address } in wanted {
            if *node == self.config.node {
                continue;
            }
            let peer = {
                let mut peers = self.peers.write().unwrap_or_else(PoisonError::into_inner);
                peers.entry(*node).or_insert_with(|| Arc::new(Peer::new(*node))).clone()
            };
            peer.configure(address, || {
                self.runtime.spawn(dial::run(self.clone(), peer.clone())).abort_handle()
            });
        }
    }

    fn close(&self) {
        const REASON: &str = "the node shuts down";
        for peer in self.peers().values() {
            peer.shut_down(REASON);
        }
        self.endpoint.close(CloseCode::Shutdown.into(), REASON.as_bytes());
    }
}

/// How connections are accepted. Every one is decided on as soon as it arrives, so that few wait.
fn server_config(
    config: &QuicConfig,
    transport: Arc<TransportConfig>,
) -> Result<ServerConfig, TransportError> {
    let mut server_config = tls::server_config(&config.tls, Role::Peer)?;
    server_config
        .transport_config(transport)
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BYTES_MAX)
        .incoming_buffer_size_total(INCOMING_BYTES_TOTAL_MAX);
    Ok(server_config)
}

/// A socket with large buffers: a burst of appends should wait there rather than be lost.
fn bind(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    // The system may grant less; that costs speed, nothing else.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER_BYTES);
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(&socket, SOCKET_BUFFER_BYTES);
    Ok(socket)
}
