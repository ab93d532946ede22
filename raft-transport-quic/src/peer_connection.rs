//! A connection to a peer with its send queues.

use std::array;
use std::sync::atomic::{AtomicU8, Ordering};

use quinn::Connection;
use raft_core::{Message, NodeId};

use crate::close::CloseCode;
use crate::hello::Hello;
use crate::send_queue::{PushError, QueueLimits, SendQueue};
use crate::stream_kind::StreamKind;

/// A connection to a peer on which the peer's hello has arrived.
#[derive(Debug)]
pub(crate) struct PeerConnection {
    pub(crate) quic: Connection,
    /// The node that dialled.
    pub(crate) dialled_by: NodeId,
    /// The peer's hello on this connection.
    pub(crate) hello: Hello,
    /// The protocol version that both sides use.
    pub(crate) version: u16,
    queues: [SendQueue; StreamKind::ALL.len()],
    /// The kinds of streams that the peer has opened, one bit each.
    opened: AtomicU8,
}

impl PeerConnection {
    pub(crate) fn new(
        quic: Connection,
        dialled_by: NodeId,
        (hello, version): (Hello, u16),
        limits: QueueLimits,
    ) -> Self {
        let queues = array::from_fn(|_| SendQueue::new(limits));
        // The hello has arrived on the control stream.
        let opened = AtomicU8::new(bit(StreamKind::Control));
        Self { quic, dialled_by, hello, version, queues, opened }
    }

    /// Adds a message to the queue of its stream.
    pub(crate) fn push(&self, message: Message) -> Result<(), PushError> {
        self.queue(StreamKind::of(message.body())).push(message)
    }

    /// Closes the connection and drops the queued messages.
    pub(crate) fn close(&self, code: CloseCode, reason: &str) {
        self.quic.close(code.into(), reason.as_bytes());
        self.close_queues();
    }

    pub(crate) fn close_queues(&self) {
        for queue in &self.queues {
            queue.close();
        }
    }

    pub(crate) const fn queue(&self, kind: StreamKind) -> &SendQueue {
        &self.queues[kind as usize]
    }

    /// Records that the peer has opened a stream. Returns false if it is not the first of its kind.
    pub(crate) fn record_opened(&self, kind: StreamKind) -> bool {
        self.opened.fetch_or(bit(kind), Ordering::Relaxed) & bit(kind) == 0
    }
}

const fn bit(kind: StreamKind) -> u8 {
    1 << kind.tag()
}
