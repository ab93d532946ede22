//! Log stores for [`raft_core`]: one on disk, one in memory, and a suite that tells whether
//! somebody else's store keeps the same promises.
//!
//! | what | for | feature |
//! | --- | --- | --- |
//! | [`MemLogStore`] | tests, simulations, clusters that may forget | always there |
//! | `RocksLogStore` | nodes that must not forget | `rocksdb` (on by default) |
//! | `conformance`, `log_store_suite!` | tests of any [`LogStore`](raft_core::ports::LogStore) | `conformance` |
//!
//! Both stores check what they are asked to write: entries follow one another without a gap,
//! terms never fall, and a vote is given at most once a term. A request that breaks one of these
//! is refused before a byte is written, and the store stops: whoever made it can no longer be
//! trusted with the log.

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "rocksdb")]
mod error;
mod mem;
#[cfg(feature = "rocksdb")]
mod rocks;
mod shape;

#[cfg(feature = "rocksdb")]
pub use error::OpenError;
pub use mem::MemLogStore;
#[cfg(feature = "rocksdb")]
pub use rocks::{FORMAT, RocksLogStore, RocksOptions};
