//! Log stores for [`raft_core`]: one on disk, one in memory, and a conformance suite for any
//! implementation of [`LogStore`](raft_core::ports::LogStore).
//!
//! | item | use | feature |
//! | --- | --- | --- |
//! | [`MemLogStore`] | tests, simulations, clusters that may lose their data | none |
//! | `RocksLogStore` | nodes whose data must survive a restart | `rocksdb` (on by default) |
//! | `conformance`, `log_store_suite!` | tests of a log store | `conformance` |
//!
//! Both stores validate each change before they write it: entries are contiguous, terms never
//! decrease, and at most one vote is granted in a term. A change that violates a rule is refused,
//! nothing of it is written, and the store refuses all further calls, because the caller's state no
//! longer matches the log.

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "rocksdb")]
pub mod data_directory;
#[cfg(feature = "rocksdb")]
mod error;
mod mem;
mod outline;
#[cfg(feature = "rocksdb")]
mod rocks;

#[cfg(feature = "rocksdb")]
pub use error::OpenError;
pub use mem::MemLogStore;
#[cfg(feature = "rocksdb")]
pub use rocks::{FORMAT, RocksLogStore, RocksOptions};

/// Compiles the example of the README.
#[cfg(all(doctest, feature = "rocksdb"))]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
