//! Sends and receives the hellos on a new connection.

use quinn::{Connection, RecvStream, SendStream};
use raft_core::ports::PeerRefusal;

use crate::claims::{self, ClaimsRefusal};
use crate::close::{CloseCode, describe_close};
use crate::frame::{FrameReader, FrameTooLarge, write_frame};
use crate::hello::{Hello, SUPPORTED};
use crate::peer::Peer;
use crate::shared::Shared;
use crate::stream_kind::StreamKind;
use crate::stream_writer::open_stream;
use crate::version::NoCommonVersion;

/// The peer's hello, and the control stream on which it arrived.
pub(crate) struct ReceivedHello {
    pub(crate) hello: Hello,
    /// The protocol version that both sides use.
    pub(crate) version: u16,
    pub(crate) incoming: RecvStream,
    /// Contains the bytes that arrived together with the hello.
    pub(crate) frames: FrameReader,
}

/// Why the hello exchange failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HelloError {
    #[error("the connection was closed during the hello exchange: {0}")]
    Closed(String),
    #[error("the peer did not begin the connection with a hello")]
    NoHello,
    #[error(transparent)]
    Version(#[from] NoCommonVersion),
    #[error(transparent)]
    Claims(#[from] ClaimsRefusal),
}

impl HelloError {
    /// The code to close the connection with.
    pub(crate) const fn code(&self) -> CloseCode {
        match self {
            Self::Closed(_) | Self::NoHello => CloseCode::Protocol,
            Self::Version(_) => CloseCode::Version,
            Self::Claims(refusal) => refusal.code(),
        }
    }

    /// The refusal of this node by the peer that the peer's hello shows, if it shows one.
    pub(crate) const fn refusal_by_peer(&self) -> Option<PeerRefusal> {
        match self {
            Self::Closed(_) | Self::NoHello => None,
            Self::Version(_) => Some(PeerRefusal::Version),
            Self::Claims(refusal) => refusal.refusal_by_peer(),
        }
    }
}

impl From<quinn::WriteError> for HelloError {
    fn from(error: quinn::WriteError) -> Self {
        Self::Closed(error.to_string())
    }
}

/// Opens the control stream and sends this node's hello on it. The stream stays open for messages.
pub(crate) async fn send_hello(
    shared: &Shared,
    connection: &Connection,
    peer: &Peer,
    sequence: u64,
) -> Result<SendStream, HelloError> {
    let mut outgoing = open_stream(connection, StreamKind::Control).await?;
    let hello = Hello {
        versions: SUPPORTED,
        instance: shared.instance,
        sequence,
        frame_bytes_max: shared.config.frame_bytes_max,
        claims: claims::ours(&shared.config, peer),
    };
    let mut buffer = Vec::new();
    write_frame(&mut buffer, Hello::FRAME_BYTES_MAX, |to| {
        hello.encode(to);
        Ok::<_, FrameTooLarge>(())
    })
    .expect("a hello is shorter than the limit");
    outgoing.write_all(&buffer).await?;
    Ok(outgoing)
}

/// Receives the peer's hello, which is the first frame of the first stream that the peer opens.
pub(crate) async fn receive_hello(
    shared: &Shared,
    connection: &Connection,
    peer: &Peer,
) -> Result<ReceivedHello, HelloError> {
    let closed = |error: &dyn std::fmt::Display| match connection.close_reason() {
        Some(close) => HelloError::Closed(describe_close(&close)),
        None => HelloError::Closed(error.to_string()),
    };
    let mut incoming = connection.accept_uni().await.map_err(|error| closed(&error))?;
    let mut tag = [0];
    incoming.read_exact(&mut tag).await.map_err(|error| closed(&error))?;
    if StreamKind::from_tag(tag[0]) != Some(StreamKind::Control) {
        return Err(HelloError::NoHello);
    }
    let mut frames = FrameReader::new(Hello::FRAME_BYTES_MAX);
    let frame = loop {
        let chunk = incoming.read_chunk(usize::MAX, true).await.map_err(|error| closed(&error))?;
        frames.push(chunk.ok_or(HelloError::NoHello)?.bytes);
        if let Some(frame) = frames.next_frame().map_err(|_| HelloError::NoHello)? {
            break frame;
        }
    };
    let hello = Hello::decode(frame).ok_or(HelloError::NoHello)?;
    let version = SUPPORTED.agree(hello.versions)?;
    claims::check(&shared.config, peer, &hello.claims)?;
    if hello.frame_bytes_max < shared.config.frame_bytes_max {
        tracing::warn!(
            node = %shared.config.node, ours = shared.config.frame_bytes_max,
            theirs = hello.frame_bytes_max,
            "a peer accepts shorter frames than this node; set frame_bytes_max to the same value \
             on all nodes"
        );
    }
    Ok(ReceivedHello { hello, version, incoming, frames })
}
