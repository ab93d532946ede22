//! The way into one node's inbox.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raft_core::Message;
use raft_core::ports::Inbox;

/// How many messages may wait for one inbox; the newest are dropped beyond that.
pub const QUEUE_MESSAGES_MAX: usize = 65_536;

/// Leads to the inbox of one life of a node.
///
/// Whoever finds the queue unattended delivers what is in it, also what others put there
/// meanwhile; everybody else leaves the message behind and goes on. So messages keep the order in
/// which they were queued, no lock is held while an inbox runs, and an inbox that sends from
/// within `deliver` neither waits for itself nor recurses deeper than there are nodes.
pub(crate) struct Link {
    inbox: Arc<dyn Inbox>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Message>,
    /// Somebody is delivering, and will look again before going away.
    attended: bool,
    closed: bool,
}

impl Link {
    pub(crate) fn new(inbox: Arc<dyn Inbox>) -> Self {
        Self { inbox, queue: Mutex::default() }
    }

    pub(crate) fn inbox(&self) -> &dyn Inbox {
        self.inbox.as_ref()
    }

    /// Queues the message and, if nobody else does, delivers the queue.
    pub(crate) fn push(&self, message: Message) {
        {
            let mut queue = self.lock();
            if queue.closed || queue.waiting.len() >= QUEUE_MESSAGES_MAX {
                return;
            }
            queue.waiting.push_back(message);
            if queue.attended {
                return;
            }
            queue.attended = true;
        }
        let mut attendance = Attendance { link: self, over: false };
        while let Some(batch) = attendance.next_batch() {
            self.inbox.deliver_all(batch);
        }
    }

    /// Delivers nothing from now on.
    pub(crate) fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        queue.waiting.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Every change to the queue is a single step: it is whole even if somebody panicked.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The duty to deliver; given up when the queue is empty, or when an inbox panics.
struct Attendance<'a> {
    link: &'a Link,
    over: bool,
}

impl Attendance<'_> {
    fn next_batch(&mut self) -> Option<Vec<Message>> {
        let mut queue = self.link.lock();
        if queue.waiting.is_empty() {
            queue.attended = false;
            self.over = true;
            return None;
        }
        Some(queue.waiting.drain(..).collect())
    }
}

impl Drop for Attendance<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.link.lock().attended = false;
        }
    }
}
