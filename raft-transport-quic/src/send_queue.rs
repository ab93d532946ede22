//! A bounded queue of messages between the caller of the transport and the writer of a stream.

use std::sync::{Mutex, MutexGuard, PoisonError};

use raft_core::{Body, Message};
use tokio::sync::Notify;

/// The messages that wait for the writer of one stream. A full queue refuses new messages and keeps
/// the waiting ones: a follower can use the first appends of a sequence without the later ones, but
/// not the reverse.
#[derive(Debug)]
pub(crate) struct SendQueue {
    limits: QueueLimits,
    queue: Mutex<Queue>,
    /// Wakes the writer when a message arrives in the empty queue and when the queue is closed.
    filled: Notify,
}

/// The limits of one queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    pub(crate) bytes_max: usize,
    pub(crate) messages_max: usize,
}

#[derive(Default, Debug)]
struct Queue {
    waiting: Vec<Message>,
    /// The weight of the waiting messages and of those that the writer has taken and QUIC has not
    /// accepted yet.
    bytes: usize,
    closed: bool,
}

/// Why a queue does not accept a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PushError {
    Full,
    Closed,
}

impl SendQueue {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Self { limits, queue: Mutex::default(), filled: Notify::new() }
    }

    /// Adds a message. Never blocks.
    pub(crate) fn push(&self, message: Message) -> Result<(), PushError> {
        let bytes = weight(&message);
        let was_empty = {
            let mut queue = self.lock();
            if queue.closed {
                return Err(PushError::Closed);
            }
            if queue.waiting.len() >= self.limits.messages_max
                || queue.bytes.saturating_add(bytes) > self.limits.bytes_max
            {
                return Err(PushError::Full);
            }
            queue.bytes += bytes;
            queue.waiting.push(message);
            queue.waiting.len() == 1
        };
        if was_empty {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Moves all waiting messages into `batch`, which must be empty. Waits for a message if there
    /// is none; returns `None` once the queue is closed.
    pub(crate) async fn take(&self, batch: &mut Vec<Message>) -> Option<()> {
        loop {
            {
                let mut queue = self.lock();
                if queue.closed {
                    return None;
                }
                if !queue.waiting.is_empty() {
                    std::mem::swap(&mut queue.waiting, batch);
                    return Some(());
                }
            }
            self.filled.notified().await;
        }
    }

    /// Records that QUIC has accepted messages of this weight.
    pub(crate) fn release(&self, bytes: usize) {
        let mut queue = self.lock();
        queue.bytes = queue.bytes.saturating_sub(bytes);
    }

    /// Drops the waiting messages and accepts no more.
    pub(crate) fn close(&self) {
        {
            let mut queue = self.lock();
            queue.closed = true;
            queue.waiting = Vec::new();
        }
        self.filled.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No change of the queue can panic before it is complete.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// About how many bytes a message occupies, in memory and on the wire.
pub(crate) fn weight(message: &Message) -> usize {
    let entries_bytes = match message.body() {
        Body::AppendEntries(append) => {
            append.entries().iter().map(raft_core::Entry::weight_bytes).sum()
        }
        Body::PreVote(_)
        | Body::PreVoteResponse(_)
        | Body::RequestVote(_)
        | Body::RequestVoteResponse(_)
        | Body::AppendEntriesResponse(_)
        | Body::TimeoutNow(_)
        | Body::TimeoutNowResponse(_)
        | Body::ReadIndex(_)
        | Body::ReadIndexResponse(_)
        | Body::InstallSnapshot(_) => 0,
    };
    ENVELOPE_BYTES.saturating_add(usize::try_from(entries_bytes).unwrap_or(usize::MAX))
}

/// What counts for a message in addition to its entries.
const ENVELOPE_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use raft_core::{ClusterId, GroupId, Incarnation, NodeId, RequestVoteResponse, Rpc, Term};

    use super::*;

    const LIMITS: QueueLimits = QueueLimits { bytes_max: 10 * ENVELOPE_BYTES, messages_max: 3 };

    fn vote(term: u64) -> Message {
        Message {
            cluster: ClusterId(1),
            group: GroupId(0),
            from: NodeId(1),
            from_incarnation: Incarnation(1),
            to: NodeId(2),
            to_incarnation: None,
            rpc: Rpc::new(
                Term(term),
                Body::RequestVoteResponse(RequestVoteResponse { granted: true }),
            )
            .unwrap(),
        }
    }

    fn take_now(queue: &SendQueue, batch: &mut Vec<Message>) -> Poll<Option<()>> {
        pin!(queue.take(batch)).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn full_queue_keeps_the_oldest_messages() {
        let queue = SendQueue::new(LIMITS);
        let pushed: Vec<_> = (1..=5).map(|term| queue.push(vote(term))).collect();
        assert_eq!(pushed[..3], [Ok(()); 3]);
        assert_eq!(pushed[3..], [Err(PushError::Full); 2]);
        let mut batch = Vec::new();
        assert_eq!(take_now(&queue, &mut batch), Poll::Ready(Some(())));
        assert_eq!(batch, [vote(1), vote(2), vote(3)]);
    }

    #[test]
    fn messages_count_until_the_writer_releases_them() {
        let queue =
            SendQueue::new(QueueLimits { bytes_max: 3 * ENVELOPE_BYTES, messages_max: 100 });
        for term in 1..=3 {
            queue.push(vote(term)).unwrap();
        }
        let mut batch = Vec::new();
        assert_eq!(take_now(&queue, &mut batch), Poll::Ready(Some(())));
        assert_eq!(queue.push(vote(4)), Err(PushError::Full));
        queue.release(ENVELOPE_BYTES);
        assert_eq!(queue.push(vote(4)), Ok(()));
    }

    #[test]
    fn closed_queue_stops_its_writer_and_accepts_no_message() {
        let queue = SendQueue::new(LIMITS);
        queue.push(vote(1)).unwrap();
        queue.close();
        assert_eq!(queue.push(vote(2)), Err(PushError::Closed));
        assert_eq!(take_now(&queue, &mut Vec::new()), Poll::Ready(None));
    }
}
