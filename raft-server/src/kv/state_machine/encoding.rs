//! The binary form of commands, outputs, queries and query results: a version byte, then postcard.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::rules::Rules;

/// Why bytes are not a command, output, query or query result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FormatError {
    /// There is no version byte.
    #[error("empty, without a format version")]
    Empty,
    /// Another release wrote the bytes.
    #[error(
        "format version {found}, but this release supports version {supported}: use the release \
         that wrote it"
    )]
    Version {
        /// The version byte that was found.
        found: u8,
        /// The newest version that this release supports.
        supported: u8,
    },
    /// The bytes do not decode, or some are left over.
    #[error("damaged: the bytes do not decode")]
    Damaged,
}

/// The format that this release writes. It is the version of the rules: the form of a command
/// decides what the command does, and the form of an output is part of what it does, because
/// sessions keep outputs up to a size.
const FORMAT_VERSION: u8 = Rules::CURRENT.version;

/// Encodes a value after the version byte.
pub(super) fn encode<T: Serialize>(value: &T) -> Bytes {
    let buffer = vec![FORMAT_VERSION];
    let bytes = postcard::to_extend(value, buffer)
        .expect("plain data has a binary form, and a vector grows as needed");
    Bytes::from(bytes)
}

/// Decodes what [`encode`] wrote. Every byte must be used.
pub(super) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, FormatError> {
    let (version, body) = bytes.split_first().ok_or(FormatError::Empty)?;
    match *version {
        FORMAT_VERSION => {}
        // No release writes this.
        0 => return Err(FormatError::Damaged),
        found => return Err(FormatError::Version { found, supported: FORMAT_VERSION }),
    }
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        Ok(_) | Err(_) => Err(FormatError::Damaged),
    }
}
