//! The exchange of first words on a new connection, from either end, until it is in use.

use std::sync::Arc;

use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream};

use raft_core::NodeId;

use crate::endpoint::Shared;
use crate::error::{CloseCode, describe_close, is_replaced};
use crate::frame::{FrameReader, write_frame};
use crate::hello::{Hello, SUPPORTED};
use crate::peer::{Peer, Selection};
use crate::peer_connection::{ConnectionContext, ControlStreams, PeerConnection, open_stream};
use crate::streams::{QueueLimits, StreamKind};
use crate::version::NoCommonVersion;

/// What the other side said first, and its control stream behind that.
pub(crate) struct ReceivedHello {
    hello: Hello,
    /// The protocol version that both sides agree on.
    version: u16,
    incoming: RecvStream,
    /// What came with the first words and belongs to the frames after them.
    rest: Bytes,
}

/// Why the first words did not get through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HelloError {
    #[error("the connection broke off: {0}")]
    Broken(String),
    #[error("the peer did not begin the connection with a hello")]
    BadHello,
    #[error(transparent)]
    Version(#[from] NoCommonVersion),
}

impl HelloError {
    /// The code to close the connection with.
    pub(crate) const fn code(&self) -> CloseCode {
        match self {
            Self::Broken(_) | Self::BadHello => CloseCode::Protocol,
            Self::Version(_) => CloseCode::Version,
        }
    }
}

impl From<quinn::WriteError> for HelloError {
    fn from(error: quinn::WriteError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// Says our first words on our own control lane, which stays open for messages.
pub(crate) async fn send_hello(
    shared: &Shared,
    connection: &Connection,
    sequence: u64,
) -> Result<SendStream, HelloError> {
    let mut outgoing = open_stream(connection, StreamKind::Control).await?;
    let hello = Hello {
        versions: SUPPORTED,
        instance: shared.instance,
        sequence,
        frame_bytes_max: shared.config.frame_bytes_max,
    };
    let mut buffer = Vec::new();
    write_frame(&mut buffer, Hello::FRAME_BYTES_MAX, |to| hello.encode(to))
        .expect("a hello is far shorter than the limit");
    outgoing.write_all(&buffer).await?;
    Ok(outgoing)
}

/// Hears the other side's first words. Their stream is the first that it opened.
pub(crate) async fn receive_hello(
    shared: &Shared,
    connection: &Connection,
) -> Result<ReceivedHello, HelloError> {
    let broken = |error: &dyn std::fmt::Display| match connection.close_reason() {
        Some(end) => HelloError::Broken(describe_close(&end)),
        None => HelloError::Broken(error.to_string()),
    };
    let mut incoming = connection.accept_uni().await.map_err(|error| broken(&error))?;
    let mut tag = [0];
    incoming.read_exact(&mut tag).await.map_err(|error| broken(&error))?;
    if StreamKind::from_tag(tag[0]) != Some(StreamKind::Control) {
        return Err(HelloError::BadHello);
    }
    let mut frames = FrameReader::new(Hello::FRAME_BYTES_MAX);
    loop {
        let chunk = incoming.read_chunk(usize::MAX, true).await.map_err(|error| broken(&error))?;
        let mut rest = chunk.ok_or(HelloError::BadHello)?.bytes;
        if let Some(frame) = frames.next(&mut rest).map_err(|_| HelloError::BadHello)? {
            let hello = Hello::decode(frame).ok_or(HelloError::BadHello)?;
            let version = SUPPORTED.agree(hello.versions)?;
            if hello.frame_bytes_max < shared.config.frame_bytes_max {
                tracing::warn!(
                    node = %shared.config.node, ours = shared.config.frame_bytes_max,
                    theirs = hello.frame_bytes_max,
                    "a peer accepts shorter frames than this node; set frame_bytes_max alike"
                );
            }
            return Ok(ReceivedHello { hello, version, incoming, rest });
        }
    }
}

/// Takes a connection into use if it is wanted, and watches for its end.
pub(crate) fn select(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    connection: &Connection,
    received: &ReceivedHello,
    dialled_by: NodeId,
) -> (Selection, Arc<PeerConnection>) {
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
    (selection, peer_connection)
}

/// Closes a connection because another one of the same pair is preferred.
pub(crate) fn close_superfluous(connection: &Connection) {
    connection.close(CloseCode::Replaced.into(), b"another connection of this pair is in use");
}

/// What to report of a connection that ended before it came into use: nothing if the other side
/// prefers another one of the pair.
pub(crate) fn ended(connection: &Connection) -> Result<(), String> {
    match connection.close_reason() {
        Some(end) if !is_replaced(&end) => Err(describe_close(&end)),
        Some(_) | None => Ok(()),
    }
}

/// Whether the other side has closed this connection because it prefers another one of the pair.
pub(crate) fn closed_as_superfluous(connection: &Connection) -> bool {
    connection.close_reason().is_some_and(|end| is_replaced(&end))
}

/// Starts the traffic on a connection in use.
pub(crate) fn start(
    shared: &Shared,
    peer: &Peer,
    peer_connection: &Arc<PeerConnection>,
    outgoing: SendStream,
    received: ReceivedHello,
) {
    let config = &shared.config;
    let frames = FrameReader::new(config.frame_bytes_max);
    let context = ConnectionContext {
        cluster: config.cluster,
        own: config.node,
        peer: peer.node,
        frame_bytes_max: config.frame_bytes_max,
        peer_is_newer: received.hello.versions.highest() > SUPPORTED.highest(),
        inbox: shared.inbox.clone(),
        metrics: peer.metrics.clone(),
    };
    let ReceivedHello { incoming, rest, .. } = received;
    peer_connection.start(&Arc::new(context), ControlStreams { outgoing, incoming, frames, rest });
}

async fn watch_close(shared: Arc<Shared>, peer: Arc<Peer>, peer_connection: Arc<PeerConnection>) {
    let end = peer_connection.quic.closed().await;
    peer_connection.close_queues();
    let why = describe_close(&end);
    if peer.connection_lost(&peer_connection, why.clone()) {
        tracing::warn!(
            node = %shared.config.node, peer = %peer.node,
            "lost the connection to peer {}: {why}", peer.node
        );
        if peer.mark_unreachable() {
            shared.inbox.peer_unreachable(peer.node);
        }
    }
}
