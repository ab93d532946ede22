//! Keeps a connection to one peer: dials whenever there is none.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::Connection;
use tokio::time::{sleep, timeout};

use crate::endpoint::Shared;
use crate::error::{CloseCode, describe_end, is_replaced};
use crate::greet::{self, GreetError};
use crate::metrics::bump;
use crate::peer::{Adoption, Peer};
use crate::tls;

/// Runs until aborted, which happens when the peer leaves the set or the transport is closed.
pub(crate) async fn run(shared: Arc<Shared>, peer: Arc<Peer>) {
    let mut connected = peer.connected();
    let mut troubles = Troubles::default();
    loop {
        if connected.wait_for(|connected| !connected).await.is_err() {
            return;
        }
        match dial(&shared, &peer, troubles.attempts()).await {
            Ok(()) => {
                troubles = Troubles::default();
                if !*connected.borrow() {
                    // Lost again already, or the two sides do not see alike yet.
                    sleep(shared.config.redial_min).await;
                }
            }
            Err(why) => {
                bump(&peer.metrics.failed_dials);
                troubles.report(&shared, &peer, why);
                if peer.is_unreachability_news() {
                    shared.inbox.peer_unreachable(peer.node);
                }
                let pause = troubles.pause(shared.config.redial_min, shared.config.redial_max);
                tokio::select! {
                    () = sleep(pause) => {}
                    _ = connected.wait_for(|connected| *connected) => {}
                }
            }
        }
    }
}

/// Dials once. Success means that a connection is in use, this one or another.
async fn dial(shared: &Arc<Shared>, peer: &Arc<Peer>, attempt: u32) -> Result<(), String> {
    let Some(address) = peer.address() else { return Ok(()) };
    let socket_address = resolve(&address, shared.local, attempt).await?;
    let connecting = shared
        .endpoint
        .connect_with(shared.client_config.clone(), socket_address, tls::SERVER_NAME)
        .map_err(|error| format!("cannot dial {address} ({socket_address}): {error}"))?;
    let at = format!("at {address} (UDP {socket_address})");
    let limit = shared.config.handshake_timeout;
    let established = timeout(limit, async {
        // The other side may get through first: then this dial is not needed any more. Once it
        // has heard our first words, it may have taken this connection into use.
        let mut connected = peer.connected();
        let connection = tokio::select! {
            connection = connecting => connection.map_err(|error| describe_end(&error))?,
            _ = connected.wait_for(|connected| *connected) => return Ok(()),
        };
        introduce(shared, peer, &connection).await
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
async fn introduce(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    connection: &Connection,
) -> Result<(), String> {
    if let Err(refusal) = tls::dialled_identity(connection, shared.config.cluster, Some(peer.node))
    {
        refusal.close(connection);
        return Err(refusal.to_string());
    }
    let greeted = async {
        let outgoing = greet::say(shared, peer, connection).await?;
        Ok::<_, GreetError>((outgoing, greet::hear(shared, connection).await?))
    };
    let (outgoing, heard) = match greeted.await {
        Ok(parts) => parts,
        // The other side prefers the connection that it has.
        Err(_) if closed_as_superfluous(connection) => return Ok(()),
        // What the other side had against us is worth more than where it struck.
        Err(error) => {
            let end = connection.close_reason();
            return Err(end.map_or_else(|| error.to_string(), |end| describe_end(&end)));
        }
    };
    match greet::adopt(shared, peer, connection, &heard, shared.config.node) {
        (Adoption::InUse, link) => greet::start(shared, peer, &link, outgoing, heard),
        (Adoption::Superfluous, _) => {
            let reason = b"another connection of this pair is in use";
            connection.close(CloseCode::Replaced.into(), reason);
        }
        (Adoption::Removed, _) => {
            connection.close(CloseCode::Removed.into(), b"this node is no peer any more");
            return Err("it was taken out of the peer set".to_owned());
        }
    }
    Ok(())
}

fn closed_as_superfluous(connection: &Connection) -> bool {
    connection.close_reason().is_some_and(|end| is_replaced(&end))
}

/// One of the socket addresses that the address stands for now, each attempt another one.
async fn resolve(address: &str, local: SocketAddr, attempt: u32) -> Result<SocketAddr, String> {
    let resolved = tokio::net::lookup_host(address)
        .await
        .map_err(|error| format!("cannot resolve {address:?}: {error}"))?;
    // A socket bound to an IPv4 address reaches no others.
    let usable: Vec<SocketAddr> =
        resolved.filter(|found| local.is_ipv6() || found.is_ipv4()).collect();
    let turn = attempt as usize % usable.len().max(1);
    usable
        .get(turn)
        .copied()
        .ok_or_else(|| format!("{address:?} has no address that can be reached from {local}"))
}

/// A run of failed dials.
#[derive(Default)]
struct Troubles {
    attempts: u32,
    /// What the last one said; a log line is written when it changes.
    last: Option<String>,
    since_logged: u32,
}

impl Troubles {
    const fn attempts(&self) -> u32 {
        self.attempts
    }

    fn report(&mut self, shared: &Shared, peer: &Peer, why: String) {
        const LOGGED_EACH: u32 = 100;
        self.attempts = self.attempts.saturating_add(1);
        self.since_logged += 1;
        if self.last.as_ref() != Some(&why) || self.since_logged >= LOGGED_EACH {
            self.since_logged = 0;
            tracing::warn!(
                node = %shared.config.node, peer = %peer.node, attempts = self.attempts,
                "cannot connect to peer {}: {why}", peer.node
            );
        }
        peer.metrics.set_last_error(Some(why.clone()));
        self.last = Some(why);
    }

    /// Doubles with each failure, up to a limit; a random part of up to a half is left out, so
    /// that nodes that lost each other do not keep time.
    fn pause(&self, min: Duration, max: Duration) -> Duration {
        let doublings = self.attempts.saturating_sub(1).min(16);
        let full = min.saturating_mul(1 << doublings).min(max);
        full.mul_f64(1.0 - fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_are_never_alike() {
        let (min, max) = (Duration::from_millis(20), Duration::from_secs(1));
        let pause = |attempts| Troubles { attempts, ..Troubles::default() }.pause(min, max);
        for (attempts, full_ms) in [(1, 20), (2, 40), (3, 80), (6, 640), (7, 1000), (90, 1000)] {
            let full = Duration::from_millis(full_ms);
            for _ in 0..100 {
                let pause = pause(attempts);
                assert!(full / 2 <= pause && pause <= full, "{attempts}: {pause:?}");
            }
        }
        assert!((0..100).any(|_| pause(7) != pause(7)));
    }
}
