//! The counters of a client port.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::budget::ResponseUsage;

/// Reads the counters of a client port. Does not keep the port open.
#[derive(Clone, Debug)]
pub struct ClientApiMonitor {
    responses: Arc<ResponseUsage>,
    disk_reads: Arc<AtomicU64>,
}

/// The counters of a client port at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClientApiStatus {
    /// Bytes of keys and values that are charged for responses which are not yet written, over all
    /// connections.
    pub response_bytes: u64,
    /// The highest value of `response_bytes` since the start.
    pub response_bytes_peak: u64,
    /// How often a request waited for space in a response budget.
    pub response_waits: u64,
    /// Reads that were not served from memory.
    pub disk_reads: u64,
}

impl ClientApiMonitor {
    pub(super) const fn new(responses: Arc<ResponseUsage>, disk_reads: Arc<AtomicU64>) -> Self {
        Self { responses, disk_reads }
    }

    /// The current values. They are read one after the other, not at one moment.
    #[must_use]
    pub fn status(&self) -> ClientApiStatus {
        let ResponseUsage { charged_bytes, charged_bytes_peak, waits } = &*self.responses;
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        ClientApiStatus {
            response_bytes: read(charged_bytes),
            response_bytes_peak: read(charged_bytes_peak),
            response_waits: read(waits),
            disk_reads: read(&self.disk_reads),
        }
    }
}
