//! Reads messages from a stream, checks them and delivers them.

use std::array;

use bytes::Bytes;
use quinn::{ReadError, RecvStream};
use raft_core::Message;
use raft_core::wire::{self, DecodeError};

use crate::close::CloseCode;
use crate::connection_context::ConnectionContext;
use crate::frame::{FRAME_HEADER_BYTES, FrameReader, FrameTooLarge};
use crate::metrics::{add, increment};
use crate::peer_connection::PeerConnection;
use crate::stream_kind::StreamKind;
use crate::violation::{Violation, check_envelope, close_violated};

/// Reads the tag of a stream that the peer has opened, then its messages.
pub(crate) async fn read_new_stream(
    connection: &PeerConnection,
    context: &ConnectionContext,
    mut incoming: RecvStream,
) {
    let mut tag = [0];
    if incoming.read_exact(&mut tag).await.is_err() {
        return;
    }
    let Some(kind) = StreamKind::from_tag(tag[0]) else {
        if context.peer_is_newer {
            increment(&context.metrics.skipped_streams);
            tracing::debug!(
                node = %context.own, peer = %context.peer, kind = tag[0],
                "stopped a stream of a kind that only newer versions support"
            );
            // Fails only if the peer has reset the stream.
            let _ = incoming.stop(CloseCode::Protocol.into());
            return;
        }
        let violation = Violation::protocol(format!("a stream of the unknown kind {}", tag[0]));
        return close_violated(connection, context, &violation);
    };
    if !connection.record_opened(kind) {
        let violation = Violation::protocol(format!("a second stream of kind {kind:?}"));
        return close_violated(connection, context, &violation);
    }
    let frames = FrameReader::new(context.frame_bytes_max as usize);
    read_stream(connection, context, incoming, frames).await;
}

/// Reads messages until the stream or the connection ends. The messages of one read are delivered
/// together.
pub(crate) async fn read_stream(
    connection: &PeerConnection,
    context: &ConnectionContext,
    mut incoming: RecvStream,
    mut frames: FrameReader,
) {
    let mut chunks: [Bytes; READ_CHUNKS_MAX] = array::from_fn(|_| Bytes::new());
    loop {
        let mut received = Received::default();
        let decoded = received.decode(context, &mut frames);
        // The messages before a violation are complete and authentic.
        received.deliver(context);
        if let Err(violation) = decoded {
            return close_violated(connection, context, &violation);
        }
        match incoming.read_chunks(&mut chunks).await {
            Ok(Some(filled)) => {
                for chunk in &mut chunks[..filled] {
                    frames.push(std::mem::take(chunk));
                }
            }
            // A peer that ends or resets a single stream sends no more on it.
            Ok(None) | Err(ReadError::Reset(_) | ReadError::ConnectionLost(_)) => return,
            Err(error) => {
                let violation = Violation::protocol(error.to_string());
                return close_violated(connection, context, &violation);
            }
        }
    }
}

/// The messages of one read.
#[derive(Default)]
struct Received {
    messages: Vec<Message>,
    bytes: u64,
}

impl Received {
    /// Decodes all complete frames.
    fn decode(
        &mut self,
        context: &ConnectionContext,
        frames: &mut FrameReader,
    ) -> Result<(), Violation> {
        let too_large = |error: FrameTooLarge| Violation {
            code: CloseCode::FrameTooLarge,
            reason: error.to_string(),
        };
        while let Some(frame) = frames.next_frame().map_err(too_large)? {
            self.bytes += (FRAME_HEADER_BYTES + frame.len()) as u64;
            let message = match wire::decode(&frame) {
                Ok(message) => message,
                Err(DecodeError::UnknownKind { kind }) if context.peer_is_newer => {
                    increment(&context.metrics.skipped_messages);
                    tracing::debug!(
                        node = %context.own, peer = %context.peer, kind,
                        "skipped a message of a kind that only newer versions support"
                    );
                    continue;
                }
                Err(error) => {
                    let reason = format!("a malformed message: {error}");
                    return Err(Violation { code: CloseCode::Malformed, reason });
                }
            };
            check_envelope(context, &message)?;
            self.messages.push(message);
        }
        Ok(())
    }

    fn deliver(self, context: &ConnectionContext) {
        add(&context.metrics.bytes_received, self.bytes);
        if !self.messages.is_empty() {
            add(&context.metrics.messages_received, self.messages.len() as u64);
            context.inbox.deliver_all(self.messages);
        }
    }
}

/// The most chunks that one read takes from the stream.
const READ_CHUNKS_MAX: usize = 64;
