//! Why bytes cannot be decoded.

use super::format::FORMAT_VERSION;
use crate::message::InvalidMessage;

/// Why bytes are not a message or a payload.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No bytes at all.
    #[error("the frame is empty")]
    Empty,
    /// A version that this release does not support.
    #[error("message format {found} is not supported; this release supports {FORMAT_VERSION}")]
    UnknownVersion {
        /// The version in the frame.
        found: u8,
    },
    /// A whole envelope around a body of a kind that this release does not know. A newer release
    /// may have sent it; the receiver may skip the frame.
    #[error("unknown kind of message: {kind}")]
    UnknownKind {
        /// The number of the kind.
        kind: u32,
    },
    /// Bytes that postcard cannot read.
    #[error("malformed: {0}")]
    Malformed(#[from] postcard::Error),
    /// More bytes than the message has.
    #[error("{bytes} bytes follow the end of the message")]
    TrailingBytes {
        /// The number of bytes that follow.
        bytes: usize,
    },
    /// The message contradicts itself.
    #[error("invalid message: {0}")]
    Invalid(#[from] InvalidMessage),
}
