//! The stores of this crate keep what they promise, and say so when they cannot.
#![allow(
    clippy::unwrap_used,
    clippy::result_large_err,
    reason = "tests stop at the first surprise"
)]

mod conformance;
#[cfg(feature = "rocksdb")]
mod damage;
