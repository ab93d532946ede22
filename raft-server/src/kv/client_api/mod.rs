//! The client port of a node: serves the [client protocol](super::protocol).

mod budget;
mod connection;
mod disk_reads;
mod execute;
mod listener;
mod monitor;
mod pings;

pub use listener::{
    CONNECTION_RESPONSE_BYTES_MAX_DEFAULT, ClientApi, ClientApiConfig, ClientApiError,
    IDENTITY_RESPONSE_BYTES_MAX_DEFAULT, MemberAddresses,
};
pub use monitor::{ClientApiMonitor, ClientApiStatus};
