//! The caller's side of a running node.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use raft_core::{Input, LogIndex};
use tokio::sync::{oneshot, watch};

use super::error::{ProposeError, ReadError, StopReason};
use super::mailbox::{Mailbox, Read};
use super::status::{Counters, Leadership, NodeStatus, QueueDepths};

/// A running node. Clones speak to the same node; when the last one is dropped, the node shuts
/// down by itself.
///
/// Every request may be cancelled by dropping its future: a command that is already in the log
/// then takes effect without anybody hearing of it.
#[derive(Clone)]
pub struct NodeHandle {
    inner: Arc<LastHandle>,
}

/// What a node's handles, its driver and its threads share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) counters: Arc<Counters>,
    /// Locked by the driver for the length of a cycle, and by whoever asks for the status.
    pub(super) core: Mutex<raft_core::Node>,
    pub(super) leadership: watch::Sender<Leadership>,
    pub(super) stopped: watch::Sender<Option<StopReason>>,
}

/// Shuts the node down when it goes.
struct LastHandle {
    shared: Arc<Shared>,
}

impl NodeHandle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { inner: Arc::new(LastHandle { shared }) }
    }

    /// Replicates a command and returns what the state machine answered to it here.
    ///
    /// # Errors
    /// [`ProposeError`] tells what is known of the command: refused and not in the log, of unknown
    /// outcome, or committed and failed at by this node's state machine.
    pub async fn propose(&self, command: Bytes) -> Result<Bytes, ProposeError> {
        let (answer, answered) = oneshot::channel();
        self.shared().mailbox.propose(command, answer)?;
        // A driver that is gone without an answer cannot tell how far the command came.
        answered.await.unwrap_or(Err(ProposeError::Unknown { leader: None }))
    }

    /// Waits until everything that was committed anywhere when this was called is applied here,
    /// and returns an index up to which that holds (thesis §6.4). Only a leader can answer.
    ///
    /// # Errors
    /// When this node cannot answer; reading elsewhere or again is safe.
    pub async fn read_barrier(&self) -> Result<LogIndex, ReadError> {
        self.read_with(Read::Barrier).await
    }

    /// Puts a query to the state machine after a [`read_barrier`](Self::read_barrier): a
    /// linearizable read.
    ///
    /// # Errors
    /// When this node cannot answer; reading elsewhere or again is safe.
    pub async fn read(&self, query: Bytes) -> Result<Bytes, ReadError> {
        self.read_with(|answer| Read::Query { query, answer }).await
    }

    /// Puts a query to this node's state machine as it is: fast, answered by any node, and
    /// possibly out of date (a serializable read).
    ///
    /// # Errors
    /// When the state machine cannot answer or the node has stopped.
    pub async fn query_local(&self, query: Bytes) -> Result<Bytes, ReadError> {
        self.read_with(|answer| Read::Local { query, answer }).await
    }

    /// The node's state at this moment. Cheap enough for a metrics endpoint, too dear for every
    /// request: it waits for the step that the core is at.
    #[must_use]
    pub fn status(&self) -> NodeStatus {
        let shared = self.shared();
        let raft = shared.core().status();
        let (inbox, proposals, reads) = shared.mailbox.depths();
        let waiting = usize::try_from(shared.counters.waiting.get()).unwrap_or(usize::MAX);
        NodeStatus {
            raft,
            queues: QueueDepths { inbox, proposals, reads, waiting },
            counters: shared.counters.values(),
            stopped: shared.stopped.borrow().clone(),
        }
    }

    /// Who leads now, as far as this node knows.
    #[must_use]
    pub fn leadership(&self) -> Leadership {
        *self.shared().leadership.borrow()
    }

    /// Who leads, now and whenever that changes.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Leadership> {
        self.shared().leadership.subscribe()
    }

    /// Starts an election as if the election timeout had passed. Returns once the node has taken
    /// the order; what comes of it is seen in [`subscribe`](Self::subscribe).
    pub async fn campaign(&self) {
        self.order(Input::Campaign).await;
    }

    /// Gives up leadership or candidacy. Returns once the node has taken the order.
    pub async fn step_down(&self) {
        self.order(Input::StepDown).await;
    }

    /// Waits until the node has stopped, its threads are gone and its store is closed, and says
    /// why it stopped.
    pub async fn stopped(&self) -> StopReason {
        let mut stopped = self.shared().stopped.subscribe();
        // The sender lives in what this handle shares, so the wait cannot fail.
        match stopped.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(StopReason::RuntimeEnded),
            Err(_) => StopReason::RuntimeEnded,
        }
    }

    /// Takes no more requests, waits for those under way (two election timeouts at most), writes
    /// what is queued, and returns when the node has stopped. Harmless on a stopped node.
    pub async fn shutdown(&self) {
        self.shared().request_shutdown();
        self.stopped().await;
    }

    async fn read_with<T>(
        &self,
        read: impl FnOnce(oneshot::Sender<Result<T, ReadError>>) -> Read,
    ) -> Result<T, ReadError> {
        let (answer, answered) = oneshot::channel();
        self.shared().mailbox.read(read(answer))?;
        answered.await.unwrap_or(Err(ReadError::Stopped))
    }

    async fn order(&self, input: Input) {
        let (taken, acknowledged) = oneshot::channel();
        self.shared().mailbox.order(input, taken);
        // A stopped node drops the acknowledgement: there is nothing left to order.
        let _ = acknowledged.await;
    }

    fn shared(&self) -> &Shared {
        &self.inner.shared
    }
}

impl fmt::Debug for NodeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leadership = *self.shared().leadership.borrow();
        f.debug_struct("NodeHandle").field("leadership", &leadership).finish_non_exhaustive()
    }
}

impl Shared {
    /// A core that panicked halfway is read as it is: its node stops and asks it nothing more.
    pub(super) fn core(&self) -> MutexGuard<'_, raft_core::Node> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request_shutdown(&self) {
        self.mailbox.refuse_requests();
        self.mailbox.post(|arrivals| arrivals.shutdown = true);
    }
}

impl Drop for LastHandle {
    fn drop(&mut self) {
        self.shared.request_shutdown();
    }
}
