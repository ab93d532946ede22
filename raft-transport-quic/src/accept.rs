//! Lets others in: nodes of this cluster with a certificate that says so, and nobody else.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use quinn::{Connecting, Connection, Incoming};
use raft_core::NodeId;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::endpoint::Shared;
use crate::error::{CloseCode, describe_end};
use crate::greet;
use crate::peer::Adoption;
use crate::tls::{self, PeerIdentity, Refusal, Role};

/// Runs until the endpoint is closed.
pub(crate) async fn run(shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(shared.config.handshakes_max));
    let refusals = Arc::new(RefusalLog::default());
    while let Some(incoming) = shared.endpoint.accept().await {
        let Some(incoming) = under_load(&shared, &places, incoming) else { continue };
        let Ok(place) = places.clone().try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        let address = incoming.remote_address();
        let connecting = match incoming.accept() {
            Ok(connecting) => connecting,
            Err(error) => {
                refusals.report(&shared, address, &describe_end(&error));
                continue;
            }
        };
        let (shared, refusals) = (shared.clone(), refusals.clone());
        tokio::spawn(async move {
            let limit = shared.config.handshake_timeout;
            match timeout(limit, welcome(&shared, connecting)).await {
                Ok(Ok(())) => {}
                Ok(Err(why)) => refusals.report(&shared, address, &why),
                Err(_) => refusals.report(&shared, address, "it did not introduce itself in time"),
            }
            drop(place);
        });
    }
}

/// With half of the places taken, strangers must first prove that their address is real: that
/// costs nothing here, and spoofed packets end there.
fn under_load(shared: &Shared, places: &Semaphore, incoming: Incoming) -> Option<Incoming> {
    if places.available_permits() > shared.config.handshakes_max / 2 || !incoming.may_retry() {
        return Some(incoming);
    }
    match incoming.retry() {
        Ok(()) => None,
        Err(error) => Some(error.into_incoming()),
    }
}

/// Takes a connection into use, or says why not.
async fn welcome(shared: &Arc<Shared>, connecting: Connecting) -> Result<(), String> {
    let connection = connecting.await.map_err(|end| describe_end(&end))?;
    let node = identify(shared, &connection).inspect_err(|refusal| refusal.close(&connection));
    let node = node.map_err(|refusal| refusal.to_string())?;
    let heard = match greet::hear(shared, &connection).await {
        Ok(heard) => heard,
        Err(error) => {
            connection.close(CloseCode::Protocol.into(), error.to_string().as_bytes());
            return Err(format!("node {node}: {error}"));
        }
    };
    let peer = shared.peer(node);
    let (adoption, link) = greet::adopt(shared, &peer, &connection, &heard, node);
    match adoption {
        Adoption::InUse => {
            let outgoing = greet::say(shared, &peer, &connection).await;
            let outgoing = outgoing.map_err(|error| {
                link.close(CloseCode::Protocol, "the answer could not be sent");
                format!("node {node}: {error}")
            })?;
            greet::start(shared, &peer, &link, outgoing, heard);
            Ok(())
        }
        Adoption::Superfluous => {
            let reason = b"another connection of this pair is in use";
            connection.close(CloseCode::Replaced.into(), reason);
            Ok(())
        }
        Adoption::Removed => {
            connection.close(CloseCode::Removed.into(), b"this node is no peer any more");
            Err(format!("node {node} was taken out of the peer set"))
        }
    }
}

fn identify(shared: &Shared, connection: &Connection) -> Result<NodeId, Refusal> {
    let found = tls::accepted_identity(connection, Role::Peer, shared.config.cluster)?;
    match found {
        // Our own name in another's hands: a copied certificate, or an address that leads back.
        PeerIdentity::Node { node, .. } if node != shared.config.node => Ok(node),
        PeerIdentity::Node { .. } => Err(Refusal::OurOwnName { found }),
        PeerIdentity::Client { .. } => Err(Refusal::NotANode { found }),
    }
}

/// Writes a log line when an address is refused for a new reason, and each hundredth time for the
/// same one: strangers must not fill the disk.
#[derive(Default)]
struct RefusalLog {
    last: Mutex<HashMap<IpAddr, (String, u64)>>,
}

impl RefusalLog {
    fn report(&self, shared: &Shared, address: SocketAddr, why: &str) {
        let Some(times) = self.count(address.ip(), why) else { return };
        tracing::warn!(
            node = %shared.config.node, %address, times,
            "refused a connection from {address}: {why}"
        );
    }

    /// How many times in a row this has happened, if it is worth a line.
    fn count(&self, address: IpAddr, why: &str) -> Option<u64> {
        const ADDRESSES_MAX: usize = 256;
        const LOGGED_EACH: u64 = 100;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= ADDRESSES_MAX && !last.contains_key(&address) {
            last.clear();
        }
        let (reason, times) = last.entry(address).or_default();
        if reason == why {
            *times += 1;
        } else {
            why.clone_into(reason);
            *times = 1;
        }
        (*times % LOGGED_EACH == 1).then_some(*times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_logged_when_it_is_new_and_each_hundredth_time() {
        let log = RefusalLog::default();
        let [one, two] = [1, 2].map(|n| IpAddr::from([10, 0, 0, n]));
        assert_eq!(log.count(one, "expired"), Some(1));
        assert_eq!(log.count(two, "expired"), Some(1));
        assert!((2..=100).all(|_| log.count(one, "expired").is_none()));
        assert_eq!(log.count(one, "expired"), Some(101));
        assert_eq!(log.count(one, "wrong cluster"), Some(1));
    }
}
