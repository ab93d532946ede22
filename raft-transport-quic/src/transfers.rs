//! Which transfers of snapshots are in progress.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{MutexGuard, oneshot, watch};

/// The transfers of snapshots of a node that are in progress, in both directions.
#[derive(Clone, Debug)]
pub(crate) struct Transfers {
    running: Arc<watch::Sender<usize>>,
}

/// A transfer in progress. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct RunningTransfer {
    running: Arc<watch::Sender<usize>>,
}

impl Transfers {
    pub(crate) fn new() -> Self {
        Self { running: Arc::new(watch::Sender::new(0)) }
    }

    pub(crate) fn begin(&self) -> RunningTransfer {
        self.running.send_modify(|count| *count += 1);
        RunningTransfer { running: self.running.clone() }
    }

    /// Waits until no transfer is in progress.
    pub(crate) async fn wait_for_none(&self) {
        // Never fails: `self` keeps the sender.
        let _ = self.running.subscribe().wait_for(|&count| count == 0).await;
    }
}

impl Drop for RunningTransfer {
    fn drop(&mut self) {
        self.running.send_modify(|count| *count -= 1);
    }
}

/// The transfers between this node and one peer: at most one in each direction.
#[derive(Default, Debug)]
pub(crate) struct PeerTransfers {
    /// Cancels the current outgoing transfer when it is dropped.
    cancel: Mutex<Option<oneshot::Sender<()>>>,
    sending: tokio::sync::Mutex<()>,
    receiving: tokio::sync::Mutex<()>,
}

impl PeerTransfers {
    /// Makes this the current outgoing transfer. An earlier one is cancelled.
    pub(crate) fn begin_sending(&self, cancel: oneshot::Sender<()>) {
        *self.lock() = Some(cancel);
    }

    /// Cancels the current outgoing transfer.
    pub(crate) fn cancel_sending(&self) {
        *self.lock() = None;
    }

    /// Waits until the earlier outgoing transfers to this peer have ended.
    pub(crate) async fn sending_turn(&self) -> MutexGuard<'_, ()> {
        self.sending.lock().await
    }

    /// Waits until the earlier incoming transfers from this peer have ended.
    pub(crate) async fn receiving_turn(&self) -> MutexGuard<'_, ()> {
        self.receiving.lock().await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<oneshot::Sender<()>>> {
        // No change can panic before it is complete.
        self.cancel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
