//! The one queue in front of the driver.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use raft_core::{EntriesFetched, Input, LogIndex, Message, NodeId, PersistId, Refusal};
use tokio::sync::oneshot;

use super::applier::Report;
use super::error::{ProposeError, ReadError, StopReason};

/// Where the answer to a proposal goes.
pub(super) type ProposeAnswer = oneshot::Sender<Result<Bytes, ProposeError>>;
/// Where the answer to a read goes.
pub(super) type ReadAnswer<T> = oneshot::Sender<Result<T, ReadError>>;

/// Bounds of the queues in front of a node. What does not fit is refused or dropped, and counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueLimits {
    /// Proposals that may wait for the driver; more are refused as `Busy`.
    pub proposals_max: usize,
    /// Bytes of proposals that may wait for the driver; more are refused as `Busy`. A single
    /// larger proposal still goes, alone.
    pub proposals_bytes_max: u64,
    /// Reads that may wait for the driver; more are refused as `Busy`.
    pub reads_max: usize,
    /// Bytes of queries that may wait for the driver; more are refused as `Busy`. A single larger
    /// query still goes, alone.
    pub reads_bytes_max: u64,
    /// Requests of every kind that may be under way; more are refused as `Busy`.
    pub waiting_max: usize,
    /// Bytes that requests under way may take: their queries, and a fixed amount for each. More
    /// are refused as `Busy`; a single larger request still goes, alone. The commands of proposals
    /// are bounded by [`Limits::unapplied_bytes_max`](raft_core::Limits::unapplied_bytes_max).
    pub waiting_bytes_max: u64,
    /// Messages from peers that may wait for the driver; more are dropped, and the algorithm
    /// sends them again.
    pub inbox_messages_max: usize,
    /// Bytes of entries in messages that may wait for the driver. A single larger message still
    /// goes, alone.
    pub inbox_bytes_max: u64,
}

impl Default for QueueLimits {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            proposals_max: 16_384,
            proposals_bytes_max: 64 * MIB,
            reads_max: 65_536,
            reads_bytes_max: 64 * MIB,
            waiting_max: 262_144,
            waiting_bytes_max: 128 * MIB,
            inbox_messages_max: 16_384,
            inbox_bytes_max: 128 * MIB,
        }
    }
}

/// A caller's wish to read.
#[derive(Debug)]
pub(super) enum Read {
    /// Tell me when what was committed when I asked is applied here.
    Barrier(ReadAnswer<LogIndex>),
    /// The same, and then put this query to the state machine.
    Query { query: Bytes, answer: ReadAnswer<Bytes> },
    /// Put this query to the state machine as it is.
    Local { query: Bytes, answer: ReadAnswer<Bytes> },
}

impl Read {
    /// Whether the caller has gone away.
    pub(super) fn is_abandoned(&self) -> bool {
        match self {
            Self::Barrier(answer) => answer.is_closed(),
            Self::Query { answer, .. } | Self::Local { answer, .. } => answer.is_closed(),
        }
    }

    /// The length of its query.
    pub(super) fn query_bytes(&self) -> u64 {
        match self {
            Self::Barrier(_) => 0,
            Self::Query { query, .. } | Self::Local { query, .. } => query.len() as u64,
        }
    }

    /// Answers that it cannot be.
    pub(super) fn refuse(self, error: ReadError) {
        // A caller that has gone away does not want to know.
        match self {
            Self::Barrier(answer) => drop(answer.send(Err(error))),
            Self::Query { answer, .. } | Self::Local { answer, .. } => {
                drop(answer.send(Err(error)));
            }
        }
    }
}

/// Everything that reached the node since the driver last looked.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// From peers, in the order of arrival.
    pub(super) messages: Vec<Message>,
    message_bytes: u64,
    pub(super) unreachable: Vec<NodeId>,
    pub(super) proposals: Vec<(Bytes, ProposeAnswer)>,
    proposal_bytes: u64,
    pub(super) reads: Vec<Read>,
    read_bytes: u64,
    /// Inputs that an operator asked for; each is acknowledged once the core has taken it.
    pub(super) orders: Vec<(Input, oneshot::Sender<()>)>,
    /// The highest persist that is durable.
    pub(super) persisted: Option<PersistId>,
    pub(super) fetched: Vec<EntriesFetched>,
    pub(super) reports: Vec<Report>,
    /// Finish what is under way, then stop.
    pub(super) shutdown: bool,
    /// Stop now.
    pub(super) failure: Option<StopReason>,
}

/// Collects what arrives from every side and wakes the driver once for all of it: the driver
/// takes the whole content in exchange for an empty one.
#[derive(Debug)]
pub(super) struct Mailbox {
    limits: QueueLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    arrivals: Arrivals,
    /// Whether anything was put into `arrivals` since the driver took them.
    pending: bool,
    driver: Option<Waker>,
    requests: Door,
    closed: bool,
}

/// Whether callers' requests are let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Door {
    #[default]
    Open,
    Closed,
}

impl Mailbox {
    pub(super) fn new(limits: QueueLimits) -> Self {
        Self { limits, state: Mutex::default() }
    }

    /// Queues a proposal, or says why not.
    pub(super) fn propose(
        &self,
        command: Bytes,
        answer: ProposeAnswer,
    ) -> Result<(), ProposeError> {
        let mut state = self.state();
        if state.requests == Door::Closed {
            return Err(ProposeError::Stopped);
        }
        let queued = &mut state.arrivals;
        let bytes = queued.proposal_bytes.saturating_add(command.len() as u64);
        let alone = queued.proposals.is_empty();
        let full = queued.proposals.len() >= self.limits.proposals_max
            || bytes > self.limits.proposals_bytes_max;
        if full && !alone {
            return Err(ProposeError::Refused(Refusal::Busy));
        }
        queued.proposal_bytes = bytes;
        queued.proposals.push((command, answer));
        wake(state);
        Ok(())
    }

    /// Queues a read, or says why not.
    pub(super) fn read(&self, read: Read) -> Result<(), ReadError> {
        let mut state = self.state();
        if state.requests == Door::Closed {
            return Err(ReadError::Stopped);
        }
        let queued = &mut state.arrivals;
        let bytes = queued.read_bytes.saturating_add(read.query_bytes());
        let alone = queued.reads.is_empty();
        let too_many = queued.reads.len() >= self.limits.reads_max;
        if too_many || bytes > self.limits.reads_bytes_max && !alone {
            return Err(ReadError::Refused(Refusal::Busy));
        }
        queued.read_bytes = bytes;
        queued.reads.push(read);
        wake(state);
        Ok(())
    }

    /// Queues an operator's order. Once the node is stopping, the acknowledgement is dropped.
    pub(super) fn order(&self, input: Input, taken: oneshot::Sender<()>) {
        let mut state = self.state();
        if state.requests == Door::Open {
            state.arrivals.orders.push((input, taken));
            wake(state);
        }
    }

    /// Queues messages with their weights in bytes; returns how many did not fit.
    pub(super) fn deliver(&self, messages: impl Iterator<Item = (Message, u64)>) -> u64 {
        let mut dropped = 0;
        let mut state = self.state();
        if state.closed {
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

    /// Puts in something that is bounded elsewhere: completions, orders to stop, lost peers.
    pub(super) fn post(&self, put: impl FnOnce(&mut Arrivals)) {
        let mut state = self.state();
        if !state.closed {
            put(&mut state.arrivals);
            wake(state);
        }
    }

    /// Stops the node; of several reasons the first one counts.
    pub(super) fn fail(&self, reason: StopReason) {
        self.post(|arrivals| {
            arrivals.failure.get_or_insert(reason);
        });
    }

    /// Exchanges what has arrived for `empty`, or keeps the driver's waker until something does.
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

    /// Lets no more requests in; messages and completions still pass.
    pub(super) fn refuse_requests(&self) {
        self.state().requests = Door::Closed;
    }

    /// Lets nothing in from now on and returns what is left.
    pub(super) fn close(&self) -> Arrivals {
        let mut state = self.state();
        state.requests = Door::Closed;
        state.closed = true;
        state.pending = false;
        mem::take(&mut state.arrivals)
    }

    /// The number of messages, proposals and reads that wait.
    pub(super) fn depths(&self) -> (usize, usize, usize) {
        let state = self.state();
        let queued = &state.arrivals;
        (queued.messages.len(), queued.proposals.len(), queued.reads.len())
    }

    /// Nothing that runs under the lock can panic halfway through a change, so a poisoned lock
    /// guards nothing broken.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arrivals {
    /// Readies the taken content for the next exchange; its vectors keep their room.
    pub(super) fn reset_weights(&mut self) {
        self.message_bytes = 0;
        self.proposal_bytes = 0;
        self.read_bytes = 0;
    }
}

/// Marks the content as new and wakes the driver, after the lock is released.
fn wake(mut state: MutexGuard<'_, State>) {
    state.pending = true;
    let driver = state.driver.take();
    drop(state);
    if let Some(driver) = driver {
        driver.wake();
    }
}
