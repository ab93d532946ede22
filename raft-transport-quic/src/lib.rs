//! A [`raft_core::ports::Transport`] over QUIC with mutual TLS.

pub mod error;
pub mod tls;

pub use error::{CloseCode, TransportError};
