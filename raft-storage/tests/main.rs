//! Tests of the stores: the conformance suites, damaged disks, and crashes.
#![allow(
    clippy::unwrap_used,
    clippy::result_large_err,
    reason = "tests stop at the first surprise"
)]

#[cfg(feature = "rocksdb")]
mod crash;
#[cfg(feature = "rocksdb")]
mod damage;
mod directory;
mod snapshots;
mod suite;
