//! Tests of both stores: the conformance suite, and damaged disks.
#![allow(
    clippy::unwrap_used,
    clippy::result_large_err,
    reason = "tests stop at the first surprise"
)]

#[cfg(feature = "rocksdb")]
mod damage;
mod suite;
