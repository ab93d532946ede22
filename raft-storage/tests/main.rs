//! Tests of both stores: the conformance suite, damaged disks, and crashes.
#![allow(
    clippy::unwrap_used,
    clippy::result_large_err,
    reason = "tests stop at the first surprise"
)]

#[cfg(feature = "rocksdb")]
mod crash;
#[cfg(feature = "rocksdb")]
mod damage;
mod suite;
