//! What an embedder chooses about snapshots.

use std::fmt;
use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;

use raft_core::ports::SnapshotStore;

/// Returns the number of free bytes.
type FreeBytes = Arc<dyn Fn() -> io::Result<u64> + Send + Sync>;

/// Where a node keeps its snapshots, and what they may use.
///
/// A node with a snapshot store compacts its log, sends snapshots to followers that need compacted
/// entries, and installs those of its leader. The store must be as durable as the log store: the log
/// is compacted up to a durable snapshot. So a store in memory belongs to a log in memory.
#[derive(Clone)]
pub struct SnapshotOptions {
    pub(super) store: Arc<dyn SnapshotStore>,
    pub(super) bytes_per_second_max: Option<NonZeroU64>,
    pub(super) disk: Option<DiskBudget>,
}

/// The free space that captures, receptions and restores leave.
#[derive(Clone)]
pub(super) struct DiskBudget {
    reserve_bytes: u64,
    free_bytes: FreeBytes,
}

/// There is too little free space.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the disk has {free_bytes} bytes free, and {needed_bytes} are needed, a reserve of \
     {reserve_bytes} included: free some space"
)]
pub struct TooLittleSpace {
    free_bytes: u64,
    needed_bytes: u64,
    reserve_bytes: u64,
}

impl SnapshotOptions {
    /// Keeps snapshots in this store, without a limit on transfers and without a check of free
    /// space.
    #[must_use]
    pub fn new(store: impl SnapshotStore) -> Self {
        Self { store: Arc::new(store), bytes_per_second_max: None, disk: None }
    }

    /// Sends at most this many bytes of a snapshot in one second to each follower; `None`, the
    /// default, for no limit.
    #[must_use]
    pub const fn bytes_per_second_max(mut self, bytes: Option<NonZeroU64>) -> Self {
        self.bytes_per_second_max = bytes;
        self
    }

    /// Captures, receives and restores a snapshot only while `free_bytes`, which returns the free
    /// space of the disk, exceeds what that needs by `reserve_bytes`. If the space cannot be read,
    /// it counts as sufficient.
    #[must_use]
    pub fn disk(
        mut self,
        reserve_bytes: u64,
        free_bytes: impl Fn() -> io::Result<u64> + Send + Sync + 'static,
    ) -> Self {
        self.disk = Some(DiskBudget { reserve_bytes, free_bytes: Arc::new(free_bytes) });
        self
    }

    /// Checks that this many bytes can be written, and that the reserve stays free.
    pub(super) fn check_space(&self, bytes: u64) -> Result<(), TooLittleSpace> {
        self.disk.as_ref().map_or(Ok(()), |disk| disk.check(bytes, disk.reserve_bytes))
    }

    /// Checks that this many bytes can be written for a state machine that cannot continue without
    /// them.
    pub(super) fn check_urgent_space(&self, bytes: u64) -> Result<(), TooLittleSpace> {
        self.disk.as_ref().map_or(Ok(()), |disk| disk.check(bytes, 0))
    }
}

impl DiskBudget {
    fn check(&self, bytes: u64, reserve_bytes: u64) -> Result<(), TooLittleSpace> {
        let free_bytes = match (self.free_bytes)() {
            Ok(free_bytes) => free_bytes,
            Err(error) => {
                tracing::warn!(%error, "the free space of the disk cannot be read");
                return Ok(());
            }
        };
        let needed_bytes = bytes.saturating_add(reserve_bytes);
        if free_bytes >= needed_bytes {
            Ok(())
        } else {
            Err(TooLittleSpace { free_bytes, needed_bytes, reserve_bytes })
        }
    }
}

impl fmt::Debug for SnapshotOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotOptions")
            .field("bytes_per_second_max", &self.bytes_per_second_max)
            .field("reserve_bytes", &self.disk.as_ref().map(|disk| disk.reserve_bytes))
            .finish_non_exhaustive()
    }
}
