//! Log stores and snapshot stores for [`raft_core`]: on disk and in memory, and a conformance suite
//! for any implementation of [`LogStore`](raft_core::ports::LogStore) and of
//! [`SnapshotStore`](raft_core::ports::SnapshotStore).
//!
//! | item | use | feature |
//! | --- | --- | --- |
//! | [`MemLogStore`] | tests, simulations, clusters that may lose their data | none |
//! | `RocksLogStore` | nodes whose data must survive a restart | `rocksdb` (on by default) |
//! | [`FileSnapshotStore`] | snapshots in files | none |
//! | [`MemSnapshotStore`] | snapshots in tests and simulations | none |
//! | `conformance`, `log_store_suite!`, `snapshot_store_suite!` | tests of a store | `conformance` |
//!
//! Both log stores validate each change before they write it: entries are contiguous, terms never
//! decrease, and at most one vote is granted in a term. A change that violates a rule is refused,
//! nothing of it is written, and the store refuses all further calls, because the caller's state no
//! longer matches the log.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod data_directory;
mod error;
mod mem;
mod mem_snapshots;
mod outline;
#[cfg(feature = "rocksdb")]
mod rocks;
mod snapshots;

pub use error::OpenError;
pub use mem::MemLogStore;
pub use mem_snapshots::MemSnapshotStore;
#[cfg(feature = "rocksdb")]
pub use rocks::{FORMAT, RocksLogStore, RocksOptions};
pub use snapshots::{DamagedSnapshot, FileSnapshotStore, SnapshotFileWriter, open_snapshot_file};

/// Compiles the example of the README.
#[cfg(all(doctest, feature = "rocksdb"))]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
