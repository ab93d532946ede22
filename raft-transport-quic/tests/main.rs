//! Tests of the QUIC transport over the loopback interface.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admission;
mod authority;
mod conformance;
mod large_append;
mod pairs;
mod raw;
mod redial;
mod refusals;
mod snapshots;
mod versions;
