//! The store's own words: revisions, sessions, ranges of keys, a key with its value.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::blob;
use super::rules::Rules;

/// A state of the whole store. Every command that changes something makes the next one; zero is
/// the empty store before the first change.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The empty store before the first change.
    pub const ZERO: Self = Self(0);

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The revision that the next change makes.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Names a client session: the log index of the command that opened it, so it is never given out
/// twice.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Which keys are meant. Keys are ordered as byte strings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum KeyRange {
    /// One key.
    Key(#[serde(with = "blob")] Bytes),
    /// Every key that begins with these bytes; the empty prefix means every key.
    Prefix(#[serde(with = "blob")] Bytes),
    /// From `start`, included, to `end`, left out.
    Span {
        /// The first key that may match.
        #[serde(with = "blob")]
        start: Bytes,
        /// The first key that does not match any more. Nothing matches if it is not above `start`.
        #[serde(with = "blob")]
        end: Bytes,
    },
    /// This key and every one above it.
    From(#[serde(with = "blob")] Bytes),
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub const fn all() -> Self {
        Self::Prefix(Bytes::new())
    }

    /// The lowest key that can match.
    #[must_use]
    pub const fn start(&self) -> &Bytes {
        match self {
            Self::Key(start)
            | Self::Prefix(start)
            | Self::Span { start, end: _ }
            | Self::From(start) => start,
        }
    }

    /// The lowest key above all that match; `None` if there is no such key.
    #[must_use]
    pub fn end(&self) -> Option<Bytes> {
        match self {
            Self::Key(key) => Some(successor(key)),
            Self::Prefix(prefix) => prefix_end(prefix),
            Self::Span { start: _, end } => Some(end.clone()),
            Self::From(_) => None,
        }
    }

    /// Whether a key is meant.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        match self {
            Self::Key(only) => key == only,
            Self::Prefix(prefix) => key.starts_with(prefix),
            Self::Span { start, end } => key >= &start[..] && key < &end[..],
            Self::From(start) => key >= &start[..],
        }
    }

    /// What is left of the range above `key`: where to go on after a result with `more`.
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

/// The lowest key above every key that begins with `prefix`; `None` if the prefix is empty or
/// nothing but `0xff`, as every such range goes on to the last key there is.
pub(super) fn prefix_end(prefix: &[u8]) -> Option<Bytes> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(Bytes::from(end))
}

/// A key as it stood at some revision.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyValue {
    /// The key.
    #[serde(with = "blob")]
    pub key: Bytes,
    /// Its value; empty if only keys were asked for.
    #[serde(with = "blob")]
    pub value: Bytes,
    /// The revision that created it; never above `mod_revision`.
    pub create_revision: Revision,
    /// The revision that changed it last.
    pub mod_revision: Revision,
    /// How many puts it has seen since it was created, from 1.
    pub version: u64,
}

/// Why bytes are no command, output, query or answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FormatError {
    /// There is not even a version byte.
    #[error("empty, not even a format version")]
    Empty,
    /// Another release wrote it.
    #[error(
        "format version {found}, but this release knows version {supported}: use the release that wrote it"
    )]
    Version {
        /// The version byte that was found.
        found: u8,
        /// The newest version that this release knows.
        supported: u8,
    },
    /// The bytes do not decode, or some are left over.
    #[error("damaged: the bytes do not decode")]
    Damaged,
}

/// The format that this release writes. It is the version of the rules: the form of a command
/// decides what the command does, and the form of an output is part of what it does, as sessions
/// keep outputs up to a size.
pub(super) const FORMAT_VERSION: u8 = Rules::CURRENT.version;

/// A version byte, then postcard.
pub(super) fn encode<T: Serialize>(value: &T) -> Bytes {
    let buffer = vec![FORMAT_VERSION];
    let bytes = postcard::to_extend(value, buffer)
        .expect("plain data has a binary form, and a vector takes as much as there is memory");
    Bytes::from(bytes)
}

/// Reads what [`encode`] wrote, to the last byte.
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
