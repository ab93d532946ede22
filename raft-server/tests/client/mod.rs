//! The client protocol and the client: against nodes in this process, and against a node whose
//! every answer the test makes up.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "in a test an unexpected value is a failure, whatever it is"
)]

mod calls;
mod cluster;
mod cold_reads;
mod frames;
mod half_open;
mod hello;
mod puppet;
mod response_budget;
mod single;
mod stall;
mod tls;
