//! Suites of tests for implementations of the ports of raft-core: log stores and transports.

pub mod transport;

pub use raft_storage::conformance::StoreFactory;
