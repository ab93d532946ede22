//! A client of the replicated key-value store.
//!
//! A [`Client`] has the addresses of some nodes, finds the leader, follows leadership changes, and
//! shares one connection per node among all its clones and callers. It retries where that is safe:
//! always after a refusal; after a lost response only if the request was a read or belongs to a
//! session, in which the cluster applies it once. Otherwise the call returns [`Error::Unknown`].

mod addresses;
mod call;
mod config;
mod connection;
mod dial;
mod error;
mod handle;
mod nodes;
mod outputs;
mod progress;
mod session;
mod snapshots;

pub use config::{ClientConfig, Retry};
pub use error::Error;
pub use handle::{Client, Read, Revisioned};
pub use snapshots::SnapshotDownload;
