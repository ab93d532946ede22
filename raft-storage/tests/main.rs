//! The stores from outside: both pass the suite, and the one on disk survives a damaged disk.
#![allow(
    clippy::unwrap_used,
    clippy::result_large_err,
    reason = "tests stop at the first surprise"
)]

#[cfg(feature = "rocksdb")]
mod damage;
mod suite;
