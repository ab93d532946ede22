//! Listens for clients.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quinn::{
    Connecting, Connection, Endpoint, EndpointConfig, IdleTimeout, Incoming, TransportConfig,
    VarInt,
};
use raft_core::{ClusterId, NodeId};
use raft_transport_quic::tls::{self, PeerIdentity, Role, TlsError, TlsIdentity};
use raft_transport_quic::{CloseCode, Handshake, HandshakeRuntime, LogLimit};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tracing::{debug, info, warn};

use super::budget::ResponseBudgets;
use super::connection;
use super::disk_reads;
use super::execute::Executor;
use super::monitor::ClientApiMonitor;
use crate::NodeHandle;
use crate::kv::protocol::{SUPPORTED_VERSIONS, ServerHello};
use crate::kv::state_machine::{KvReader, Limits};
use crate::space::SpaceMonitor;

/// How long a connection may be silent; clients send a sign of life more often.
const IDLE_TIMEOUT_MS: u32 = 10_000;
/// What one connection buffers for its client below the response budget: as much as a client
/// accepts ahead of its reading by default.
const SEND_WINDOW_BYTES: u64 = 1_250_000;
/// The default of [`ClientApiConfig::connection_response_bytes_max`].
pub const CONNECTION_RESPONSE_BYTES_MAX_DEFAULT: usize = 16 << 20;
/// The default of [`ClientApiConfig::identity_response_bytes_max`].
pub const IDENTITY_RESPONSE_BYTES_MAX_DEFAULT: usize = 128 << 20;
/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How many clients may wait for their handshake to begin, and how much of what they send
/// meanwhile is kept: for one, and for all.
const INCOMING_MAX: usize = 16_384;
const INCOMING_BYTES_MAX: u64 = 16 << 10;
const INCOMING_BYTES_TOTAL_MAX: u64 = 4 << 20;

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
    /// The most established connections; further clients are refused.
    pub connections_max: usize,
    /// The most handshakes in progress; further clients wait. Established connections do not
    /// count here, and handshakes do not count against `connections_max`.
    pub handshakes_max: usize,
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
            handshakes_max: 256,
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
    /// The operating system refused a thread.
    #[error("a thread for the handshakes of clients could not be started: {0}")]
    Thread(#[source] std::io::Error),
}

/// The clients' port of a running node. It closes when this is dropped; [`ClientApi::shutdown`]
/// closes it gently.
#[derive(Debug)]
pub struct ClientApi {
    endpoint: Endpoint,
    address: SocketAddr,
    context: Arc<Context>,
    stopping: watch::Sender<bool>,
}

/// What the listener and all its connections share.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) config: ClientApiConfig,
    pub(super) executor: Executor,
    pub(super) budgets: ResponseBudgets,
    /// Established connections.
    open: AtomicUsize,
    /// Carries established connections.
    runtime: Handle,
    /// Limits lines about connections that strangers may cause.
    refusal_log: LogLimit,
    /// Limits lines about connections of clients with a certificate.
    closing_log: LogLimit,
}

impl Context {
    pub(super) fn welcome(&self) -> ServerHello {
        ServerHello {
            versions: SUPPORTED_VERSIONS,
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
        let executor = Executor::new(&config, node, reader);
        let budgets = ResponseBudgets::new(
            config.connection_response_bytes_max,
            config.identity_response_bytes_max,
        );
        let context = Arc::new(Context {
            config,
            executor,
            budgets,
            open: AtomicUsize::new(0),
            runtime: Handle::current(),
            refusal_log: LogLimit::default(),
            closing_log: LogLimit::default(),
        });
        handshakes.spawn_handshake(accept(endpoint.clone(), Arc::clone(&context), stop));
        info!(%address, "listening for clients");
        Ok(Self { endpoint, address, context, stopping })
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

/// Runs on the thread of the handshakes until the port is closed.
async fn accept(endpoint: Endpoint, context: Arc<Context>, mut stop: watch::Receiver<bool>) {
    let handshakes_max = context.config.handshakes_max.max(1);
    let half_open = Arc::new(Semaphore::new(handshakes_max));
    loop {
        let next = async {
            // A client waits here, in the queue of the endpoint, while too many are half open.
            let permit = Arc::clone(&half_open).acquire_owned().await.ok()?;
            Some((permit, endpoint.accept().await?))
        };
        let next = tokio::select! {
            next = next => next,
            _ = stop.changed() => return,
        };
        let Some((permit, incoming)) = next else { return };
        let open = context.open.load(Ordering::Relaxed);
        if open >= context.config.connections_max {
            context.refused(incoming.remote_address(), &TOO_MANY);
            incoming.refuse();
        } else if half_open.available_permits() < handshakes_max / 2
            && !incoming.remote_address_validated()
        {
            // A client must prove that its address is its own before it costs more; with a forged
            // address it cannot. `retry` fails for proven addresses only.
            let _ = incoming.retry();
        } else {
            begin(&context, incoming, permit, stop.clone());
        }
    }
}

/// One of the established connections; counted until dropped.
struct Place(Arc<Context>);

impl Place {
    fn take(context: &Arc<Context>) -> Option<Self> {
        let place = Self(Arc::clone(context));
        let open_before = context.open.fetch_add(1, Ordering::Relaxed);
        (open_before < context.config.connections_max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

fn begin(
    context: &Arc<Context>,
    incoming: Incoming,
    permit: OwnedSemaphorePermit,
    mut stop: watch::Receiver<bool>,
) {
    let from = incoming.remote_address();
    let (handshake, connecting) = HandshakeRuntime::begin(|| incoming.accept());
    let connecting = match connecting {
        Ok(connecting) => connecting,
        Err(error) => return context.refused(from, &error),
    };
    let context = Arc::clone(context);
    tokio::spawn(async move {
        let authenticated = tokio::select! {
            authenticated = tokio::time::timeout(
                HANDSHAKE_TIMEOUT,
                authenticate(&context, handshake, connecting),
            ) => authenticated,
            _ = stop.changed() => return,
        };
        drop(permit);
        match authenticated {
            Ok(Ok((connection, identity, place))) => {
                let runtime = context.runtime.clone();
                runtime.spawn(serve(connection, identity, place, stop));
            }
            Ok(Err(why)) => context.refused(from, &why),
            Err(_) => context.refused(from, &"the handshake took too long"),
        }
    });
}

/// Completes the handshake and takes the client in, unless its certificate does not belong here.
async fn authenticate(
    context: &Arc<Context>,
    handshake: Handshake,
    connecting: Connecting,
) -> Result<(Connection, PeerIdentity, Place), String> {
    let connection = connecting.await.map_err(|error| error.to_string())?;
    let identity = tls::accepted_identity(&connection, Role::Client, context.config.cluster)
        .map_err(|refusal| {
            refusal.close(&connection);
            refusal.to_string()
        })?;
    let Some(place) = Place::take(context) else {
        connection.close(CloseCode::Overloaded.into(), TOO_MANY.as_bytes());
        return Err(TOO_MANY.to_owned());
    };
    handshake.complete();
    Ok((connection, identity, place))
}

async fn serve(
    connection: Connection,
    identity: PeerIdentity,
    place: Place,
    stop: watch::Receiver<bool>,
) {
    let context = &place.0;
    let from = connection.remote_address();
    debug!(%from, client = %identity, "a client connected");
    let served = connection::serve(&connection, identity.clone(), context, stop).await;
    if let Err(error) = served {
        if let Some(suppressed) = context.closing_log.allow() {
            warn!(%from, client = %identity, %error, suppressed, "closing a client's connection");
        }
        connection.close(error.code().into(), error.to_string().as_bytes());
    }
}

impl Context {
    fn refused(&self, from: SocketAddr, why: &dyn std::fmt::Display) {
        if let Some(suppressed) = self.refusal_log.allow() {
            warn!(%from, suppressed, "refused a connection of a client: {why}");
        }
    }
}

const TOO_MANY: &str = "too many clients are connected";
