//! Mutual TLS: certificates, keys, and the identities that they prove.
//!
//! All nodes and clients of a cluster have certificates of a common authority. Several authorities
//! may be trusted at a time, so that one can be replaced by another. Each certificate contains the
//! [`PeerIdentity`] of its holder as a URI. TLS proves that the certificate is genuine;
//! [`accepted_identity`] and [`dialled_identity`] then check that the holder is the expected one,
//! before any application data is read.

mod check;
mod config;
mod crypto;
mod error;
mod files;
mod holder;
mod identity;
mod negotiated;
mod protocol;
mod verify;

pub use check::{Refusal, accepted_identity, dialled_identity};
pub use config::{SERVER_NAME, client_config, server_config};
pub use error::TlsError;
pub use files::{TlsFiles, TlsIdentity};
pub use identity::{IdentityError, PeerIdentity};
pub use negotiated::{negotiated_protocol, peer_identity};
pub use protocol::Protocol;
