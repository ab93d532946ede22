//! The exchange of first words on a new connection, from either end, until it is in use.

use std::sync::Arc;

use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream};

use raft_core::NodeId;

use crate::endpoint::Shared;
use crate::error::{CloseCode, describe_end, is_replaced};
use crate::frame::{FrameReader, write_frame};
use crate::hello::{Hello, SUPPORTED};
use crate::lanes::{LaneKind, LaneLimits};
use crate::link::{ControlStreams, Link, LinkContext, open_lane};
use crate::peer::{Adoption, Peer};
use crate::version::NoCommonVersion;

/// What the other side said first, and its control stream behind that.
pub(crate) struct Heard {
    hello: Hello,
    /// The protocol version that both sides agree on.
    version: u16,
    incoming: RecvStream,
    /// What came with the first words and belongs to the frames after them.
    rest: Bytes,
}

/// Why the first words did not get through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GreetError {
    #[error("the connection broke off: {0}")]
    Broken(String),
    #[error("the peer did not begin the connection with a hello")]
    BadHello,
    #[error(transparent)]
    Version(#[from] NoCommonVersion),
}

impl GreetError {
    /// The code to close the connection with.
    pub(crate) const fn code(&self) -> CloseCode {
        match self {
            Self::Broken(_) | Self::BadHello => CloseCode::Protocol,
            Self::Version(_) => CloseCode::Version,
        }
    }
}

impl From<quinn::WriteError> for GreetError {
    fn from(error: quinn::WriteError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// Says our first words on our own control lane, which stays open for messages.
pub(crate) async fn say(
    shared: &Shared,
    connection: &Connection,
    sequence: u64,
) -> Result<SendStream, GreetError> {
    let mut outgoing = open_lane(connection, LaneKind::Control).await?;
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
pub(crate) async fn hear(shared: &Shared, connection: &Connection) -> Result<Heard, GreetError> {
    let broken = |error: &dyn std::fmt::Display| match connection.close_reason() {
        Some(end) => GreetError::Broken(describe_end(&end)),
        None => GreetError::Broken(error.to_string()),
    };
    let mut incoming = connection.accept_uni().await.map_err(|error| broken(&error))?;
    let mut tag = [0];
    incoming.read_exact(&mut tag).await.map_err(|error| broken(&error))?;
    if LaneKind::from_tag(tag[0]) != Some(LaneKind::Control) {
        return Err(GreetError::BadHello);
    }
    let mut frames = FrameReader::new(Hello::FRAME_BYTES_MAX);
    loop {
        let chunk = incoming.read_chunk(usize::MAX, true).await.map_err(|error| broken(&error))?;
        let mut rest = chunk.ok_or(GreetError::BadHello)?.bytes;
        if let Some(frame) = frames.next(&mut rest).map_err(|_| GreetError::BadHello)? {
            let hello = Hello::decode(frame).ok_or(GreetError::BadHello)?;
            let version = SUPPORTED.agree(hello.versions)?;
            if hello.frame_bytes_max < shared.config.frame_bytes_max {
                tracing::warn!(
                    node = %shared.config.node, ours = shared.config.frame_bytes_max,
                    theirs = hello.frame_bytes_max,
                    "a peer accepts shorter frames than this node; set frame_bytes_max alike"
                );
            }
            return Ok(Heard { hello, version, incoming, rest });
        }
    }
}

/// Takes a connection into use if it is wanted, and watches for its end.
pub(crate) fn adopt(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    connection: &Connection,
    heard: &Heard,
    dialled_by: NodeId,
) -> (Adoption, Arc<Link>) {
    let config = &shared.config;
    let limits =
        LaneLimits { bytes_max: config.queue_bytes_max, messages_max: config.queue_messages_max };
    let link =
        Arc::new(Link::new(connection.clone(), dialled_by, (heard.hello, heard.version), limits));
    let adoption = peer.adopt(config.node, &link);
    if matches!(adoption, Adoption::InUse { .. }) {
        tracing::info!(
            node = %config.node, peer = %peer.node, address = %connection.remote_address(),
            %dialled_by, version = heard.version, "connected to peer {}", peer.node
        );
        tokio::spawn(watch_end(shared.clone(), peer.clone(), link.clone()));
    }
    (adoption, link)
}

/// Closes a connection because another one of the same pair is preferred.
pub(crate) fn close_superfluous(connection: &Connection) {
    connection.close(CloseCode::Replaced.into(), b"another connection of this pair is in use");
}

/// What to report of a connection that ended before it came into use: nothing if the other side
/// prefers another one of the pair.
pub(crate) fn ended(connection: &Connection) -> Result<(), String> {
    match connection.close_reason() {
        Some(end) if !is_replaced(&end) => Err(describe_end(&end)),
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
    link: &Arc<Link>,
    outgoing: SendStream,
    heard: Heard,
) {
    let config = &shared.config;
    let frames = FrameReader::new(config.frame_bytes_max);
    let context = LinkContext {
        cluster: config.cluster,
        own: config.node,
        peer: peer.node,
        frame_bytes_max: config.frame_bytes_max,
        peer_is_newer: heard.hello.versions.highest() > SUPPORTED.highest(),
        inbox: shared.inbox.clone(),
        metrics: peer.metrics.clone(),
    };
    let Heard { incoming, rest, .. } = heard;
    link.start(&Arc::new(context), ControlStreams { outgoing, incoming, frames, rest });
}

async fn watch_end(shared: Arc<Shared>, peer: Arc<Peer>, link: Arc<Link>) {
    let end = link.connection.closed().await;
    link.close_lanes();
    let why = describe_end(&end);
    if peer.lose(&link, why.clone()) {
        tracing::warn!(
            node = %shared.config.node, peer = %peer.node,
            "lost the connection to peer {}: {why}", peer.node
        );
        if peer.is_unreachability_news() {
            shared.inbox.peer_unreachable(peer.node);
        }
    }
}
