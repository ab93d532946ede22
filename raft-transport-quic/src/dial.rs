//! Keeps a connection to one peer: dials whenever there is none.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::Connection;
use tokio::time::{Instant, sleep, timeout};

use crate::endpoint::Shared;
use crate::error::{CloseCode, describe_close};
use crate::handshake::HandshakeRuntime;
use crate::hello_exchange::{self, HelloError};
use crate::log_limit::LogLimit;
use crate::metrics::increment;
use crate::peer::{Peer, Selection};
use crate::tls;

/// Runs until aborted, which happens when the peer leaves the set or the transport is closed.
pub(crate) async fn run(shared: Arc<Shared>, peer: Arc<Peer>) {
    let config = &shared.config;
    let mut connected = peer.connected();
    let mut backoff = Backoff::default();
    loop {
        let waiting_since = Instant::now();
        if connected.wait_for(|connected| !connected).await.is_err() {
            return;
        }
        if waiting_since.elapsed() >= config.stable_after {
            backoff.reset();
        }
        if let Some(pause) = backoff.pause(config.redial_min, config.redial_max) {
            tokio::select! {
                () = sleep(pause) => {}
                _ = connected.wait_for(|connected| *connected) => continue,
            }
        }
        backoff.dialled();
        if let Err(why) = dial(&shared, &peer, backoff.dials()).await {
            increment(&peer.metrics.failed_dials);
            backoff.report(&shared, &peer, why);
            if peer.mark_unreachable() {
                shared.inbox.peer_unreachable(peer.node);
            }
        }
    }
}

/// Dials once. Success means that a connection is in use, this one or another, or that the peer
/// prefers one whose hello is still on its way.
async fn dial(shared: &Arc<Shared>, peer: &Arc<Peer>, attempt: u32) -> Result<(), String> {
    let Some(address) = peer.address() else { return Ok(()) };
    let usable = resolve(&address, shared.local).await?;
    peer.resolved(&usable);
    // Each attempt takes another one.
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
        // The other side may get through first: then this dial is not needed any more.
        let mut connected = peer.connected();
        let connection = tokio::select! {
            connection = connecting => connection.map_err(|error| describe_close(&error))?,
            _ = connected.wait_for(|connected| *connected) => return Ok(()),
        };
        handshake.complete();
        exchange_hellos(shared, peer, &connection).await
    });
    match established.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(why)) => Err(format!("{at}: {why}")),
        Err(_) => Err(format!(
            "{at}: no answer within {} ms; is the node running, and does UDP get through?",
            limit.as_millis()
        )),
    }
}

/// Makes sure that it is the right node, exchanges the first words, and takes the connection into
/// use unless there is one already.
async fn exchange_hellos(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    connection: &Connection,
) -> Result<(), String> {
    if let Err(refusal) = tls::dialled_identity(connection, shared.config.cluster, Some(peer.node))
    {
        refusal.close(connection);
        return Err(refusal.to_string());
    }
    let mut connected = peer.connected();
    // Lasts until the connection is in use or given up.
    let Some(offer) = peer.offer() else {
        hello_exchange::close_superfluous(connection);
        return Ok(());
    };
    let exchanged = async {
        let outgoing = hello_exchange::send_hello(shared, connection, offer.hello_sequence).await?;
        Ok::<_, HelloError>((outgoing, hello_exchange::receive_hello(shared, connection).await?))
    };
    let exchanged = tokio::select! {
        exchanged = exchanged => exchanged,
        // Happens at the higher node only. The lower node has chosen the other connection; if it
        // read the hello on this one late, it could take it into use after the loss of the other.
        _ = connected.wait_for(|connected| *connected) => {
            hello_exchange::close_superfluous(connection);
            return Ok(());
        }
    };
    let (outgoing, received) = match exchanged {
        Ok(parts) => parts,
        // The other side prefers the connection that it has or offers.
        Err(_) if hello_exchange::closed_as_superfluous(connection) => return Ok(()),
        // What the other side had against us is worth more than where it struck.
        Err(error) => {
            if let Some(end) = connection.close_reason() {
                return Err(describe_close(&end));
            }
            connection.close(error.code().into(), error.to_string().as_bytes());
            return Err(error.to_string());
        }
    };
    match hello_exchange::select(shared, peer, connection, &received, shared.config.node) {
        (Selection::InUse { .. }, peer_connection) => {
            hello_exchange::start(shared, peer, &peer_connection, outgoing, received)
        }
        (Selection::Superfluous, _) => hello_exchange::close_superfluous(connection),
        (Selection::Closed, _) => return hello_exchange::ended(connection),
        (Selection::PeerRemoved, _) => {
            connection.close(CloseCode::Removed.into(), b"this node is no peer any more");
            return Err("it was taken out of the peer set".to_owned());
        }
    }
    Ok(())
}

/// The socket addresses that the address stands for now and that can be reached: at least one.
async fn resolve(address: &str, local: SocketAddr) -> Result<Vec<SocketAddr>, String> {
    let resolved = tokio::net::lookup_host(address)
        .await
        .map_err(|error| format!("cannot resolve {address:?}: {error}"))?;
    // A socket bound to an IPv4 address reaches no others.
    let usable: Vec<SocketAddr> =
        resolved.filter(|found| local.is_ipv6() || found.is_ipv4()).collect();
    if usable.is_empty() {
        return Err(format!("{address:?} has no address that can be reached from {local}"));
    }
    Ok(usable)
}

/// The dials since a connection last lasted for a while, and the pauses between them. A connection
/// that ends soon after it came into use is no reason to dial more often: the peer may be
/// restarting in a loop, or may close every connection for a reason that stays.
#[derive(Default)]
struct Backoff {
    dials: u32,
    /// What was logged last; a line is written at once when there is something new to say.
    logged: Option<String>,
    limit: LogLimit,
}

impl Backoff {
    const fn dials(&self) -> u32 {
        self.dials
    }

    const fn dialled(&mut self) {
        self.dials = self.dials.saturating_add(1);
    }

    fn reset(&mut self) {
        self.dials = 0;
        self.logged = None;
    }

    /// The same failure again is logged each hundredth time. The other side may choose the text,
    /// so lines are limited by time as well.
    fn report(&mut self, shared: &Shared, peer: &Peer, why: String) {
        const LOGGED_EACH: u32 = 100;
        let is_new = self.logged.as_ref() != Some(&why);
        if (is_new || self.dials.is_multiple_of(LOGGED_EACH))
            && let Some(suppressed) = self.limit.allow()
        {
            tracing::warn!(
                node = %shared.config.node, peer = %peer.node, dials = self.dials, suppressed,
                "cannot connect to peer {}: {why}", peer.node
            );
            self.logged = Some(why.clone());
        }
        peer.metrics.set_last_error(Some(why));
    }

    /// None before the first dial. Then it doubles with each one, up to a limit; a random part of
    /// up to a half is left out, so that nodes that lost each other do not dial in step.
    fn pause(&self, min: Duration, max: Duration) -> Option<Duration> {
        let doublings = self.dials.checked_sub(1)?.min(16);
        let full = min.saturating_mul(1 << doublings).min(max);
        Some(full.mul_f64(1.0 - fastrand::f64() / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_differ() {
        let (min, max) = (Duration::from_millis(20), Duration::from_secs(1));
        let pause = |dials| Backoff { dials, ..Backoff::default() }.pause(min, max);
        assert_eq!(pause(0), None);
        for (dials, full_ms) in [(1, 20), (2, 40), (3, 80), (6, 640), (7, 1000), (90, 1000)] {
            let full = Duration::from_millis(full_ms);
            for _ in 0..100 {
                let pause = pause(dials).unwrap();
                assert!(full / 2 <= pause && pause <= full, "{dials}: {pause:?}");
            }
        }
        assert!((0..100).any(|_| pause(7) != pause(7)));
    }

    #[test]
    fn only_a_stable_connection_resets_the_pauses() {
        let mut backoff = Backoff::default();
        let pause =
            |backoff: &Backoff| backoff.pause(Duration::from_millis(20), Duration::from_secs(1));
        // Whether these dials led to short connections or to none makes no difference.
        for _ in 0..10 {
            backoff.dialled();
        }
        assert!(pause(&backoff).unwrap() >= Duration::from_millis(500));
        backoff.reset();
        assert_eq!(pause(&backoff), None);
    }
}
