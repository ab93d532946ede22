//! The key-value state machine, through its public interface.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "in a test an unexpected value is a failure, whatever it is"
)]

mod bounds;
mod cached;
mod crash;
mod limits;
mod model;
mod open;
mod random;
mod reads;
mod sessions;
mod snapshot;
mod store;
mod suite;
mod txn;
