//! A Raft cluster with every message, disk write and clock tick in the test's hand.

pub mod features;
pub mod trace;
