//! State machines that ship with the server.

#[cfg(feature = "server")]
pub mod kv;
