//! Dials one peer whenever no connection to it is in use.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::{Connection, ConnectionError};
use raft_core::ports::PeerRefusal;
use tokio::time::{Instant, sleep, timeout};

use crate::backoff::Backoff;
use crate::close::{describe_close, refusal_in};
use crate::establish::{self, NewConnection};
use crate::handshake::HandshakeRuntime;
use crate::hello_exchange::{HelloError, receive_hello, send_hello};
use crate::log_limit::LogLimit;
use crate::metrics::increment;
use crate::peer::{Peer, Selection};
use crate::shared::Shared;
use crate::tls;

/// Runs until aborted, which happens when the peer is removed from the set or the transport shuts
/// down.
pub(crate) async fn run(shared: Arc<Shared>, peer: Arc<Peer>) {
    let config = &shared.config;
    let mut connected = peer.connected();
    let mut backoff = Backoff::default();
    let mut failures = FailureLog::default();
    loop {
        let waiting_since = Instant::now();
        if connected.wait_for(|connected| !connected).await.is_err() {
            return;
        }
        if waiting_since.elapsed() >= config.stable_after {
            backoff.reset();
            failures.reset();
        }
        if let Some(pause) = backoff.pause(config.redial_min, config.redial_max) {
            tokio::select! {
                () = sleep(pause) => {}
                _ = connected.wait_for(|connected| *connected) => continue,
            }
        }
        backoff.record_dial();
        if let Err(error) = dial(&shared, &peer, backoff.dials()).await {
            increment(&peer.metrics.failed_dials);
            let DialError { text, refusal } = error;
            failures.log(&shared, &peer, backoff.dials(), &text);
            peer.metrics.set_last_error(Some(text.clone()));
            if peer.mark_unreachable() {
                shared.inbox.peer_unreachable(peer.node);
            }
            if let Some(refusal) = refusal {
                shared.refused_by_peer(&peer, refusal, &text);
            }
        }
    }
}

/// Why a dial failed.
struct DialError {
    text: String,
    /// Set if the peer refuses this node.
    refusal: Option<PeerRefusal>,
}

impl From<String> for DialError {
    fn from(text: String) -> Self {
        Self { text, refusal: None }
    }
}

impl From<&ConnectionError> for DialError {
    fn from(close: &ConnectionError) -> Self {
        Self { text: describe_close(close), refusal: refusal_in(close) }
    }
}

/// Dials once. Success means that a connection is in use, this one or another, or that the peer
/// prefers another one whose hello has not arrived yet.
async fn dial(shared: &Arc<Shared>, peer: &Arc<Peer>, attempt: u32) -> Result<(), DialError> {
    let Some(address) = peer.address() else { return Ok(()) };
    let usable = resolve(&address, shared.local_addr).await?;
    peer.record_resolved(&usable);
    // Successive attempts try the resolved addresses in turn.
    let socket_address = usable[attempt as usize % usable.len()];
    let (handshake, connecting) = HandshakeRuntime::begin(|| {
        let client_config = shared.client_config.clone();
        shared.endpoint.connect_with(client_config, socket_address, tls::SERVER_NAME)
    });
    let connecting =
        connecting.map_err(|error| format!("cannot dial {address} ({socket_address}): {error}"))?;
    let at = format!("at {address} (UDP {socket_address})");
    let limit = shared.config.handshake_timeout;
    let established = timeout(limit, async {
        // A connection that the peer dialled may come into use first. This dial is not needed then.
        let mut connected = peer.connected();
        let connection = tokio::select! {
            connection = connecting => connection.map_err(|close| DialError::from(&close))?,
            _ = connected.wait_for(|connected| *connected) => return Ok(()),
        };
        handshake.complete();
        establish_dialled(shared, peer, &connection).await
    });
    match established.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(DialError { text: format!("{at}: {}", error.text), ..error }),
        Err(_) => Err(DialError::from(format!(
            "{at}: no response within {} ms; check that the node runs and receives UDP packets",
            limit.as_millis()
        ))),
    }
}

/// Checks the identity of the dialled node, exchanges hellos, and brings the connection into use
/// unless another one is.
async fn establish_dialled(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    connection: &Connection,
) -> Result<(), DialError> {
    if let Err(refusal) = tls::dialled_identity(connection, shared.config.cluster, Some(peer.node))
    {
        refusal.close(connection);
        return Err(refusal.to_string().into());
    }
    let mut connected = peer.connected();
    // Must be held until the connection is in use or given up.
    let overdue_after = shared.config.handshake_timeout / OVERDUE_DIVISOR;
    let Some(offer) = peer.offer(std::time::Instant::now() + overdue_after) else {
        establish::close_superfluous(connection);
        return Ok(());
    };
    let exchange = async {
        let outgoing = send_hello(shared, connection, peer, offer.hello_sequence).await?;
        Ok::<_, HelloError>((outgoing, receive_hello(shared, connection, peer).await?))
    };
    let exchanged = tokio::select! {
        exchanged = exchange => exchanged,
        // At the higher node: the lower node has chosen another connection. Without this close, a
        // lower node that reads the hello late could bring this connection into use after the loss
        // of the other one. At the lower node: the peer's hello on this connection is overdue.
        _ = connected.wait_for(|connected| *connected) => {
            establish::close_superfluous(connection);
            return Ok(());
        }
    };
    let (outgoing, received) = match exchanged {
        Ok(parts) => parts,
        // The peer prefers the connection that it uses or offers.
        Err(_) if establish::was_replaced_by_peer(connection) => return Ok(()),
        Err(error) => {
            // The peer's reason for the close contains more than the error of the stream.
            if let Some(close) = connection.close_reason() {
                return Err(DialError::from(&close));
            }
            connection.close(error.code().into(), error.to_string().as_bytes());
            return Err(DialError { text: error.to_string(), refusal: error.refusal_by_peer() });
        }
    };
    let NewConnection { selection, peer_connection } =
        establish::select(shared, peer, connection, &received, shared.config.node);
    match selection {
        Selection::InUse { .. } => {
            establish::start(shared, peer, &peer_connection, outgoing, received);
            Ok(())
        }
        Selection::Superfluous => {
            establish::close_superfluous(connection);
            Ok(())
        }
        Selection::Closed => Ok(establish::closed_before_use(connection)?),
        Selection::PeerRemoved => {
            establish::close_removed(connection);
            Err("the peer was removed from the peer set".to_owned().into())
        }
    }
}

/// The part of the handshake timeout after which the peer's hello is overdue. A peer sends it at
/// once.
const OVERDUE_DIVISOR: u32 = 6;

/// Returns the socket addresses to which `address` resolves and that can be reached: at least one.
async fn resolve(address: &str, local: SocketAddr) -> Result<Vec<SocketAddr>, String> {
    let resolved = tokio::net::lookup_host(address)
        .await
        .map_err(|error| format!("cannot resolve {address:?}: {error}"))?;
    // A socket that is bound to an IPv4 address reaches IPv4 addresses only.
    let usable: Vec<SocketAddr> =
        resolved.filter(|found| local.is_ipv6() || found.is_ipv4()).collect();
    if usable.is_empty() {
        return Err(format!("{address:?} has no address that can be reached from {local}"));
    }
    Ok(usable)
}

/// Logs failed dials: each new error, and a repeated one at every hundredth dial.
#[derive(Default)]
struct FailureLog {
    last: Option<String>,
    /// The peer may determine the text of an error, so lines are limited by time as well.
    limit: LogLimit,
}

impl FailureLog {
    fn reset(&mut self) {
        self.last = None;
    }

    fn log(&mut self, shared: &Shared, peer: &Peer, dials: u32, error: &str) {
        const LOGGED_EACH: u32 = 100;
        let is_new = self.last.as_deref() != Some(error);
        if (is_new || dials.is_multiple_of(LOGGED_EACH))
            && let Some(suppressed) = self.limit.allow()
        {
            tracing::warn!(
                node = %shared.config.node, peer = %peer.node, dials, suppressed,
                "cannot connect to peer {}: {error}", peer.node
            );
            self.last = Some(error.to_owned());
        }
    }
}
