//! The binary form of messages and entries: a version byte, then postcard.
//!
//! Payloads of decoded messages are slices of the frame they came in: nothing is copied, and
//! nothing larger than the frame is ever allocated. What decodes is whole (no trailing bytes) and
//! consistent with itself; whether it suits the receiver is for the node to say.

mod entry;
mod message;
#[cfg(test)]
mod tests;

pub use entry::{decode_entry, decode_payload, encode_payload};
pub use message::{DecodeError, ENVELOPE_BYTES_MAX, FORMAT_VERSION, decode, encode};
