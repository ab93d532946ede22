//! The client port of a node: serves the [client protocol](super::protocol).
//!
//! [`ClientApi`] opens the port. One task per connection reads requests, has them served
//! concurrently and writes the responses.

mod accept;
mod budget;
mod config;
mod connection;
mod context;
mod disk_reads;
mod error;
mod explain;
mod listener;
mod members;
mod monitor;
mod pings;
mod response_size;
mod saves;
mod service;

pub use config::{
    CONNECTION_RESPONSE_BYTES_MAX_DEFAULT, ClientApiConfig, IDENTITY_RESPONSE_BYTES_MAX_DEFAULT,
    MemberAddresses,
};
pub use error::ClientApiError;
pub use listener::ClientApi;
pub use monitor::{ClientApiMonitor, ClientApiStatus};
