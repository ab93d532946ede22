//! Reads that may wait for the disk, on threads of their own.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;

use crate::kv::protocol::Refusal;
use crate::kv::state_machine::{KeyRange, KvReader, QueryResult, RangeRequest, ReadError};

/// The least and the most disk reads at a time by default.
const READS_MIN: usize = 4;
const READS_MAX: usize = 64;

/// How many disk reads of a kind run at a time by default: two for each core.
pub(super) fn reads_max_default() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    (2 * cores).clamp(READS_MIN, READS_MAX)
}

/// Runs reads on the runtime's threads for blocking work, a bounded number at a time. Single keys
/// and ranges have a bound each, so that long scans do not delay single keys.
#[derive(Debug)]
pub(super) struct DiskReads {
    reader: KvReader,
    keys: Arc<Semaphore>,
    ranges: Arc<Semaphore>,
    count: Arc<AtomicU64>,
}

impl DiskReads {
    /// `reads_max` reads of each kind at a time, at least one.
    pub(super) fn new(reader: KvReader, reads_max: usize) -> Self {
        let places = || Arc::new(Semaphore::new(reads_max.clamp(1, Semaphore::MAX_PERMITS)));
        Self { reader, keys: places(), ranges: places(), count: Arc::default() }
    }

    /// How many reads were run here.
    pub(super) const fn count(&self) -> &Arc<AtomicU64> {
        &self.count
    }

    /// Waits for a place and reads. A caller that goes away does not end a read that has begun,
    /// which keeps its place until then.
    pub(super) async fn read(&self, request: RangeRequest) -> Result<QueryResult, Refusal> {
        let places = match &request.range {
            KeyRange::Key(_) => &self.keys,
            KeyRange::Prefix(_) | KeyRange::Span { .. } | KeyRange::From(_) => &self.ranges,
        };
        let place = Arc::clone(places).acquire_owned().await.map_err(|_| Refusal::Stopped)?;
        self.count.fetch_add(1, Ordering::Relaxed);
        let reader = self.reader.clone();
        let read = tokio::task::spawn_blocking(move || {
            let answer = reader.range(&request);
            drop(place);
            answer
        });
        // A runtime that is shutting down does not run it any more.
        read.await.map_err(|_| Refusal::Stopped)?.map_err(|error| unreadable(&error))
    }
}

/// What a client is told when the store cannot be read.
pub(super) fn unreadable(error: &ReadError) -> Refusal {
    Refusal::Unreadable { reason: error.to_string() }
}
