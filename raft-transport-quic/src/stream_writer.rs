//! Writes the messages of a send queue into a stream.

use bytes::Bytes;
use quinn::{Connection, SendStream};
use raft_core::{Message, wire};

use crate::connection_context::ConnectionContext;
use crate::frame::{FrameTooLarge, write_frame};
use crate::metrics::{add, increment};
use crate::peer_connection::PeerConnection;
use crate::send_queue::weight;
use crate::stream_kind::StreamKind;

/// Opens a stream of this kind. The peer detects the stream when its first bytes arrive.
pub(crate) async fn open_stream(
    connection: &Connection,
    kind: StreamKind,
) -> Result<SendStream, quinn::WriteError> {
    let mut outgoing = connection.open_uni().await?;
    outgoing.set_priority(kind.priority()).map_err(|_| quinn::WriteError::ClosedStream)?;
    outgoing.write_all(&[kind.tag()]).await?;
    Ok(outgoing)
}

/// Writes messages from the queue of this kind until the connection is closed. All queued messages
/// are combined into few large writes.
pub(crate) async fn write_stream(
    connection: &PeerConnection,
    context: &ConnectionContext,
    kind: StreamKind,
    mut outgoing: SendStream,
) {
    let queue = connection.queue(kind);
    let frame_bytes_max = context.frame_bytes_max.min(connection.hello.frame_bytes_max) as usize;
    let mut batch = Vec::new();
    while queue.take(&mut batch).await.is_some() {
        let mut messages = batch.drain(..).peekable();
        while messages.peek().is_some() {
            let mut buffer = Vec::new();
            let (mut count, mut weight_bytes) = (0, 0);
            while let Some(message) = messages.next_if(|_| buffer.len() < WRITE_BYTES) {
                weight_bytes += weight(&message);
                reserve(&mut buffer, weight(&message));
                let written = write_frame(&mut buffer, frame_bytes_max, |to| {
                    wire::encode(&message, to);
                    Ok(())
                });
                match written {
                    Ok(()) => count += 1,
                    Err(error) => drop_oversize(context, &message, error),
                }
            }
            let bytes = buffer.len() as u64;
            if !buffer.is_empty() && outgoing.write_chunk(Bytes::from(buffer)).await.is_err() {
                return;
            }
            queue.release(weight_bytes);
            add(&context.metrics.messages_sent, count);
            add(&context.metrics.bytes_sent, bytes);
        }
    }
}

/// Reserves memory for a message: the capacity doubles for small messages and grows to the exact
/// size for a large one.
fn reserve(buffer: &mut Vec<u8>, weight_bytes: usize) {
    if buffer.capacity() - buffer.len() < weight_bytes {
        buffer.reserve(weight_bytes.max(buffer.capacity()));
    }
}

fn drop_oversize(context: &ConnectionContext, message: &Message, error: FrameTooLarge) {
    increment(&context.metrics.dropped_oversize);
    tracing::error!(
        node = %context.own, peer = %context.peer, kind = message.body().kind(),
        bytes = error.bytes, frame_bytes_max = error.bytes_max,
        "dropped a message that does not fit into a frame; raise frame_bytes_max on all nodes"
    );
}

/// Messages are combined until a write has at least this many bytes.
const WRITE_BYTES: usize = 64 * 1024;
