//! The binary form of messages and entries: a version byte, then postcard.
//!
//! Commands of decoded messages are slices of the frame that carried them: decoding copies no
//! command and allocates no more than the frame justifies. A decoded message is complete (no
//! trailing bytes) and consistent by itself ([`Rpc`](crate::Rpc)). The node checks whether it is
//! addressed to it and fits its state.

mod entry;
mod error;
mod format;
mod message;
#[cfg(test)]
mod tests;

pub use entry::{decode_entry, decode_payload, encode_payload};
pub use error::DecodeError;
pub use format::{ENVELOPE_BYTES_MAX, FORMAT_VERSION};
pub use message::{decode, encode};
