//! The snapshots of a node: where they are, and what they may use.

use std::num::NonZeroU64;

use raft_server::{SnapshotOptions, space};
use raft_storage::FileSnapshotStore;

use crate::config::Config;

/// The snapshots in this store. They leave the reserve of free space to the log.
pub(super) fn options(config: &Config, store: FileSnapshotStore) -> SnapshotOptions {
    let data_dir = config.data_dir.clone();
    SnapshotOptions::new(store)
        .bytes_per_second_max(NonZeroU64::new(config.snapshot_bytes_per_second_max))
        .disk(config.storage_reserve_bytes, move || space::free_bytes(&data_dir))
}
