//! The queue in front of one node's inbox.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use raft_core::Message;
use raft_core::ports::Inbox;

use crate::incoming_count::IncomingCount;

/// Messages that may wait for one inbox; further ones are dropped.
pub const QUEUE_MESSAGES_MAX: usize = 65_536;

/// Delivers messages to the inbox of one join of a node.
///
/// A sender that finds no delivery in progress delivers the whole queue, including messages that
/// other threads add meanwhile. All other senders return once their message is queued. Messages are
/// delivered in the order in which they were queued, no lock is held while an inbox runs, and an
/// inbox that sends from within `deliver` neither deadlocks nor recurses deeper than the number of
/// nodes.
pub(crate) struct Link {
    inbox: Arc<dyn Inbox>,
    queue: Mutex<Queue>,
    /// True after [`Link::close`]. Locked for reading while a transfer of a snapshot calls the host.
    closed: RwLock<bool>,
    incoming_snapshots: IncomingCount,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Message>,
    /// A sender is delivering; it checks the queue again before it returns.
    delivering: bool,
    closed: bool,
}

impl Link {
    pub(crate) fn new(inbox: Arc<dyn Inbox>) -> Self {
        Self {
            inbox,
            queue: Mutex::default(),
            closed: RwLock::default(),
            incoming_snapshots: IncomingCount::default(),
        }
    }

    pub(crate) fn inbox(&self) -> &dyn Inbox {
        self.inbox.as_ref()
    }

    /// Queues the message and, if no other sender is delivering, delivers the queue.
    pub(crate) fn push(&self, message: Message) {
        {
            let mut queue = self.lock();
            if queue.closed || queue.waiting.len() >= QUEUE_MESSAGES_MAX {
                return;
            }
            queue.waiting.push_back(message);
            if queue.delivering {
                return;
            }
            queue.delivering = true;
        }
        let mut delivery = Delivery { link: self, complete: false };
        while let Some(batch) = delivery.next_batch() {
            self.inbox.deliver_all(batch);
        }
    }

    pub(crate) const fn incoming_snapshots(&self) -> &IncomingCount {
        &self.incoming_snapshots
    }

    /// Calls the host for a transfer of a snapshot; `None` after [`Link::close`].
    pub(crate) fn while_open<T>(&self, call: impl FnOnce() -> T) -> Option<T> {
        let closed = self.closed.read().unwrap_or_else(PoisonError::into_inner);
        (!*closed).then(call)
    }

    /// Drops all queued and all further messages. Waits for calls of transfers of snapshots that
    /// are in progress.
    pub(crate) fn close(&self) {
        {
            let mut queue = self.lock();
            queue.closed = true;
            queue.waiting.clear();
        }
        *self.closed.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Every change to the queue is a single operation, so it is consistent after a panic.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A delivery in progress. It ends when the queue is empty or an inbox panics.
struct Delivery<'a> {
    link: &'a Link,
    complete: bool,
}

impl Delivery<'_> {
    fn next_batch(&mut self) -> Option<Vec<Message>> {
        let mut queue = self.link.lock();
        if queue.waiting.is_empty() {
            queue.delivering = false;
            self.complete = true;
            return None;
        }
        Some(queue.waiting.drain(..).collect())
    }
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        if !self.complete {
            self.link.lock().delivering = false;
        }
    }
}
