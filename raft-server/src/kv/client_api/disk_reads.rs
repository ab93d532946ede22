//! Reads that may wait for the disk, on separate threads.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;

use crate::kv::protocol::Refusal;
use crate::kv::state_machine::{KeyRange, KvReader, QueryResult, RangeRequest, ReadError};

/// The bounds of the default number of concurrent disk reads.
const READS_MIN: usize = 4;
const READS_MAX: usize = 64;

/// The default number of concurrent disk reads of each kind: two per core.
pub(super) fn reads_max_default() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    (2 * cores).clamp(READS_MIN, READS_MAX)
}

/// Runs a bounded number of reads at a time on the blocking threads of the runtime. Single keys and
/// ranges have separate bounds, so that long scans do not delay single keys.
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
        let permits = || Arc::new(Semaphore::new(reads_max.clamp(1, Semaphore::MAX_PERMITS)));
        Self { reader, keys: permits(), ranges: permits(), count: Arc::default() }
    }

    /// The number of reads so far.
    pub(super) const fn count(&self) -> &Arc<AtomicU64> {
        &self.count
    }

    /// Waits for a permit and reads. If the caller is cancelled, a read that has begun continues
    /// and keeps its permit.
    pub(super) async fn read(&self, request: RangeRequest) -> Result<QueryResult, Refusal> {
        let permits = match &request.range {
            KeyRange::Key(_) => &self.keys,
            KeyRange::Prefix(_) | KeyRange::Span { .. } | KeyRange::From(_) => &self.ranges,
        };
        let permit = Arc::clone(permits).acquire_owned().await.map_err(|_| Refusal::Stopped)?;
        self.count.fetch_add(1, Ordering::Relaxed);
        let reader = self.reader.clone();
        let read = tokio::task::spawn_blocking(move || {
            let result = reader.range(&request);
            drop(permit);
            result
        });
        // A runtime that shuts down does not run it.
        read.await.map_err(|_| Refusal::Stopped)?.map_err(|error| unreadable(&error))
    }
}

/// The refusal when the store cannot be read.
pub(super) fn unreadable(error: &ReadError) -> Refusal {
    Refusal::Unreadable { reason: error.to_string() }
}
