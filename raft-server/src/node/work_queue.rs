//! The queue of a thread.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A queue whose consumer takes the whole content as one batch. It has no bound of its own: the
/// limits of the core and of [`QueueLimits`](super::queue_limits::QueueLimits) bound its content.
#[derive(Debug)]
pub(super) struct WorkQueue<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: Vec<T>,
    /// Whether the consumer waits for `arrived`. A notification costs a system call.
    consumer_waits: bool,
    closed: bool,
}

impl<T> WorkQueue<T> {
    pub(super) fn new() -> Self {
        let state = State { items: Vec::new(), consumer_waits: false, closed: false };
        Self { state: Mutex::new(state), arrived: Condvar::new() }
    }

    /// Moves all items into the queue. After [`WorkQueue::close`] they are dropped.
    pub(super) fn push_all(&self, items: &mut Vec<T>) {
        if items.is_empty() {
            return;
        }
        let mut state = self.state();
        if state.closed {
            items.clear();
            return;
        }
        if state.items.is_empty() {
            mem::swap(&mut state.items, items);
        } else {
            state.items.append(items);
        }
        if mem::take(&mut state.consumer_waits) {
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// Waits for items and exchanges them for the empty `batch`. False once the queue is closed
    /// and empty.
    pub(super) fn take(&self, batch: &mut Vec<T>) -> bool {
        let mut state = self.state();
        while state.items.is_empty() {
            if state.closed {
                return false;
            }
            state.consumer_waits = true;
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.consumer_waits = false;
        mem::swap(&mut state.items, batch);
        true
    }

    /// Accepts no more items; the consumer still takes those that are queued.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.arrived.notify_one();
    }

    /// Whether the queue accepts no more items.
    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Code that runs under the lock cannot panic between two changes that belong together, so the
    /// content behind a poisoned lock is whole.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_queue_delivers_its_items_and_accepts_no_more() {
        let queue = WorkQueue::new();
        queue.push_all(&mut vec![1, 2]);
        queue.push_all(&mut vec![3]);
        queue.close();
        queue.push_all(&mut vec![4]);
        let mut batch = Vec::new();
        assert!(queue.take(&mut batch));
        assert_eq!(batch, [1, 2, 3]);
        batch.clear();
        assert!(!queue.take(&mut batch));
        assert!(batch.is_empty());
    }

    #[test]
    fn a_waiting_consumer_wakes_for_items_and_for_the_close() {
        let queue = std::sync::Arc::new(WorkQueue::new());
        let consumer = std::thread::spawn({
            let queue = std::sync::Arc::clone(&queue);
            move || {
                let (mut taken, mut batch) = (Vec::new(), Vec::new());
                while queue.take(&mut batch) {
                    taken.append(&mut batch);
                }
                taken
            }
        });
        for item in 0..1000 {
            queue.push_all(&mut vec![item]);
        }
        queue.close();
        assert_eq!(consumer.join().unwrap(), (0..1000).collect::<Vec<_>>());
    }
}
