//! Accepts connections from configured peers, and refuses all others.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::{Connecting, Connection, Incoming};
use raft_core::NodeId;
use tokio::time::{Instant, timeout_at};

use crate::admission::{Decision, Slot, Source};
use crate::endpoint::Shared;
use crate::error::{CloseCode, describe_end};
use crate::greet;
use crate::handshake::{Handshake, HandshakeRuntime};
use crate::log_limit::LogLimit;
use crate::metrics::bump;
use crate::peer::{Adoption, Peer};
use crate::tls::{self, PeerIdentity, Refusal, Role};

/// Runs on the thread of the handshakes until the endpoint is closed.
pub(crate) async fn run(shared: Arc<Shared>) {
    while let Some(incoming) = shared.endpoint.accept().await {
        let address = incoming.remote_address();
        let source = Source::from(address.ip());
        let is_peer_address = shared.is_peer_address(source);
        let validated = incoming.remote_address_validated();
        let origin = Origin { address, is_peer_address };
        match shared.admission.decide(source, is_peer_address, validated) {
            Decision::Accept(slot) => begin(&shared, incoming, origin, slot),
            Decision::Validate => {
                bump(&shared.accepts.address_checks);
                // Only a validated address cannot be checked once more.
                let _ = incoming.retry();
            }
            Decision::Refuse => {
                bump(&shared.accepts.refused_limit);
                shared.refusals.report(&shared, origin, "too many handshakes are in progress");
                incoming.refuse();
            }
        }
    }
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
struct Origin {
    address: SocketAddr,
    /// Whether a configured peer is known to be there.
    is_peer_address: bool,
}

fn begin(shared: &Arc<Shared>, incoming: Incoming, origin: Origin, slot: Slot) {
    bump(&shared.accepts.handshakes);
    let (handshake, connecting) = HandshakeRuntime::begin(|| incoming.accept());
    let connecting = match connecting {
        Ok(connecting) => connecting,
        Err(error) => return shared.refuse(origin, &describe_end(&error)),
    };
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let deadline = Instant::now() + shared.config.handshake_timeout;
        match timeout_at(deadline, authenticate(&shared, handshake, connecting)).await {
            Ok(Ok((connection, peer))) => {
                // From here on the work is that of established connections.
                let runtime = shared.runtime.clone();
                runtime.spawn(async move {
                    match timeout_at(deadline, welcome(&shared, &peer, &connection)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(why)) => shared.refuse(origin, &why),
                        Err(_) => shared.refuse(origin, "no hello in time"),
                    }
                    drop(slot);
                });
            }
            Ok(Err(why)) => shared.refuse(origin, &why),
            Err(_) => shared.refuse(origin, "the handshake was not completed in time"),
        }
    });
}

/// Completes the handshake and decides by the certificate whether this is a configured peer.
async fn authenticate(
    shared: &Shared,
    handshake: Handshake,
    connecting: Connecting,
) -> Result<(Connection, Arc<Peer>), String> {
    let connection = connecting.await.map_err(|end| describe_end(&end))?;
    match identify(shared, &connection) {
        Ok(peer) => {
            handshake.complete();
            Ok((connection, peer))
        }
        Err(refusal) => {
            refusal.close(&connection);
            if matches!(refusal, Refusal::NotAPeer { .. }) {
                bump(&shared.accepts.refused_not_a_peer);
            }
            Err(refusal.to_string())
        }
    }
}

fn identify(shared: &Shared, connection: &Connection) -> Result<Arc<Peer>, Refusal> {
    let found = tls::accepted_identity(connection, Role::Peer, shared.config.cluster)?;
    match found {
        // Our own name in another's hands: a copied certificate, or an address that leads back.
        PeerIdentity::Node { node, .. } if node == shared.config.node => {
            Err(Refusal::OurOwnName { found })
        }
        PeerIdentity::Node { node, .. } => match shared.configured_peer(node) {
            Some(peer) => {
                peer.authenticated_at(connection.remote_address().ip());
                Ok(peer)
            }
            None => Err(Refusal::NotAPeer { found, refused_by: shared.config.node }),
        },
        PeerIdentity::Client { .. } => Err(Refusal::NotANode { found }),
    }
}

/// Takes a peer's connection into use, or says why not.
async fn welcome(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    connection: &Connection,
) -> Result<(), String> {
    let node: NodeId = peer.node;
    let heard = match greet::hear(shared, connection).await {
        Ok(heard) => heard,
        // Another connection came into use while the peer dialled.
        Err(_) if greet::closed_as_superfluous(connection) => return Ok(()),
        Err(error) => {
            connection.close(error.code().into(), error.to_string().as_bytes());
            return Err(format!("node {node}: {error}"));
        }
    };
    let (adoption, link) = greet::adopt(shared, peer, connection, &heard, node);
    match adoption {
        Adoption::InUse { hello_sequence } => {
            let outgoing = greet::say(shared, connection, hello_sequence).await;
            let outgoing = outgoing.map_err(|error| {
                link.close(CloseCode::Protocol, "the answer could not be sent");
                format!("node {node}: {error}")
            })?;
            greet::start(shared, peer, &link, outgoing, heard);
            Ok(())
        }
        Adoption::Superfluous => {
            greet::close_superfluous(connection);
            Ok(())
        }
        Adoption::Ended => greet::ended(connection).map_err(|why| format!("node {node}: {why}")),
        Adoption::Removed => {
            connection.close(CloseCode::Removed.into(), b"this node is no peer any more");
            Err(format!("node {node} was taken out of the peer set"))
        }
    }
}

impl Shared {
    fn refuse(&self, origin: Origin, why: &str) {
        bump(&self.accepts.failed);
        self.refusals.report(self, origin, why);
    }
}

/// Logs refused connections. Those from addresses of configured peers have a limit of their own:
/// they are what an operator looks for, and must not vanish among those of strangers.
#[derive(Debug, Default)]
pub(crate) struct RefusalLog {
    peers: LogLimit,
    others: LogLimit,
}

impl RefusalLog {
    fn report(&self, shared: &Shared, origin: Origin, why: &str) {
        let limit = if origin.is_peer_address { &self.peers } else { &self.others };
        let Some(suppressed) = limit.allow() else { return };
        let address = origin.address;
        tracing::warn!(
            node = %shared.config.node, %address, suppressed,
            "refused a connection from {address}: {why}"
        );
    }
}
