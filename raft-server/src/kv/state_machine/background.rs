//! A thread for one kind of background work.

use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread::JoinHandle;

/// A thread that executes one task each time it is requested.
#[derive(Debug)]
pub(super) struct Background {
    name: &'static str,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    pub(super) fn start(
        name: &'static str,
        mut task: impl FnMut() + Send + 'static,
    ) -> std::io::Result<Self> {
        // One request may be queued. Further ones are not needed: the task considers everything
        // that was written before it began.
        let (wake, requests) = mpsc::sync_channel(1);
        let run = move || {
            for () in requests {
                task();
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Self { name, wake: Some(wake), thread: Some(thread) })
    }

    /// Requests the task; a task that begins later considers everything written until now.
    pub(super) fn request(&self) {
        let Some(wake) = &self.wake else { return };
        match wake.try_send(()) {
            Ok(()) | Err(TrySendError::Full(())) => {}
            Err(TrySendError::Disconnected(())) => {
                tracing::error!(thread = self.name, "a background thread has stopped");
            }
        }
    }

    /// Accepts no further requests. Returns whether the thread still runs.
    pub(super) fn close(&mut self) -> bool {
        self.wake = None;
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Waits until the thread has ended. Call [`Background::close`] first.
    pub(super) fn join(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        if thread.join().is_err() {
            tracing::error!(thread = self.name, "a background thread panicked");
        }
    }
}
