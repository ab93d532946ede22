//! A thread of a node.

use std::any::Any;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::error::StopReason;
use super::mailbox::Mailbox;
use super::work_queue::WorkQueue;

/// A thread and its queue. Dropping it closes the queue and waits until the thread has finished the
/// work that was submitted: the log store must not be in use after the runtime has been dropped.
#[derive(Debug)]
pub(super) struct Worker<T> {
    queue: Arc<WorkQueue<T>>,
    thread: Option<JoinOnDrop>,
}

/// Waits for the end of a thread when it is dropped.
#[derive(Debug)]
struct JoinOnDrop(Option<JoinHandle<()>>);

impl<T: Send + 'static> Worker<T> {
    /// Starts a thread that runs `work` until its queue is closed. A panic of `work` stops the
    /// node; `part` names the port that runs on the thread.
    pub(super) fn start(
        name: String,
        part: &'static str,
        mailbox: Arc<Mailbox>,
        work: impl FnOnce(&WorkQueue<T>) + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Arc::new(WorkQueue::new());
        let source = Arc::clone(&queue);
        let thread = thread::Builder::new().name(name).spawn(move || {
            if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| work(&source))) {
                let message = panic_message(panic.as_ref());
                source.close();
                mailbox.fail(StopReason::Panicked { part, message });
            }
        })?;
        Ok(Self { queue, thread: Some(JoinOnDrop(Some(thread))) })
    }

    /// Moves all items into the queue of the thread.
    pub(super) fn push_all(&self, items: &mut Vec<T>) {
        self.queue.push_all(items);
    }

    /// Waits until the thread has finished the work that was submitted, and has ended.
    pub(super) async fn finish(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // If the runtime is dropped meanwhile, it waits for the thread.
            let _ = tokio::task::spawn_blocking(move || drop(thread)).await;
        }
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Drop for JoinOnDrop {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // The thread catches its own panics.
            let _ = thread.join();
        }
    }
}

/// The message of a panic.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    if let Some(message) = panic.downcast_ref::<&'static str>() {
        (*message).to_owned()
    } else if let Some(message) = panic.downcast_ref::<String>() {
        message.clone()
    } else {
        "no message".to_owned()
    }
}
