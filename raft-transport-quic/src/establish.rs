//! Brings a connection into use after the hello of the peer has arrived on it.

use std::sync::Arc;

use quinn::{Connection, SendStream};
use raft_core::NodeId;

use crate::close::{CloseCode, describe_close, is_replaced, refusal_in};
use crate::connection_context::ConnectionContext;
use crate::hello::SUPPORTED;
use crate::hello_exchange::ReceivedHello;
use crate::peer::{Peer, Selection};
use crate::peer_connection::PeerConnection;
use crate::send_queue::QueueLimits;
use crate::shared::Shared;
use crate::stream_tasks::{self, ControlStreams};

/// A connection on which the peer's hello has arrived, and the decision whether it is used.
pub(crate) struct NewConnection {
    pub(crate) selection: Selection,
    pub(crate) peer_connection: Arc<PeerConnection>,
}

/// Decides whether a connection is used. If so, messages are queued for it from now on, and its
/// close is detected.
pub(crate) fn select(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    connection: &Connection,
    received: &ReceivedHello,
    dialled_by: NodeId,
) -> NewConnection {
    let config = &shared.config;
    let limits =
        QueueLimits { bytes_max: config.queue_bytes_max, messages_max: config.queue_messages_max };
    let peer_connection = Arc::new(PeerConnection::new(
        connection.clone(),
        dialled_by,
        (received.hello, received.version),
        limits,
    ));
    let selection = peer.select_connection(config.node, &peer_connection);
    if matches!(selection, Selection::InUse { .. }) {
        tracing::info!(
            node = %config.node, peer = %peer.node, address = %connection.remote_address(),
            %dialled_by, version = received.version, "connected to peer {}", peer.node
        );
        tokio::spawn(watch_close(shared.clone(), peer.clone(), peer_connection.clone()));
    }
    NewConnection { selection, peer_connection }
}

/// Starts the tasks that send and receive messages on a connection in use.
pub(crate) fn start(
    shared: &Shared,
    peer: &Peer,
    peer_connection: &Arc<PeerConnection>,
    outgoing: SendStream,
    received: ReceivedHello,
) {
    let config = &shared.config;
    let context = ConnectionContext {
        cluster: config.cluster,
        own: config.node,
        peer: peer.node,
        frame_bytes_max: config.frame_bytes_max,
        peer_is_newer: received.hello.versions.highest() > SUPPORTED.highest(),
        inbox: shared.inbox.clone(),
        metrics: peer.metrics.clone(),
        transfers: shared.transfers.clone(),
        peer_transfers: peer.snapshots.clone(),
        incoming_snapshots: shared.incoming_snapshots.clone(),
        snapshot_stall_timeout: config.snapshot_stall_timeout,
    };
    let ReceivedHello { incoming, mut frames, .. } = received;
    frames.set_bytes_max(config.frame_bytes_max as usize);
    let control = ControlStreams { outgoing, incoming, frames };
    stream_tasks::start(peer_connection, &Arc::new(context), control);
}

/// Closes a connection because another one of the same pair of nodes is preferred.
pub(crate) fn close_superfluous(connection: &Connection) {
    connection.close(CloseCode::Replaced.into(), b"another connection of this pair is in use");
}

/// Closes a connection because the other node was removed from the peer set.
pub(crate) fn close_removed(connection: &Connection) {
    connection.close(CloseCode::Removed.into(), b"this node is no longer a peer");
}

/// Whether the peer closed this connection because it prefers another one of the pair.
pub(crate) fn was_replaced_by_peer(connection: &Connection) -> bool {
    connection.close_reason().is_some_and(|close| is_replaced(&close))
}

/// The result of establishing a connection that was closed before it came into use: no error if the
/// peer prefers another one of the pair.
pub(crate) fn closed_before_use(connection: &Connection) -> Result<(), String> {
    match connection.close_reason() {
        Some(close) if !is_replaced(&close) => Err(describe_close(&close)),
        Some(_) | None => Ok(()),
    }
}

async fn watch_close(shared: Arc<Shared>, peer: Arc<Peer>, peer_connection: Arc<PeerConnection>) {
    let close = peer_connection.quic.closed().await;
    peer_connection.close_queues();
    let reason = describe_close(&close);
    if peer.connection_lost(&peer_connection, reason.clone()) {
        tracing::warn!(
            node = %shared.config.node, peer = %peer.node,
            "lost the connection to peer {}: {reason}", peer.node
        );
        if peer.mark_unreachable() {
            shared.inbox.peer_unreachable(peer.node);
        }
        if let Some(refusal) = refusal_in(&close) {
            shared.refused_by_peer(&peer, refusal, &reason);
        }
    }
}
