//! What the parts of a node share about its snapshots.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use raft_core::LogIndex;
use raft_core::ports::{SnapshotMetadata, SnapshotStore};

use super::super::counters::Counters;
use super::super::mailbox::Mailbox;
use super::options::SnapshotOptions;
use super::reception::Receptions;
use super::report::SnapshotReport;

/// The snapshot store of a node, and what its parts share about it.
pub(in crate::node) struct Snapshots {
    pub(super) options: SnapshotOptions,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) counters: Arc<Counters>,
    pub(super) receptions: Arc<Receptions>,
    /// The index of the last entry that the state machine has applied and flushed.
    applied: AtomicU64,
}

impl Snapshots {
    pub(in crate::node) fn new(
        options: SnapshotOptions,
        mailbox: Arc<Mailbox>,
        counters: Arc<Counters>,
    ) -> Self {
        let (applied, receptions) = (AtomicU64::new(0), Arc::default());
        Self { options, mailbox, counters, receptions, applied }
    }

    /// The complete snapshots, ascending.
    pub(in crate::node) fn list(&self) -> Vec<SnapshotMetadata> {
        self.store().list()
    }

    /// The state machine has applied and flushed every entry up to this one.
    pub(in crate::node) fn on_flushed(&self, applied: LogIndex) {
        self.applied.store(applied.get(), Ordering::Release);
    }

    pub(super) fn store(&self) -> &dyn SnapshotStore {
        &*self.options.store
    }

    pub(super) fn applied(&self) -> LogIndex {
        LogIndex(self.applied.load(Ordering::Acquire))
    }

    pub(in crate::node) fn report(&self, report: SnapshotReport) {
        self.mailbox.post(|arrivals| arrivals.snapshot_reports.push(report));
    }
}

impl fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots").field("options", &self.options).finish_non_exhaustive()
    }
}
