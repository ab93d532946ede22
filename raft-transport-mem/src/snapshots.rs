//! Transfers of snapshots: one thread for each, between the hosts of two nodes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use raft_core::ports::{
    IncomingSnapshot, OutgoingSnapshot, RateLimit, SnapshotOffer, SnapshotOutcome, SnapshotRefusal,
    SnapshotResponse, SnapshotTransfer,
};
use raft_core::{NodeId, Timestamp};

use crate::link::Link;

/// The state of an outgoing transfer, shared by its thread and the transport.
#[derive(Default)]
pub(crate) struct Running {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    cancelled: bool,
    ended: bool,
}

impl Running {
    pub(crate) fn cancel(&self) {
        self.lock().cancelled = true;
        self.changed.notify_all();
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn wait_for_end(&self) {
        let state = self.lock();
        // Only a poisoned lock is an error; the state is consistent then, too.
        drop(self.changed.wait_while(state, |state| !state.ended));
    }

    /// Waits for this time or until the transfer is cancelled.
    fn wait(&self, time: Duration) -> Result<(), SnapshotOutcome> {
        let waited = self.changed.wait_timeout_while(self.lock(), time, |state| !state.cancelled);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.cancelled { Err(SnapshotOutcome::Cancelled) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The two ends of a transfer while both nodes are connected.
pub(crate) struct Route {
    pub(crate) sender: Arc<Link>,
    pub(crate) receiver: Arc<Link>,
    /// Flips a bit of the next chunk.
    pub(crate) corrupts: bool,
}

/// Runs a transfer and reports its outcome to the sending host. `route` returns the two ends while
/// the nodes are connected.
pub(crate) fn run(
    running: &Running,
    earlier: Option<Arc<Running>>,
    transfer: SnapshotTransfer,
    route: impl Fn() -> Option<Route>,
) {
    if let Some(earlier) = earlier {
        earlier.wait_for_end();
    }
    let chunk_bytes = transfer.chunk_bytes(CHUNK_BYTES_MAX);
    let SnapshotTransfer { offer, mut data, bytes_per_second_max } = transfer;
    let mut run = Transfer {
        running,
        route: &route,
        data: data.as_mut(),
        chunk_bytes,
        rate: bytes_per_second_max.map(RateLimit::new),
        offset: 0,
    };
    // The sending host receives a report even if a host panics.
    let outcome = catch_unwind(AssertUnwindSafe(|| run.run(&offer)));
    let outcome = outcome.unwrap_or_else(|_| Err(run.broken("a host panicked")));
    running.end();
    data.ended(outcome.unwrap_or_else(|outcome| outcome));
}

/// A transfer in progress.
struct Transfer<'a, R> {
    running: &'a Running,
    route: &'a R,
    data: &'a mut dyn OutgoingSnapshot,
    chunk_bytes: u32,
    rate: Option<RateLimit>,
    /// The end of the data that was passed to the receiver.
    offset: u64,
}

impl<R: Fn() -> Option<Route>> Transfer<'_, R> {
    /// Either value is the outcome.
    fn run(&mut self, offer: &SnapshotOffer) -> Result<SnapshotOutcome, SnapshotOutcome> {
        let refused = |refusal| Err(SnapshotOutcome::Refused(refusal));
        let Route { receiver, .. } = self.route()?;
        let Some(_permit) = receiver.incoming_snapshots().acquire() else {
            return refused(SnapshotRefusal::Busy);
        };
        let from: NodeId = offer.message.from;
        let offered = receiver.while_open(|| receiver.inbox().snapshot_offered(from, offer));
        let mut into = match offered.ok_or_else(|| self.left())? {
            SnapshotResponse::Complete => return Ok(SnapshotOutcome::Accepted),
            SnapshotResponse::Refuse(refusal) => return refused(refusal),
            SnapshotResponse::Receive { offset, .. } if offset > offer.size_bytes => {
                return Err(self.broken("the receiver requested data after the end"));
            }
            SnapshotResponse::Receive { offset, into } => {
                self.offset = offset;
                into
            }
        };
        self.copy_data(&receiver, into.as_mut(), offer.size_bytes)?;
        match receiver.while_open(|| into.finish()).ok_or_else(|| self.left())? {
            Ok(()) => Ok(SnapshotOutcome::Accepted),
            Err(refusal) => refused(refusal),
        }
    }

    fn copy_data(
        &mut self,
        receiver: &Arc<Link>,
        into: &mut dyn IncomingSnapshot,
        size_bytes: u64,
    ) -> Result<(), SnapshotOutcome> {
        let started = Instant::now();
        let mut buffer = vec![0; self.chunk_bytes as usize];
        while self.offset < size_bytes {
            let left = usize::try_from(size_bytes - self.offset).unwrap_or(usize::MAX);
            let bytes = left.min(buffer.len());
            let chunk = &mut buffer[..bytes];
            let now = Timestamp(0).after(started.elapsed());
            let wait = self.rate.as_mut().map(|rate| rate.reserve(now, bytes as u64));
            self.running.wait(wait.unwrap_or_default())?;
            let route = self.route()?;
            if !Arc::ptr_eq(&route.receiver, receiver) {
                return Err(self.broken("the receiver has restarted"));
            }
            let offset = self.offset;
            let read = route.sender.while_open(|| self.data.read_at(offset, chunk));
            if let Err(failure) = read.ok_or_else(|| self.left())? {
                return Err(self.broken(&format!("the data cannot be read: {failure}")));
            }
            let checksum = crc32c::crc32c(chunk);
            if route.corrupts {
                chunk[bytes / 2] ^= 1;
            }
            let written = if crc32c::crc32c(chunk) == checksum {
                let written = receiver.while_open(|| into.write_at(offset, chunk));
                written.ok_or_else(|| self.left())?
            } else {
                let reason = format!("the checksum of the chunk at offset {offset} is wrong");
                Err(SnapshotRefusal::Corrupt(reason))
            };
            written.map_err(SnapshotOutcome::Refused)?;
            self.offset += bytes as u64;
        }
        self.running.wait(Duration::ZERO)
    }

    fn route(&self) -> Result<Route, SnapshotOutcome> {
        (self.route)().ok_or_else(|| self.broken("the nodes are not connected"))
    }

    fn left(&self) -> SnapshotOutcome {
        self.broken("a node has left the hub")
    }

    fn broken(&self, reason: &str) -> SnapshotOutcome {
        SnapshotOutcome::Broken { offset: self.offset, reason: reason.to_owned() }
    }
}

/// The size in bytes of the largest chunk. A transfer holds one chunk in memory.
const CHUNK_BYTES_MAX: u32 = 256 * 1024;
