//! The limit of incoming transfers of snapshots.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The most transfers that one node receives at the same time; further ones are refused.
pub const SNAPSHOTS_INCOMING_MAX: usize = 2;

/// The number of transfers that a node receives.
#[derive(Default)]
pub(crate) struct IncomingCount(AtomicUsize);

/// The permission for one incoming transfer.
pub(crate) struct IncomingPermit<'a>(&'a IncomingCount);

impl IncomingCount {
    /// Takes a permission; `None` if all are taken.
    pub(crate) fn acquire(&self) -> Option<IncomingPermit<'_>> {
        let acquired = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
            (count < SNAPSHOTS_INCOMING_MAX).then_some(count + 1)
        });
        acquired.ok().map(|_| IncomingPermit(self))
    }
}

impl Drop for IncomingPermit<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}
