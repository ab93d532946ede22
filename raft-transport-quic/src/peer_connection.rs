//! A connection to a peer with its send queues.

use std::array;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};

use quinn::Connection;
use raft_core::{Incarnation, Message, NodeId};

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

    /// The code and the reason to close this connection with after a change of the peer set; `None`
    /// if it may stay. A changed address is passed in `moved`, with its literal form if it has one.
    pub(crate) fn outdated(
        &self,
        admitted: Option<Incarnation>,
        moved: Option<Option<SocketAddr>>,
    ) -> Option<(CloseCode, String)> {
        if let (Some(admitted), Some(found)) = (admitted, self.hello.claims.incarnation)
            && admitted != found
        {
            let reason = format!(
                "the peer is admitted with incarnation {admitted}, and this is incarnation {found}"
            );
            return Some((CloseCode::WrongIncarnation, reason));
        }
        let remote = self.quic.remote_address();
        let stays = moved.is_none_or(|to| to.is_some_and(|to| is_same(to, remote)));
        (!stays).then(|| (CloseCode::Replaced, "the address of the peer has changed".to_owned()))
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

/// An IPv4 address has another form on a socket that is bound to an IPv6 address.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    (one.ip().to_canonical(), one.port()) == (other.ip().to_canonical(), other.port())
}

const fn bit(kind: StreamKind) -> u8 {
    1 << kind.tag()
}
