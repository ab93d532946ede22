//! Accepts connections and completes their handshakes.

use std::sync::Arc;
use std::time::Duration;

use quinn::{Connecting, Connection, Endpoint, Incoming};
use raft_transport_quic::tls::{self, PeerIdentity, Protocol};
use raft_transport_quic::{CloseCode, Handshake, HandshakeRuntime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tracing::{debug, warn};

use super::connection;
use super::context::{ConnectionSlot, Context};

/// The most time that a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
const TOO_MANY: &str = "too many clients are connected";

/// Accepts connections until `stop` changes or the endpoint is closed. Runs on the thread of the
/// handshakes.
pub(super) async fn accept(
    endpoint: Endpoint,
    context: Arc<Context>,
    mut stop: watch::Receiver<bool>,
) {
    let handshakes_max = context.config.handshakes_max.max(1);
    let half_open = Arc::new(Semaphore::new(handshakes_max));
    loop {
        let next = async {
            // While too many connections are half open, further ones wait in the queue of the
            // endpoint.
            let permit = Arc::clone(&half_open).acquire_owned().await.ok()?;
            Some((permit, endpoint.accept().await?))
        };
        let next = tokio::select! {
            next = next => next,
            _ = stop.changed() => return,
        };
        let Some((permit, incoming)) = next else { return };
        if context.is_full() {
            context.log_refusal(incoming.remote_address(), &TOO_MANY);
            incoming.refuse();
        } else if half_open.available_permits() < handshakes_max / 2
            && !incoming.remote_address_validated()
        {
            // Under load a client must prove that it receives packets at its address before the
            // handshake costs more. `retry` fails for validated addresses only.
            let _ = incoming.retry();
        } else {
            begin(&context, incoming, permit, stop.clone());
        }
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
        Err(error) => return context.log_refusal(from, &error),
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
            Ok(Ok((connection, identity, slot))) => {
                let runtime = context.runtime.clone();
                runtime.spawn(serve(connection, identity, slot, stop));
            }
            Ok(Err(reason)) => context.log_refusal(from, &reason),
            Err(_) => context.log_refusal(from, &"the handshake took too long"),
        }
    });
}

/// Completes the handshake, checks the certificate and acquires a slot for the connection.
async fn authenticate(
    context: &Arc<Context>,
    handshake: Handshake,
    connecting: Connecting,
) -> Result<(Connection, PeerIdentity, ConnectionSlot), String> {
    let connection = connecting.await.map_err(|error| error.to_string())?;
    let identity = tls::accepted_identity(&connection, Protocol::Client, context.config.cluster)
        .map_err(|refusal| {
            refusal.close(&connection);
            refusal.to_string()
        })?;
    let Some(slot) = ConnectionSlot::acquire(context) else {
        connection.close(CloseCode::Overloaded.into(), TOO_MANY.as_bytes());
        return Err(TOO_MANY.to_owned());
    };
    handshake.complete();
    Ok((connection, identity, slot))
}

async fn serve(
    connection: Connection,
    identity: PeerIdentity,
    slot: ConnectionSlot,
    stop: watch::Receiver<bool>,
) {
    let context = slot.context();
    let from = connection.remote_address();
    debug!(%from, client = %identity, "a client connected");
    let served = connection::serve(&connection, identity.clone(), context, stop).await;
    if let Err(error) = served {
        if let Some(suppressed) = context.close_log.allow() {
            warn!(%from, client = %identity, %error, suppressed, "closing a client's connection");
        }
        connection.close(error.code().into(), error.to_string().as_bytes());
    }
}
