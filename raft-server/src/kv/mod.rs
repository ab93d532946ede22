//! The replicated key-value store: its state machine, the client protocol, the port that serves
//! it, and the client.
//!
//! [`client_api`] and [`client`] are the two sides of [`protocol`]; they do not use each other.
//! [`state_machine`] uses none of the three.

pub mod client;
pub mod client_api;
pub mod protocol;
pub mod state_machine;
