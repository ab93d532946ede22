//! The queue in front of the driver.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use raft_core::{Message, Refusal};
use tokio::sync::oneshot;

use super::arrivals::Arrivals;
use super::error::{ChangeMembershipError, ProposeError, ReadError, StopReason, TransferError};
use super::queue_limits::QueueLimits;
use super::request::{
    AdminCommand, QueuedMembershipChange, QueuedProposal, QueuedRead, QueuedTransfer,
};
use super::snapshots::SnapshotRequestError;
use super::snapshots::report::SnapshotRequest;

/// Transfers, and changes of the membership, that wait for the driver. The core carries out one at a time.
const TRANSFERS_MAX: usize = 16;

/// Captures and compactions that wait for the driver.
const SNAPSHOT_REQUESTS_MAX: usize = 16;

/// Collects what arrives from callers, peers and threads, and wakes the driver once for all of it.
/// The driver takes the whole content in exchange for an empty one.
#[derive(Debug)]
pub(super) struct Mailbox {
    limits: QueueLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    arrivals: Arrivals,
    /// Whether `arrivals` has content that the driver has not taken.
    pending: bool,
    driver: Option<Waker>,
}

/// What the mailbox accepts. Phases follow each other in this order and do not return.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
enum Phase {
    /// Everything.
    #[default]
    Open,
    /// No requests and no admin commands: the node shuts down.
    Draining,
    /// Completions only: the driver runs no further cycle.
    Stopping,
    /// Nothing.
    Closed,
}

impl Mailbox {
    pub(super) fn new(limits: QueueLimits) -> Self {
        Self { limits, state: Mutex::default() }
    }

    /// Queues a proposal.
    pub(super) fn propose(&self, proposal: QueuedProposal) -> Result<(), ProposeError> {
        let mut state = self.state();
        if state.phase > Phase::Open {
            return Err(ProposeError::Stopped);
        }
        let queued = &mut state.arrivals;
        let bytes = queued.proposal_bytes.saturating_add(proposal.command.len() as u64);
        let full = queued.proposals.len() >= self.limits.proposals_max
            || bytes > self.limits.proposals_bytes_max;
        if full && !queued.proposals.is_empty() {
            return Err(ProposeError::Refused(Refusal::Busy));
        }
        queued.proposal_bytes = bytes;
        queued.proposals.push(proposal);
        wake(state);
        Ok(())
    }

    /// Queues a read.
    pub(super) fn read(&self, read: QueuedRead) -> Result<(), ReadError> {
        let mut state = self.state();
        if state.phase > Phase::Open {
            return Err(ReadError::Stopped);
        }
        let queued = &mut state.arrivals;
        let bytes = queued.read_bytes.saturating_add(read.query_bytes());
        let full =
            queued.reads.len() >= self.limits.reads_max || bytes > self.limits.reads_bytes_max;
        if full && !queued.reads.is_empty() {
            return Err(ReadError::Refused(Refusal::Busy));
        }
        queued.read_bytes = bytes;
        queued.reads.push(read);
        wake(state);
        Ok(())
    }

    /// Queues a transfer of the leadership.
    pub(super) fn transfer(&self, transfer: QueuedTransfer) -> Result<(), TransferError> {
        let mut state = self.state();
        if state.phase > Phase::Open {
            return Err(TransferError::Stopped);
        }
        if state.arrivals.transfers.len() >= TRANSFERS_MAX {
            return Err(TransferError::Refused(Refusal::Busy));
        }
        state.arrivals.transfers.push(transfer);
        wake(state);
        Ok(())
    }

    /// Queues a request for a capture or a compaction.
    pub(super) fn snapshot(&self, request: SnapshotRequest) -> Result<(), SnapshotRequestError> {
        let mut state = self.state();
        if state.phase > Phase::Open {
            return Err(SnapshotRequestError::Stopped);
        }
        if state.arrivals.snapshot_requests.len() >= SNAPSHOT_REQUESTS_MAX {
            return Err(SnapshotRequestError::Busy);
        }
        state.arrivals.snapshot_requests.push(request);
        wake(state);
        Ok(())
    }

    /// Queues a change of the membership.
    pub(super) fn change_membership(
        &self,
        change: QueuedMembershipChange,
    ) -> Result<(), ChangeMembershipError> {
        let mut state = self.state();
        if state.phase > Phase::Open {
            return Err(ChangeMembershipError::Stopped);
        }
        if state.arrivals.membership_changes.len() >= TRANSFERS_MAX {
            return Err(ChangeMembershipError::Refused(Refusal::Busy));
        }
        state.arrivals.membership_changes.push(change);
        wake(state);
        Ok(())
    }

    /// Queues an admin command. It is dropped when the node shuts down or has stopped.
    pub(super) fn admin(&self, command: AdminCommand) {
        let mut state = self.state();
        if state.phase == Phase::Open {
            state.arrivals.admin_commands.push(command);
            wake(state);
        }
    }

    /// Requests that the driver publishes the status. The request is dropped once the driver has
    /// published the last one.
    pub(super) fn request_status(&self, published: oneshot::Sender<()>) {
        let mut state = self.state();
        if state.phase < Phase::Stopping {
            state.arrivals.status_requests.push(published);
            wake(state);
        }
    }

    /// Queues messages with their weights in bytes; returns how many did not fit.
    pub(super) fn deliver(&self, messages: impl Iterator<Item = (Message, u64)>) -> u64 {
        let mut dropped = 0;
        let mut state = self.state();
        if state.phase >= Phase::Stopping {
            return 0;
        }
        for (message, bytes) in messages {
            let queued = &mut state.arrivals;
            let total = queued.message_bytes.saturating_add(bytes);
            let full = queued.messages.len() >= self.limits.inbox_messages_max
                || total > self.limits.inbox_bytes_max;
            if full && !queued.messages.is_empty() {
                dropped += 1;
            } else {
                queued.message_bytes = total;
                queued.messages.push(message);
            }
        }
        wake(state);
        dropped
    }

    /// Adds content that needs no limit here: completions, whose number the core's limits bound,
    /// and unreachable peers.
    pub(super) fn post(&self, add: impl FnOnce(&mut Arrivals)) {
        let mut state = self.state();
        if state.phase < Phase::Closed {
            add(&mut state.arrivals);
            wake(state);
        }
    }

    /// Refuses further requests and lets the driver stop once no request is pending.
    pub(super) fn shut_down(&self) {
        self.advance(Phase::Draining);
        self.post(|arrivals| arrivals.shutdown = true);
    }

    /// Stops the node; the first of several reasons counts.
    pub(super) fn fail(&self, reason: StopReason) {
        self.post(|arrivals| {
            arrivals.failure.get_or_insert(reason);
        });
    }

    /// Exchanges the content for `empty`, or registers the driver's waker if there is none.
    pub(super) fn poll_take(&self, context: &Context<'_>, empty: &mut Arrivals) -> Poll<()> {
        let mut state = self.state();
        if state.pending {
            state.pending = false;
            mem::swap(&mut state.arrivals, empty);
            return Poll::Ready(());
        }
        match &mut state.driver {
            Some(driver) => driver.clone_from(context.waker()),
            None => state.driver = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Accepts only completions from now on, and drops the status requests.
    pub(super) fn stop(&self) {
        self.advance(Phase::Stopping);
        self.state().arrivals.status_requests.clear();
    }

    /// Whether the driver runs no further cycle.
    pub(super) fn is_stopping(&self) -> bool {
        self.state().phase >= Phase::Stopping
    }

    /// Accepts nothing from now on, and returns the content.
    pub(super) fn close(&self) -> Arrivals {
        self.advance(Phase::Closed);
        let mut state = self.state();
        state.pending = false;
        mem::take(&mut state.arrivals)
    }

    /// The bounds of the queues.
    pub(super) const fn limits(&self) -> QueueLimits {
        self.limits
    }

    /// The number of messages, proposals and reads in the mailbox.
    pub(super) fn depths(&self) -> (usize, usize, usize) {
        let state = self.state();
        let queued = &state.arrivals;
        (queued.messages.len(), queued.proposals.len(), queued.reads.len())
    }

    fn advance(&self, phase: Phase) {
        let mut state = self.state();
        state.phase = state.phase.max(phase);
    }

    /// Code that runs under the lock cannot panic between two changes that belong together, so the
    /// content behind a poisoned lock is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks the content as new and wakes the driver after the lock is released.
fn wake(mut state: MutexGuard<'_, State>) {
    state.pending = true;
    let driver = state.driver.take();
    drop(state);
    if let Some(driver) = driver {
        driver.wake();
    }
}
