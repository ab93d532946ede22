//! One established connection with a peer, and the tasks that serve it.

use std::array;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use quinn::{Connection, ReadError, RecvStream, SendStream};
use raft_core::ports::Inbox;
use raft_core::wire::{self, DecodeError};
use raft_core::{ClusterId, Message, NodeId};

use crate::error::CloseCode;
use crate::frame::{FrameReader, write_frame};
use crate::hello::Hello;
use crate::metrics::{PeerMetrics, add, increment};
use crate::streams::{PushError, QueueLimits, SendQueue, StreamKind, weight};

/// A connection in use.
#[derive(Debug)]
pub(crate) struct PeerConnection {
    pub(crate) quic: Connection,
    /// Which side dialled.
    pub(crate) dialled_by: NodeId,
    /// What the peer said of itself on this connection.
    pub(crate) hello: Hello,
    /// The protocol version that both sides agreed on.
    pub(crate) version: u16,
    queues: [SendQueue; StreamKind::ALL.len()],
    /// Which queues the peer has opened, as bits.
    opened: AtomicU8,
}

/// What every task of a link needs to know.
pub(crate) struct ConnectionContext {
    pub(crate) cluster: ClusterId,
    pub(crate) own: NodeId,
    pub(crate) peer: NodeId,
    pub(crate) frame_bytes_max: u32,
    /// The peer supports a version that this release does not know: what it sends beyond the
    /// agreed one is skipped.
    pub(crate) peer_is_newer: bool,
    pub(crate) inbox: Arc<dyn Inbox>,
    pub(crate) metrics: Arc<PeerMetrics>,
}

/// The control streams of a connection whose two sides know each other: the one written to, and
/// the one read from with the reader that may hold the beginning of the next frame.
pub(crate) struct ControlStreams {
    pub(crate) outgoing: SendStream,
    pub(crate) incoming: RecvStream,
    pub(crate) frames: FrameReader,
    pub(crate) rest: Bytes,
}

impl PeerConnection {
    pub(crate) fn new(
        connection: Connection,
        dialled_by: NodeId,
        (hello, version): (Hello, u16),
        limits: QueueLimits,
    ) -> Self {
        let queues = array::from_fn(|_| SendQueue::new(limits));
        let opened = AtomicU8::new(1 << StreamKind::Control.tag());
        Self { quic: connection, dialled_by, hello, version, queues, opened }
    }

    /// Leaves a message to its lane's writer.
    pub(crate) fn push(&self, message: Message) -> Result<(), PushError> {
        self.queue(StreamKind::of(message.body())).push(message)
    }

    /// Closes the connection and drops what waits in the queues.
    pub(crate) fn close(&self, code: CloseCode, reason: &str) {
        self.quic.close(code.into(), reason.as_bytes());
        self.close_queues();
    }

    pub(crate) fn close_queues(&self) {
        for queue in &self.queues {
            queue.close();
        }
    }

    const fn queue(&self, kind: StreamKind) -> &SendQueue {
        &self.queues[kind as usize]
    }

    /// Starts the tasks that write and read the queues. They end with the connection.
    pub(crate) fn start(
        self: &Arc<Self>,
        context: &Arc<ConnectionContext>,
        control: ControlStreams,
    ) {
        let ControlStreams { outgoing, incoming, frames, rest } = control;
        let (this, ctx) = (self.clone(), context.clone());
        tokio::spawn(async move { this.write_stream(&ctx, StreamKind::Control, outgoing).await });
        let (this, ctx) = (self.clone(), context.clone());
        tokio::spawn(async move {
            if let Ok(outgoing) = open_stream(&this.quic, StreamKind::Append).await {
                this.write_stream(&ctx, StreamKind::Append, outgoing).await;
            }
        });
        let (this, ctx) = (self.clone(), context.clone());
        tokio::spawn(async move { this.read_stream(&ctx, incoming, frames, rest).await });
        let (this, ctx) = (self.clone(), context.clone());
        tokio::spawn(async move {
            while let Ok(incoming) = this.quic.accept_uni().await {
                let (this, ctx) = (this.clone(), ctx.clone());
                tokio::spawn(async move { this.read_new_stream(&ctx, incoming).await });
            }
        });
    }

    /// Drains the lane into its stream: everything that has gathered goes in few large writes.
    async fn write_stream(
        &self,
        context: &ConnectionContext,
        kind: StreamKind,
        mut outgoing: SendStream,
    ) {
        let queue = self.queue(kind);
        let allowed = context.frame_bytes_max.min(self.hello.frame_bytes_max);
        let mut batch = Vec::new();
        while queue.take(&mut batch).await.is_some() {
            let mut messages = batch.drain(..).peekable();
            while messages.peek().is_some() {
                let mut buffer = Vec::new();
                let (mut count, mut weight_bytes) = (0, 0);
                while let Some(message) = messages.next_if(|_| buffer.len() < WRITE_BYTES) {
                    weight_bytes += weight(&message);
                    reserve(&mut buffer, weight(&message));
                    match write_frame(&mut buffer, allowed, |to| wire::encode(&message, to)) {
                        Ok(()) => count += 1,
                        Err(bytes) => drop_oversize(context, &message, bytes, allowed),
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

    async fn read_new_stream(&self, context: &ConnectionContext, mut incoming: RecvStream) {
        let mut tag = [0];
        if incoming.read_exact(&mut tag).await.is_err() {
            return;
        }
        let Some(kind) = StreamKind::from_tag(tag[0]) else {
            if context.peer_is_newer {
                increment(&context.metrics.skipped_streams);
                tracing::debug!(
                    node = %context.own, peer = %context.peer, kind = tag[0],
                    "stopped a stream of a kind that only newer versions know"
                );
                // A stream that the peer has reset meanwhile needs no stop.
                let _ = incoming.stop(CloseCode::Protocol.into());
                return;
            }
            let reason = format!("a stream for the unknown lane {}", tag[0]);
            return self.close_violated(context, CloseCode::Protocol, &reason);
        };
        let bit = 1 << kind.tag();
        if self.opened.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            return self.close_violated(context, CloseCode::Protocol, "a second stream for a lane");
        }
        let frames = FrameReader::new(context.frame_bytes_max);
        self.read_stream(context, incoming, frames, Bytes::new()).await;
    }

    /// Hands over what arrives, all that is there at a time.
    async fn read_stream(
        &self,
        context: &ConnectionContext,
        mut incoming: RecvStream,
        mut frames: FrameReader,
        rest: Bytes,
    ) {
        let mut chunks: [Bytes; READ_CHUNKS_MAX] = array::from_fn(|_| Bytes::new());
        chunks[0] = rest;
        let mut filled = 1;
        loop {
            let mut arrived = Arrived::default();
            for chunk in &mut chunks[..filled] {
                let chunk = std::mem::take(chunk);
                if let Err((code, reason)) = arrived.read(context, &mut frames, chunk) {
                    // What came before is whole and authentic.
                    arrived.deliver(context);
                    return self.close_violated(context, code, &reason);
                }
            }
            arrived.deliver(context);
            filled = match incoming.read_chunks(&mut chunks).await {
                Ok(Some(filled)) => filled,
                // A peer that ends or resets a lane alone has nothing more to say on it.
                Ok(None) | Err(ReadError::Reset(_) | ReadError::ConnectionLost(_)) => return,
                Err(error) => {
                    let reason = error.to_string();
                    return self.close_violated(context, CloseCode::Protocol, &reason);
                }
            };
        }
    }

    fn close_violated(&self, context: &ConnectionContext, code: CloseCode, reason: &str) {
        increment(&context.metrics.violations);
        if let Some(suppressed) = context.metrics.violation_log.allow() {
            tracing::error!(
                node = %context.own, peer = %context.peer, ?code, reason, suppressed,
                "closed the connection: the peer sent what it must not"
            );
        }
        self.close(code, reason);
    }
}

/// Opens the stream of a lane. The peer learns of it with the first bytes.
pub(crate) async fn open_stream(
    connection: &Connection,
    kind: StreamKind,
) -> Result<SendStream, quinn::WriteError> {
    let mut outgoing = connection.open_uni().await?;
    outgoing.set_priority(kind.priority()).map_err(|_| quinn::WriteError::ClosedStream)?;
    outgoing.write_all(&[kind.tag()]).await?;
    Ok(outgoing)
}

/// Messages that arrived together.
#[derive(Default)]
struct Arrived {
    messages: Vec<Message>,
    bytes: u64,
}

impl Arrived {
    fn read(
        &mut self,
        context: &ConnectionContext,
        frames: &mut FrameReader,
        mut chunk: Bytes,
    ) -> Result<(), (CloseCode, String)> {
        self.bytes += chunk.len() as u64;
        while let Some(frame) = frames
            .next(&mut chunk)
            .map_err(|too_large| (CloseCode::FrameTooLarge, too_large.to_string()))?
        {
            let message = match wire::decode(&frame) {
                Ok(message) => message,
                Err(DecodeError::UnknownKind { kind }) if context.peer_is_newer => {
                    increment(&context.metrics.skipped_messages);
                    tracing::debug!(
                        node = %context.own, peer = %context.peer, kind,
                        "skipped a message of a kind that only newer versions know"
                    );
                    continue;
                }
                Err(error) => return Err((CloseCode::Malformed, format!("no message: {error}"))),
            };
            check_envelope(context, &message).map_err(|why| (CloseCode::WrongSender, why))?;
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

/// The certificates have said who is at either end; an envelope that says otherwise is a lie or a
/// bug.
fn check_envelope(context: &ConnectionContext, message: &Message) -> Result<(), String> {
    let ConnectionContext { cluster, own, peer, .. } = context;
    if message.cluster != *cluster {
        return Err(format!("a message of cluster {}", message.cluster));
    }
    if message.from != *peer {
        return Err(format!("a message in the name of node {}", message.from));
    }
    if message.to != *own {
        return Err(format!("a message for node {}", message.to));
    }
    Ok(())
}

/// Grows the buffer in one step for small messages, and to the whole size for a large one.
fn reserve(buffer: &mut Vec<u8>, weight_bytes: usize) {
    if buffer.capacity() - buffer.len() < weight_bytes {
        buffer.reserve(weight_bytes.max(buffer.capacity()));
    }
}

fn drop_oversize(context: &ConnectionContext, message: &Message, bytes: usize, allowed: u32) {
    increment(&context.metrics.dropped_oversize);
    tracing::error!(
        node = %context.own, peer = %context.peer, kind = message.body().kind(), bytes, allowed,
        "dropped a message that is longer than a frame may be; raise frame_bytes_max on all nodes"
    );
}

/// One write holds at least this much, if there is as much.
const WRITE_BYTES: usize = 64 * 1024;
/// How many pieces are taken from a stream at a time.
const READ_CHUNKS_MAX: usize = 64;
