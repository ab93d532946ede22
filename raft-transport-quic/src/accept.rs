//! Accepts connections of configured peers and refuses all others.

use std::sync::Arc;

use quinn::{Connecting, Connection, Incoming};
use tokio::time::{Instant, timeout_at};

use crate::admission::{Decision, HandshakePermit, Source};
use crate::close::{CloseCode, describe_close};
use crate::establish::{self, NewConnection};
use crate::handshake::{Handshake, HandshakeRuntime};
use crate::hello_exchange::{receive_hello, send_hello};
use crate::metrics::increment;
use crate::peer::{Peer, Selection};
use crate::refusal_log::RemoteAddress;
use crate::shared::Shared;
use crate::tls::{self, PeerIdentity, Protocol, Refusal};

/// Accepts connections until the endpoint is closed. Runs on the thread of the handshakes.
pub(crate) async fn run(shared: Arc<Shared>) {
    while let Some(incoming) = shared.endpoint.accept().await {
        let address = incoming.remote_address();
        let source = Source::from(address.ip());
        let is_peer_address = shared.is_peer_address(source);
        let validated = incoming.remote_address_validated();
        let remote = RemoteAddress { address, is_peer_address };
        match shared.admission.decide(source, is_peer_address, validated) {
            Decision::Accept(permit) => start_handshake(&shared, incoming, remote, permit),
            Decision::Validate => {
                increment(&shared.accepts.address_checks);
                // Fails only for a validated address, and this one is not.
                let _ = incoming.retry();
            }
            Decision::Refuse => {
                increment(&shared.accepts.refused_limit);
                let reason = "too many handshakes are in progress";
                shared.refusal_log.log(shared.config.node, remote, reason);
                incoming.refuse();
            }
        }
    }
}

fn start_handshake(
    shared: &Arc<Shared>,
    incoming: Incoming,
    remote: RemoteAddress,
    permit: HandshakePermit,
) {
    increment(&shared.accepts.handshakes);
    let (handshake, connecting) = HandshakeRuntime::begin(|| incoming.accept());
    let connecting = match connecting {
        Ok(connecting) => connecting,
        Err(error) => return shared.refused(remote, &describe_close(&error)),
    };
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let deadline = Instant::now() + shared.config.handshake_timeout;
        match timeout_at(deadline, authenticate(&shared, handshake, connecting)).await {
            Ok(Ok((connection, peer))) => {
                // The runtime of established connections runs the rest.
                let runtime = shared.runtime.clone();
                runtime.spawn(async move {
                    let established = establish_accepted(&shared, &peer, &connection);
                    match timeout_at(deadline, established).await {
                        Ok(Ok(())) => {}
                        Ok(Err(reason)) => shared.refused(remote, &reason),
                        Err(_) => {
                            let reason = "the hello exchange was not completed in time";
                            // The connection may be in use already, if the peer permits no stream
                            // for the hello of this node.
                            connection.close(CloseCode::Protocol.into(), reason.as_bytes());
                            shared.refused(remote, reason);
                        }
                    }
                    drop(permit);
                });
            }
            Ok(Err(reason)) => shared.refused(remote, &reason),
            Err(_) => shared.refused(remote, "the handshake was not completed in time"),
        }
    });
}

/// Completes the handshake and checks that the certificate is the one of a configured peer.
async fn authenticate(
    shared: &Shared,
    handshake: Handshake,
    connecting: Connecting,
) -> Result<(Connection, Arc<Peer>), String> {
    let connection = connecting.await.map_err(|close| describe_close(&close))?;
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
    let found = tls::accepted_identity(connection, Protocol::Peer, shared.config.cluster)?;
    match found {
        // The certificate was copied, or a peer address leads back to this node.
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

/// Exchanges hellos on a connection that the peer dialled and brings it into use. Returns the
/// reason for the log if the connection is refused.
async fn establish_accepted(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    connection: &Connection,
) -> Result<(), String> {
    let node = peer.node;
    let received = match receive_hello(shared, connection, peer).await {
        Ok(received) => received,
        // The peer prefers another connection that came into use while it dialled this one.
        Err(_) if establish::was_replaced_by_peer(connection) => return Ok(()),
        Err(error) => {
            connection.close(error.code().into(), error.to_string().as_bytes());
            if let Some(refusal) = error.refusal_by_peer() {
                shared.refused_by_peer(peer, refusal, &error.to_string());
            }
            return Err(format!("node {node}: {error}"));
        }
    };
    let NewConnection { selection, peer_connection } =
        establish::select(shared, peer, connection, &received, node);
    match selection {
        Selection::InUse { hello_sequence } => {
            let outgoing = send_hello(shared, connection, peer, hello_sequence).await;
            let outgoing = outgoing.map_err(|error| {
                peer_connection.close(CloseCode::Protocol, "the hello could not be sent");
                format!("node {node}: {error}")
            })?;
            establish::start(shared, peer, &peer_connection, outgoing, received);
            Ok(())
        }
        Selection::Superfluous => {
            establish::close_superfluous(connection);
            Ok(())
        }
        Selection::Closed => establish::closed_before_use(connection)
            .map_err(|close| format!("node {node}: {close}")),
        Selection::PeerRemoved => {
            establish::close_removed(connection);
            Err(format!("node {node} was removed from the peer set"))
        }
    }
}
