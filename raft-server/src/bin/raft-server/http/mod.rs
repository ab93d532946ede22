//! The node's HTTP port, read-only: probes, metrics and status.
//!
//! No request changes state, and none is authenticated. The configuration therefore recommends a
//! loopback address and warns of any other. Connections, header sizes and times are bounded. On a
//! loopback address a request must name that address or `localhost` as its host: a web page of
//! another origin cannot read the status through a DNS name that resolves to this address.

mod metrics;
mod pages;
mod probe;
#[cfg(test)]
mod sample;
mod serve;
mod status;
mod watched;

pub(crate) use serve::HttpPort;
pub(crate) use watched::{About, Watched};
