//! The hosts of a transfer of a snapshot: data that a test can recognise, and a receiver that a test
//! can stop.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use raft_core::NodeId;
use raft_core::ports::{
    IncomingSnapshot, OutgoingSnapshot, SnapshotOffer, SnapshotOutcome, SnapshotRefusal,
    SnapshotResponse, StorageFailure,
};

use super::wait::WAIT_MAX;

/// The byte of every snapshot's data at an offset.
pub(super) fn byte_at(offset: u64) -> u8 {
    // Neither the size of a chunk nor that of a window is a multiple of the period.
    u8::try_from((offset ^ (offset >> 8)) % 251).unwrap_or_default()
}

fn fill(offset: u64, buffer: &mut [u8]) {
    for (offset, byte) in (offset..).zip(buffer) {
        *byte = byte_at(offset);
    }
}

/// A state that a test waits for.
#[derive(Default, Debug)]
struct Watched<T> {
    state: Mutex<T>,
    changed: Condvar,
}

impl<T> Watched<T> {
    fn lock(&self) -> MutexGuard<'_, T> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Waits until `wanted` returns true. Returns whether it did in time.
    fn wait(&self, wanted: impl Fn(&T) -> bool) -> (MutexGuard<'_, T>, bool) {
        let waited = self.changed.wait_timeout_while(self.lock(), WAIT_MAX, |state| !wanted(state));
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        (state, !timeout.timed_out())
    }
}

/// What the sending host of a transfer observes.
#[derive(Clone, Default, Debug)]
pub(super) struct Sent(Arc<Watched<SentState>>);

#[derive(Default, Debug)]
struct SentState {
    /// The lowest offset that was read and the highest end.
    read: Option<(u64, u64)>,
    outcomes: Vec<SnapshotOutcome>,
}

impl Sent {
    pub(super) fn data(&self) -> Box<dyn OutgoingSnapshot> {
        Box::new(Data(self.clone()))
    }

    /// Waits until the transfer has ended.
    pub(super) fn outcome(&self) -> SnapshotOutcome {
        let (state, in_time) = self.0.wait(|state| !state.outcomes.is_empty());
        assert!(in_time, "the transfer did not end: {state:?}");
        assert_eq!(state.outcomes.len(), 1, "reports of one transfer: {:?}", state.outcomes);
        state.outcomes[0].clone()
    }

    pub(super) fn has_ended(&self) -> bool {
        !self.0.lock().outcomes.is_empty()
    }

    /// The lowest offset that was read and the highest end.
    pub(super) fn read(&self) -> Option<(u64, u64)> {
        self.0.lock().read
    }
}

struct Data(Sent);

impl OutgoingSnapshot for Data {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageFailure> {
        fill(offset, buffer);
        let end = offset + buffer.len() as u64;
        self.0.0.change(|state| {
            let (first, last) = state.read.unwrap_or((offset, end));
            state.read = Some((first.min(offset), last.max(end)));
        });
        Ok(())
    }

    fn ended(self: Box<Self>, outcome: SnapshotOutcome) {
        self.0.0.change(|state| state.outcomes.push(outcome));
    }
}

/// The receiving host of a node: it keeps what it receives, and resumes a broken transfer.
#[derive(Clone, Default, Debug)]
pub(super) struct Received(Arc<Watched<ReceivedState>>);

#[derive(Default, Debug)]
pub(super) struct ReceivedState {
    /// Writes wait while the received data has at least this size.
    pub(super) hold_at: Option<u64>,
    /// The response to the next offers instead of receiving the data.
    pub(super) response: Option<Result<(), SnapshotRefusal>>,
    /// Writes fail from this offset on.
    pub(super) fail_at: Option<(u64, SnapshotRefusal)>,
    /// The node was stopped: every further call is a violation.
    pub(super) stopped: bool,
    /// The calls after that.
    pub(super) late_calls: usize,
    pub(super) offers: Vec<(NodeId, SnapshotOffer)>,
    /// The data of the latest offer that was received. Its bytes are verified as they arrive.
    pub(super) received_bytes: u64,
    current: Option<SnapshotOffer>,
    /// The offers whose data is complete.
    pub(super) finished: Vec<SnapshotOffer>,
    /// The transfers that ended before they were complete.
    pub(super) dropped: usize,
    /// A byte that differs from the sent one.
    pub(super) wrong_byte_at: Option<u64>,
}

impl Received {
    pub(super) fn state(&self) -> MutexGuard<'_, ReceivedState> {
        self.0.lock()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut ReceivedState)) {
        self.0.change(change);
    }

    /// Waits until `wanted` returns true. `what` describes it in the failure.
    pub(super) fn wait_until(&self, what: &str, wanted: impl Fn(&ReceivedState) -> bool) {
        let (state, in_time) = self.0.wait(wanted);
        assert!(in_time, "not within {WAIT_MAX:?}: {what}; {state:?}");
    }

    pub(super) fn offered(&self, from: NodeId, offer: &SnapshotOffer) -> SnapshotResponse {
        self.0.change(|state| {
            state.late_calls += usize::from(state.stopped);
            state.offers.push((from, offer.clone()));
            match state.response.clone() {
                Some(Ok(())) => return SnapshotResponse::Complete,
                Some(Err(refusal)) => return SnapshotResponse::Refuse(refusal),
                None => {}
            }
            let same = |current: &SnapshotOffer| {
                (current.last, current.size_bytes, current.checksum)
                    == (offer.last, offer.size_bytes, offer.checksum)
            };
            if !state.current.as_ref().is_some_and(same) {
                state.received_bytes = 0;
            }
            state.current = Some(offer.clone());
            let into = Sink { host: self.clone(), offer: offer.clone(), finished: false };
            SnapshotResponse::Receive { offset: state.received_bytes, into: Box::new(into) }
        })
    }
}

struct Sink {
    host: Received,
    offer: SnapshotOffer,
    finished: bool,
}

impl IncomingSnapshot for Sink {
    fn write_at(&mut self, offset: u64, chunk: &[u8]) -> Result<(), SnapshotRefusal> {
        self.host.change(|state| state.late_calls += usize::from(state.stopped));
        let mut expected = vec![0; chunk.len()];
        fill(offset, &mut expected);
        let wrong = expected.iter().zip(chunk).position(|(one, other)| one != other);
        let (state, in_time) =
            self.host.0.wait(|state| state.hold_at.is_none_or(|hold| offset < hold));
        assert!(in_time, "the test has not ended the wait of the receiver: {state:?}");
        drop(state);
        self.host.0.change(|state| {
            if let Some((_, refusal)) = state.fail_at.as_ref().filter(|(at, _)| offset >= *at) {
                return Err(refusal.clone());
            }
            if offset != state.received_bytes || wrong.is_some() {
                state.wrong_byte_at = Some(offset + wrong.unwrap_or(0) as u64);
            }
            state.received_bytes = offset + chunk.len() as u64;
            Ok(())
        })
    }

    fn finish(mut self: Box<Self>) -> Result<(), SnapshotRefusal> {
        self.finished = true;
        self.host.0.change(|state| {
            state.late_calls += usize::from(state.stopped);
            state.finished.push(self.offer.clone());
        });
        Ok(())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if !self.finished {
            self.host.change(|state| state.dropped += 1);
        }
    }
}
