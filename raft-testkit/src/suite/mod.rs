//! Suites of tests for implementations of the ports of raft-core: log stores, state machines and
//! transports.

pub mod state_machine;
pub mod transport;

pub use raft_storage::conformance::StoreFactory;
