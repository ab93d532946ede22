//! The client protocol and the client: against nodes in this process, and against a fake node whose
//! every response the test decides.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "in a test an unexpected value is a failure, whatever it is"
)]

mod calls;
mod cluster;
mod cold_reads;
mod fake_node;
mod frames;
mod half_open;
mod hello;
mod membership_examples;
mod protocol_document;
mod raw_client;
mod redirects;
mod response_budget;
mod sessions;
mod setup;
mod single;
mod stall;
mod tls;
