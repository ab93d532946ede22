//! A thread that belongs to a node.

use std::any::Any;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::error::StopReason;
use super::mailbox::Mailbox;
use super::work_queue::WorkQueue;

/// The driver's hold on a thread and on the queue that feeds it. When it goes, the queue closes,
/// the thread finishes what it was given, and only then the drop returns: a store must not be
/// busy while the process around it ends.
#[derive(Debug)]
pub(super) struct Worker<T> {
    queue: Arc<WorkQueue<T>>,
    thread: Option<Thread>,
}

/// A thread that is waited for, wherever this is dropped.
#[derive(Debug)]
struct Thread(Option<JoinHandle<()>>);

impl<T: Send + 'static> Worker<T> {
    /// Starts a thread that runs `work` until its queue closes. A panic of `work` stops the node.
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
        Ok(Self { queue, thread: Some(Thread(Some(thread))) })
    }

    /// Moves all items to the thread.
    pub(super) fn push_all(&self, items: &mut Vec<T>) {
        self.queue.push_all(items);
    }

    /// Lets the thread finish what it was given and waits for its end.
    pub(super) async fn finish(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // If the runtime ends meanwhile, the thread is waited for there.
            let _ = tokio::task::spawn_blocking(move || drop(thread)).await;
        }
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // It catches its own panics, so that there is nothing to hear from it.
            let _ = thread.join();
        }
    }
}

/// What a panic said.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    if let Some(message) = panic.downcast_ref::<&'static str>() {
        (*message).to_owned()
    } else if let Some(message) = panic.downcast_ref::<String>() {
        message.clone()
    } else {
        "no message".to_owned()
    }
}
