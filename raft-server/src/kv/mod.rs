//! The replicated key-value store: its state machine, the port for clients, and the client.
//!
//! [`state_machine`] knows nothing of the two others; [`client_api`] serves it over QUIC;
//! [`client`] is the other side of the protocol.

pub mod client;
pub mod client_api;
pub mod state_machine;
