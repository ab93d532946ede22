//! The numbers of the message format.

/// The version of the message format: the first byte of every encoded message.
pub const FORMAT_VERSION: u8 = 1;

/// The most bytes that an encoded append message takes besides its entries.
pub const ENVELOPE_BYTES_MAX: u64 = 128;
