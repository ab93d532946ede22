//! Listens for clients.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quinn::{
    Endpoint, EndpointConfig, IdleTimeout, Incoming, TokioRuntime, TransportConfig, VarInt,
};
use raft_core::{ClusterId, NodeId};
use raft_transport_quic::CloseCode;
use raft_transport_quic::tls::{self, Role, TlsError, TlsIdentity};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use super::budget::ResponseBudgets;
use super::connection;
use super::disk_reads;
use super::execute::Executor;
use super::hello::{PROTOCOL_VERSION, Welcome};
use super::monitor::ClientApiMonitor;
use crate::NodeHandle;
use crate::space::SpaceMonitor;
use crate::state_machine::kv::{KvReader, Limits};

/// How long a connection may be silent; clients send a sign of life more often.
const IDLE_TIMEOUT_MS: u32 = 10_000;
/// What one connection buffers for its client below the response budget: as much as a client
/// accepts ahead of its reading by default.
const SEND_WINDOW_BYTES: u64 = 1_250_000;
const CONNECTION_RESPONSE_BYTES_MAX_DEFAULT: usize = 16 << 20;
const IDENTITY_RESPONSE_BYTES_MAX_DEFAULT: usize = 128 << 20;
/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// The stream of requests and the one of pings.
const BIDI_STREAMS_MAX: u32 = 2;
/// The round-trip time that is assumed before one is measured: a lost packet of a handshake is
/// repeated after three times this.
const INITIAL_RTT: Duration = Duration::from_millis(50);
/// The socket's buffers, as far as the system grants them.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// How a node serves clients.
#[derive(Clone, Debug)]
pub struct ClientApiConfig {
    /// Where to listen (UDP); port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// Which node it is.
    pub node: NodeId,
    /// The node's certificate, and whom it trusts.
    pub tls: TlsIdentity,
    /// Where the members are, for those who ask the wrong one.
    pub members: BTreeMap<NodeId, MemberAddresses>,
    /// How large a command may be.
    pub limits: Limits,
    /// The most connections; further clients are turned away.
    pub connections_max: usize,
    /// The most unanswered requests of one connection; it is read no further beyond.
    pub in_flight_max: u32,
    /// The most bytes of unanswered requests of one connection; it is read no further beyond.
    pub in_flight_bytes_max: usize,
    /// The free space of the node's disk; `None` if commands are accepted regardless of it.
    pub space: Option<Arc<SpaceMonitor>>,
    /// The most bytes of keys and values in responses of one connection that are being produced
    /// or not yet written. A request waits until there is room for the largest response that it
    /// may have; one that may exceed the budget waits until it has the budget for itself.
    pub connection_response_bytes_max: usize,
    /// The same for all connections together whose clients have the same certificate identity.
    /// Several times the budget of a connection, so that one whose client takes no responses does
    /// not hold up the others until it is closed.
    pub identity_response_bytes_max: usize,
    /// The most reads of single keys, and the most reads of ranges, that run at a time on threads
    /// which may wait for the disk; further ones wait for their turn.
    pub disk_reads_max: usize,
}

impl ClientApiConfig {
    /// Defaults for everything that has one.
    #[must_use]
    pub fn new(listen: SocketAddr, cluster: ClusterId, node: NodeId, tls: TlsIdentity) -> Self {
        Self {
            listen,
            cluster,
            node,
            tls,
            members: BTreeMap::new(),
            limits: Limits::default(),
            connections_max: 16_384,
            in_flight_max: 1024,
            in_flight_bytes_max: 16 << 20,
            space: None,
            connection_response_bytes_max: CONNECTION_RESPONSE_BYTES_MAX_DEFAULT,
            identity_response_bytes_max: IDENTITY_RESPONSE_BYTES_MAX_DEFAULT,
            disk_reads_max: disk_reads::reads_max_default(),
        }
    }
}

/// Where a member can be reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberAddresses {
    /// By other nodes.
    pub peer: String,
    /// By clients.
    pub client: String,
}

/// Why a node cannot serve clients.
#[derive(Debug, thiserror::Error)]
pub enum ClientApiError {
    /// The port is taken, or not ours to take.
    #[error("cannot listen for clients at {address} (UDP): {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The clients' port of a running node. It closes when this is dropped; [`ClientApi::shutdown`]
/// closes it gently.
#[derive(Debug)]
pub struct ClientApi {
    endpoint: Endpoint,
    address: SocketAddr,
    context: Arc<Context>,
    stopping: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

/// What the listener and all its connections share.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) config: ClientApiConfig,
    pub(super) executor: Executor,
    pub(super) budgets: ResponseBudgets,
    open: AtomicUsize,
}

impl Context {
    pub(super) fn welcome(&self) -> Welcome {
        Welcome {
            version: PROTOCOL_VERSION,
            cluster: self.config.cluster,
            node: self.config.node,
            in_flight_max: self.config.in_flight_max,
            members: self.executor.client_addresses(),
        }
    }
}

impl ClientApi {
    /// Opens the port and serves clients. `reader` reads the store of the same node. Needs a
    /// tokio runtime.
    ///
    /// # Errors
    /// When the port cannot be opened or the certificates cannot be used.
    pub fn start(
        config: ClientApiConfig,
        node: NodeHandle,
        reader: KvReader,
    ) -> Result<Self, ClientApiError> {
        let mut server = tls::server_config(&config.tls, Role::Client)?;
        server.transport_config(Arc::new(transport_config()));
        let listen = |source| ClientApiError::Listen { address: config.listen, source };
        let socket = bind(config.listen).map_err(listen)?;
        let runtime = Arc::new(TokioRuntime);
        let endpoint = Endpoint::new(EndpointConfig::default(), Some(server), socket, runtime)
            .map_err(listen)?;
        let address = endpoint.local_addr().map_err(listen)?;
        let (stopping, stop) = watch::channel(false);
        let executor = Executor::new(&config, node, reader);
        let budgets = ResponseBudgets::new(
            config.connection_response_bytes_max,
            config.identity_response_bytes_max,
        );
        let open = AtomicUsize::new(0);
        let context = Arc::new(Context { config, executor, budgets, open });
        let accepting = tokio::spawn(accept(endpoint.clone(), Arc::clone(&context), stop));
        info!(%address, "listening for clients");
        Ok(Self { endpoint, address, context, stopping, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Shows the port's numbers.
    #[must_use]
    pub fn monitor(&self) -> ClientApiMonitor {
        let disk_reads = Arc::clone(self.context.executor.disk_reads().count());
        ClientApiMonitor::new(Arc::clone(self.context.budgets.usage()), disk_reads)
    }

    /// Says where the members are from now on.
    pub fn set_members(&self, members: BTreeMap<NodeId, MemberAddresses>) {
        self.context.executor.set_members(members);
    }

    /// Takes no more requests, answers those under way, and closes the port, after `grace` at the
    /// latest.
    pub async fn shutdown(self, grace: Duration) {
        // Nobody listens any more if every connection has ended already.
        let _ = self.stopping.send(true);
        let drained = tokio::time::timeout(grace, async {
            self.stopping.closed().await;
            self.endpoint.wait_idle().await;
        });
        if drained.await.is_err() {
            debug!("closing client connections with requests under way");
        }
    }
}

impl Drop for ClientApi {
    fn drop(&mut self) {
        self.accepting.abort();
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

/// A socket with a large receive buffer. It is shared by all clients: the system's default holds
/// fewer than a hundred packets, and what does not fit is lost.
fn bind(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    // The system may grant less; that costs speed, nothing else.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER_BYTES);
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(&socket, SOCKET_BUFFER_BYTES);
    Ok(socket)
}

async fn accept(endpoint: Endpoint, context: Arc<Context>, mut stop: watch::Receiver<bool>) {
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            _ = stop.changed() => return,
        };
        let Some(incoming) = incoming else { return };
        let open = context.open.load(Ordering::Relaxed);
        if open >= context.config.connections_max {
            warn!(from = %incoming.remote_address(), open, "too many clients; turning one away");
            incoming.refuse();
        } else if open >= context.config.connections_max / 2
            && !incoming.remote_address_validated()
            && incoming.may_retry()
        {
            // Under load a client must show that its address is its own before it costs more.
            let _ = incoming.retry();
        } else {
            let place = Place::take(&context);
            tokio::spawn(serve(incoming, place, stop.clone()));
        }
    }
}

/// One of the places for connections; free again when dropped.
struct Place(Arc<Context>);

impl Place {
    fn take(context: &Arc<Context>) -> Self {
        context.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(context))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve(incoming: Incoming, place: Place, stop: watch::Receiver<bool>) {
    let context = &place.0;
    let from = incoming.remote_address();
    let connection = match tokio::time::timeout(HANDSHAKE_TIMEOUT, incoming).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return warn!(%from, %error, "a client failed the handshake"),
        Err(_) => return warn!(%from, "a client's handshake took too long"),
    };
    let identity = match tls::accepted_identity(&connection, Role::Client, context.config.cluster) {
        Ok(identity) => identity,
        Err(refusal) => {
            warn!(%from, %refusal, "turned away");
            return refusal.close(&connection);
        }
    };
    debug!(%from, client = %identity, "a client connected");
    if let Err(error) = connection::serve(&connection, identity.clone(), context, stop).await {
        warn!(%from, client = %identity, %error, "closing a client's connection");
        connection.close(error.code().into(), error.to_string().as_bytes());
    }
}
