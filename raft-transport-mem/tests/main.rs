//! Tests of the in-memory transport.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod hub;
