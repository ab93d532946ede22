//! Accepts connections from configured peers, and refuses all others.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::{Connecting, Connection, Incoming};
use raft_core::NodeId;
use tokio::time::{Instant, timeout_at};

use crate::admission::{Decision, HandshakePermit, Source};
use crate::endpoint::Shared;
use crate::error::{CloseCode, describe_close};
use crate::handshake::{Handshake, HandshakeRuntime};
use crate::hello_exchange;
use crate::log_limit::LogLimit;
use crate::metrics::increment;
use crate::peer::{Peer, Selection};
use crate::tls::{self, PeerIdentity, Refusal, Role};

/// Runs on the thread of the handshakes until the endpoint is closed.
pub(crate) async fn run(shared: Arc<Shared>) {
    while let Some(incoming) = shared.endpoint.accept().await {
        let address = incoming.remote_address();
        let source = Source::from(address.ip());
        let is_peer_address = shared.is_peer_address(source);
        let validated = incoming.remote_address_validated();
        let remote = RemoteAddress { address, is_peer_address };
        match shared.admission.decide(source, is_peer_address, validated) {
            Decision::Accept(permit) => begin(&shared, incoming, remote, permit),
            Decision::Validate => {
                increment(&shared.accepts.address_checks);
                // Only a validated address cannot be checked once more.
                let _ = incoming.retry();
            }
            Decision::Refuse => {
                increment(&shared.accepts.refused_limit);
                shared.refusals.report(&shared, remote, "too many handshakes are in progress");
                incoming.refuse();
            }
        }
    }
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
struct RemoteAddress {
    address: SocketAddr,
    /// Whether a configured peer is known to be there.
    is_peer_address: bool,
}

fn begin(shared: &Arc<Shared>, incoming: Incoming, remote: RemoteAddress, permit: HandshakePermit) {
    increment(&shared.accepts.handshakes);
    let (handshake, connecting) = HandshakeRuntime::begin(|| incoming.accept());
    let connecting = match connecting {
        Ok(connecting) => connecting,
        Err(error) => return shared.refuse(remote, &describe_close(&error)),
    };
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let deadline = Instant::now() + shared.config.handshake_timeout;
        match timeout_at(deadline, authenticate(&shared, handshake, connecting)).await {
            Ok(Ok((connection, peer))) => {
                // From here on the work is that of established connections.
                let runtime = shared.runtime.clone();
                runtime.spawn(async move {
                    match timeout_at(deadline, complete_hello_exchange(&shared, &peer, &connection))
                        .await
                    {
                        Ok(Ok(())) => {}
                        Ok(Err(why)) => shared.refuse(remote, &why),
                        Err(_) => shared.refuse(remote, "no hello in time"),
                    }
                    drop(permit);
                });
            }
            Ok(Err(why)) => shared.refuse(remote, &why),
            Err(_) => shared.refuse(remote, "the handshake was not completed in time"),
        }
    });
}

/// Completes the handshake and decides by the certificate whether this is a configured peer.
async fn authenticate(
    shared: &Shared,
    handshake: Handshake,
    connecting: Connecting,
) -> Result<(Connection, Arc<Peer>), String> {
    let connection = connecting.await.map_err(|end| describe_close(&end))?;
    match identify(shared, &connection) {
        Ok(peer) => {
            handshake.complete();
            Ok((connection, peer))
        }
        Err(refusal) => {
            refusal.close(&connection);
            if matches!(refusal, Refusal::NotAPeer { .. }) {
                increment(&shared.accepts.refused_not_a_peer);
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
async fn complete_hello_exchange(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    connection: &Connection,
) -> Result<(), String> {
    let node: NodeId = peer.node;
    let received = match hello_exchange::receive_hello(shared, connection).await {
        Ok(received) => received,
        // Another connection came into use while the peer dialled.
        Err(_) if hello_exchange::closed_as_superfluous(connection) => return Ok(()),
        Err(error) => {
            connection.close(error.code().into(), error.to_string().as_bytes());
            return Err(format!("node {node}: {error}"));
        }
    };
    let (selection, peer_connection) =
        hello_exchange::select(shared, peer, connection, &received, node);
    match selection {
        Selection::InUse { hello_sequence } => {
            let outgoing = hello_exchange::send_hello(shared, connection, hello_sequence).await;
            let outgoing = outgoing.map_err(|error| {
                peer_connection.close(CloseCode::Protocol, "the answer could not be sent");
                format!("node {node}: {error}")
            })?;
            hello_exchange::start(shared, peer, &peer_connection, outgoing, received);
            Ok(())
        }
        Selection::Superfluous => {
            hello_exchange::close_superfluous(connection);
            Ok(())
        }
        Selection::Closed => {
            hello_exchange::ended(connection).map_err(|why| format!("node {node}: {why}"))
        }
        Selection::PeerRemoved => {
            connection.close(CloseCode::Removed.into(), b"this node is no peer any more");
            Err(format!("node {node} was taken out of the peer set"))
        }
    }
}

impl Shared {
    fn refuse(&self, remote: RemoteAddress, why: &str) {
        increment(&self.accepts.failed);
        self.refusals.report(self, remote, why);
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
    fn report(&self, shared: &Shared, remote: RemoteAddress, why: &str) {
        let limit = if remote.is_peer_address { &self.peers } else { &self.others };
        let Some(suppressed) = limit.allow() else { return };
        let address = remote.address;
        tracing::warn!(
            node = %shared.config.node, %address, suppressed,
            "refused a connection from {address}: {why}"
        );
    }
}
