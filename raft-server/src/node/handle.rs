//! The caller's side of a running node.

mod insight;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft_core::{Input, LogIndex, MembershipChange, NodeId, ReadConsistency};
use tokio::sync::{oneshot, watch};

use super::consistency::{Consistency, Freshness, ReadOutput};
use super::error::{ChangeMembershipError, ProposeError, ReadError, StopReason, TransferError};
use super::peer_refusals::RefusedBy;
use super::request::{
    AdminCommand, QueuedMembershipChange, QueuedProposal, QueuedRead, QueuedTransfer,
};
use super::shared::Shared;
use super::snapshots::report::SnapshotRequest;
use super::snapshots::{CapturedState, SnapshotRequestError};
use super::status::{Leadership, MembershipInForce, NodeStatus, QueueDepths};

/// How long [`NodeHandle::status`] waits for the driver.
const STATUS_TIME_MAX: Duration = Duration::from_secs(1);

/// A handle to a node.
///
/// Clones are handles to the same node and may be used on any thread and any runtime. The node
/// shuts down when the last one is dropped.
///
/// # Requests
///
/// [`propose`](Self::propose) replicates a command; [`read`](Self::read) and
/// [`read_barrier`](Self::read_barrier) have a [`Consistency`]. A request waits in a bounded queue for the driver, which processes all waiting requests
/// as one batch: throughput comes from many requests at the same time. If a queue is full, the
/// request is refused with [`Refusal::Busy`](raft_core::Refusal::Busy) at once.
///
/// Only the leader serves proposals. Another node refuses with
/// [`Refusal::NotLeader`](raft_core::Refusal::NotLeader), which names the leader, or with
/// [`Refusal::NoLeader`](raft_core::Refusal::NoLeader). The same holds for linearizable reads,
/// unless [`Settings::follower_reads`](raft_core::Settings::follower_reads) permits them at
/// followers.
///
/// No request has a timeout: at a leader that has lost its quorum it waits until that leader steps
/// down (check-quorum, thesis §6.2). A caller limits the time by dropping the future. That cancels
/// the request if the driver has not taken it yet; later, the command may still take effect.
///
/// # Errors
///
/// [`ProposeError`] and [`ReadError`] state what is known about the request and whether a retry is
/// safe. After the node has stopped, every request returns `Stopped`.
#[derive(Clone)]
pub struct NodeHandle {
    inner: Arc<LastHandle>,
}

/// Shuts the node down when the last handle is dropped.
struct LastHandle {
    shared: Arc<Shared>,
}

impl NodeHandle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { inner: Arc::new(LastHandle { shared }) }
    }

    /// Replicates a command and returns the output of this node's state machine, once the command
    /// is committed and applied here.
    ///
    /// # Errors
    /// [`ProposeError`]: the command is refused and not in the log, its outcome is unknown, or it
    /// is committed and this node's state machine failed at it.
    pub async fn propose(&self, command: Bytes) -> Result<Bytes, ProposeError> {
        let (outcome, receiver) = oneshot::channel();
        self.shared().mailbox.propose(QueuedProposal { command, outcome })?;
        // A driver that was dropped may have accepted the command before.
        receiver.await.unwrap_or(Err(ProposeError::Unknown { leader: None }))
    }

    /// Waits until the state of this node is as fresh as `consistency` requires. Afterwards a read
    /// of its state machine has that consistency; with [`ReadConsistency::Linearizable`] the state
    /// contains every command that was committed in the cluster when this was called (thesis §6.4).
    ///
    /// # Errors
    /// [`ReadError`]: this node cannot serve the read. A retry is safe.
    pub async fn read_barrier(&self, consistency: ReadConsistency) -> Result<Freshness, ReadError> {
        self.read_with(|outcome| QueuedRead::Barrier { consistency, outcome }).await
    }

    /// Queries the state machine of this node once its state is as fresh as `consistency` requires.
    ///
    /// # Errors
    /// [`ReadError`]: this node cannot serve the read, or the query failed. A retry is safe.
    pub async fn read(
        &self,
        query: Bytes,
        consistency: Consistency,
    ) -> Result<ReadOutput, ReadError> {
        self.read_with(|outcome| QueuedRead::Query { query, consistency, outcome }).await
    }

    /// The state of the node, no older than this call: it covers every response that a caller has
    /// got before. The driver publishes it in its next cycle, so that it costs a wake-up of the
    /// driver and some allocations: suitable for a metrics endpoint, not for every request.
    ///
    /// Waits at most a second. If the driver does not respond in that time, or if the node has
    /// stopped, the last published state is returned; [`NodeStatus::raft_age`] is its age.
    ///
    /// # Panics
    /// Outside of a Tokio runtime with timers.
    pub async fn status(&self) -> NodeStatus {
        let shared = self.shared();
        let (published, receiver) = oneshot::channel();
        shared.mailbox.request_status(published);
        // An error means that the node has stopped or that the driver does not respond.
        let _ = tokio::time::timeout(STATUS_TIME_MAX, receiver).await;
        let status = shared.status.borrow().clone();
        let (inbox, proposals, reads) = shared.mailbox.depths();
        let pending = usize::try_from(shared.counters.pending.get()).unwrap_or(usize::MAX);
        NodeStatus {
            raft: status.raft,
            raft_age: status.at.elapsed(),
            queues: QueueDepths { inbox, proposals, reads, pending },
            counters: shared.counters.values(),
            refused_by: shared.refusals.current(),
            snapshots: shared.snapshots.as_ref().map(|own| own.list()).unwrap_or_default(),
            stopped: shared.stopped.borrow().clone(),
        }
    }

    /// The leader, as this node knows it. Cheap: no request to the driver.
    #[must_use]
    pub fn leadership(&self) -> Leadership {
        *self.shared().leadership.borrow()
    }

    /// A receiver for the leader, now and after each change. It holds the latest value only.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Leadership> {
        self.shared().leadership.subscribe()
    }

    /// Starts an election as if the election timeout had passed. Has no effect at a leader, at a
    /// node that is no voter, and while its disk is stalled. Returns when the core has taken the
    /// command and [`leadership`](Self::leadership) shows the campaign;
    /// [`subscribe`](Self::subscribe) shows the result of the election.
    pub async fn campaign(&self) {
        self.admin(Input::Campaign).await;
    }

    /// Gives up leadership or candidacy. Returns when the core has taken the command and
    /// [`leadership`](Self::leadership) shows the change.
    pub async fn step_down(&self) {
        self.admin(Input::StepDown).await;
    }

    /// Transfers the leadership to another voter, and returns the new leader (thesis §3.10). With
    /// `None` the leader chooses the target. Until the transfer ends, after an election timeout at
    /// the latest, the node refuses proposals with
    /// [`Refusal::TransferInProgress`](raft_core::Refusal::TransferInProgress).
    ///
    /// Call this before the [`shutdown`](Self::shutdown) of a leader: the others then need no
    /// election timeout to find that it is gone.
    ///
    /// # Errors
    /// When the node does not lead, the target cannot take over, or does not in time. The node may
    /// then still lead, or another node may.
    pub async fn transfer_leadership(&self, to: Option<NodeId>) -> Result<NodeId, TransferError> {
        let (outcome, receiver) = oneshot::channel();
        self.shared().mailbox.transfer(QueuedTransfer { to, outcome })?;
        receiver.await.unwrap_or(Err(TransferError::Stopped))
    }

    /// Captures the state machine between two batches of commands, for a backup. Any member serves
    /// it; the captured state is that of its last applied entry. Commands are applied while the
    /// source is read.
    ///
    /// # Errors
    /// When the state machine cannot be captured, or the node has stopped.
    pub async fn capture(&self) -> Result<CapturedState, SnapshotRequestError> {
        let (outcome, receiver) = oneshot::channel();
        self.shared().mailbox.snapshot(SnapshotRequest::Capture(outcome))?;
        receiver.await.unwrap_or(Err(SnapshotRequestError::Stopped))
    }

    /// Compacts the log of this node now, whatever its
    /// [`CompactionPolicy`](raft_core::CompactionPolicy) keeps for followers that may return: only
    /// the entries that its followers are known to need are kept, within their budgets. The applied
    /// entries are made durable outside of the log first, which may take a snapshot. Returns the
    /// index of the first entry of the log.
    ///
    /// # Errors
    /// When the node has no snapshot store, no snapshot can be taken, or the node has stopped.
    pub async fn compact(&self) -> Result<LogIndex, SnapshotRequestError> {
        let (outcome, receiver) = oneshot::channel();
        self.shared().mailbox.snapshot(SnapshotRequest::Compact(outcome))?;
        receiver.await.unwrap_or(Err(SnapshotRequestError::Stopped))?;
        Ok(self.status().await.raft.first_index)
    }

    /// Changes the membership, and returns its version once the final configuration is committed
    /// (thesis §4). Only the leader accepts it. With `if_version` the change is refused if the
    /// membership has another version ([`MembershipInForce::version`]).
    ///
    /// # Errors
    /// When the change is refused, or its outcome is unknown: the membership in force then shows
    /// whether it was made.
    pub async fn change_membership(
        &self,
        change: MembershipChange,
        if_version: Option<LogIndex>,
    ) -> Result<LogIndex, ChangeMembershipError> {
        let (outcome, receiver) = oneshot::channel();
        let queued = QueuedMembershipChange { change, if_version, outcome };
        self.shared().mailbox.change_membership(queued)?;
        receiver.await.unwrap_or(Err(ChangeMembershipError::Unknown { leader: None }))
    }

    /// A receiver for the configuration in force, now and after each change. It holds the latest
    /// value only.
    #[must_use]
    pub fn membership(&self) -> watch::Receiver<MembershipInForce> {
        self.shared().membership.subscribe()
    }

    /// A receiver for the peers that refuse this node, now and after each change.
    #[must_use]
    pub fn refusals(&self) -> watch::Receiver<BTreeMap<NodeId, RefusedBy>> {
        self.shared().refusals.subscribe()
    }

    /// Waits until the node has stopped: its threads have ended, and its log store, state machine
    /// and transport are dropped. Returns the reason.
    pub async fn stopped(&self) -> StopReason {
        let mut stopped = self.shared().stopped.subscribe();
        // This handle holds the sender, so that the channel stays open.
        match stopped.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(StopReason::RuntimeEnded),
            Err(_) => StopReason::RuntimeEnded,
        }
    }

    /// Shuts the node down and waits until it has [stopped](Self::stopped). New requests are
    /// refused. Pending ones may finish for at most twice
    /// [`election_timeout_min`](raft_core::Settings::election_timeout_min); after that they return
    /// `Unknown` or `Stopped`. Then the threads finish the work that they have. A leader does not
    /// step down first; [`transfer_leadership`](Self::transfer_leadership) makes another node lead
    /// at once.
    ///
    /// Has no effect on a node that has stopped.
    pub async fn shutdown(&self) {
        self.shared().mailbox.shut_down();
        self.stopped().await;
    }

    async fn read_with<T>(
        &self,
        read: impl FnOnce(oneshot::Sender<Result<T, ReadError>>) -> QueuedRead,
    ) -> Result<T, ReadError> {
        let (outcome, receiver) = oneshot::channel();
        self.shared().mailbox.read(read(outcome))?;
        receiver.await.unwrap_or(Err(ReadError::Stopped))
    }

    async fn admin(&self, input: Input) {
        let (taken, receiver) = oneshot::channel();
        self.shared().mailbox.admin(AdminCommand { input, taken });
        // An error means that the node stops; the command is obsolete then.
        let _ = receiver.await;
    }

    fn shared(&self) -> &Shared {
        &self.inner.shared
    }
}

impl fmt::Debug for NodeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeHandle").field("leadership", &self.leadership()).finish_non_exhaustive()
    }
}

impl Drop for LastHandle {
    fn drop(&mut self) {
        self.shared.mailbox.shut_down();
    }
}
