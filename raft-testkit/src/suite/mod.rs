//! Suites that every implementation of a port must pass, ours and other people's.

pub mod transport;

pub use raft_storage::conformance::StoreFactory;
