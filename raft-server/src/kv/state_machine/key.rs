//! Ranges of keys, and a key with its value.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::blob;
use super::types::Revision;

/// A set of keys. Keys are ordered as byte strings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum KeyRange {
    /// One key.
    Key(#[serde(with = "blob")] Bytes),
    /// Every key that begins with these bytes; the empty prefix selects every key.
    Prefix(#[serde(with = "blob")] Bytes),
    /// Every key from `start`, included, to `end`, excluded.
    Span {
        /// The lowest key of the range.
        #[serde(with = "blob")]
        start: Bytes,
        /// The lowest key above the range. The range is empty if this is not above `start`.
        #[serde(with = "blob")]
        end: Bytes,
    },
    /// This key and every key above it.
    From(#[serde(with = "blob")] Bytes),
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub const fn all() -> Self {
        Self::Prefix(Bytes::new())
    }

    /// The lowest key that the range can contain.
    #[must_use]
    pub const fn start(&self) -> &Bytes {
        match self {
            Self::Key(start)
            | Self::Prefix(start)
            | Self::Span { start, end: _ }
            | Self::From(start) => start,
        }
    }

    /// The lowest key above the range; `None` if the range has no upper bound.
    #[must_use]
    pub fn end(&self) -> Option<Bytes> {
        match self {
            Self::Key(key) => Some(successor(key)),
            Self::Prefix(prefix) => prefix_end(prefix),
            Self::Span { start: _, end } => Some(end.clone()),
            Self::From(_) => None,
        }
    }

    /// Whether the range contains a key.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        match self {
            Self::Key(only) => key == only,
            Self::Prefix(prefix) => key.starts_with(prefix),
            Self::Span { start, end } => key >= &start[..] && key < &end[..],
            Self::From(start) => key >= &start[..],
        }
    }

    /// The part of the range above `key`: the range to request after a result with `more`.
    #[must_use]
    pub fn after(&self, key: &[u8]) -> Self {
        let start = successor(key).max(self.start().clone());
        match self.end() {
            Some(end) => Self::Span { start, end },
            None => Self::From(start),
        }
    }
}

/// The lowest key above `key`.
fn successor(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    Bytes::from(next)
}

/// The lowest key above every key that begins with `prefix`; `None` if the prefix is empty or all
/// of its bytes are `0xff`: no key is above every key of such a range.
fn prefix_end(prefix: &[u8]) -> Option<Bytes> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(Bytes::from(end))
}

/// A key at one revision.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyValue {
    /// The key.
    #[serde(with = "blob")]
    pub key: Bytes,
    /// Its value; empty if only keys were requested.
    #[serde(with = "blob")]
    pub value: Bytes,
    /// The revision that created the key; never above `mod_revision`.
    pub create_revision: Revision,
    /// The revision that changed it last.
    pub mod_revision: Revision,
    /// The number of puts since the key was created, from 1.
    pub version: u64,
}
