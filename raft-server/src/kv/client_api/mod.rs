//! The client port of a node: serves the [client protocol](super::protocol).

mod budget;
mod connection;
mod disk_reads;
mod execute;
mod listener;
mod monitor;
mod pings;

pub use listener::{ClientApi, ClientApiConfig, ClientApiError, MemberAddresses};
pub use monitor::{ClientApiMonitor, ClientApiStatus};
