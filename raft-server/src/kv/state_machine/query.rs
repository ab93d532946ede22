//! What reads the store.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::StoreRefusal;
use super::words::{self, FormatError, KeyRange, KeyValue, Revision};

/// A read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Query {
    /// Keys and values.
    Range(RangeRequest),
    /// A hash of the state at a revision, the newest if `None`: equal on all nodes.
    Hash(Option<Revision>),
}

/// Which keys, as of when, and how much of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RangeRequest {
    /// Which keys.
    pub range: KeyRange,
    /// As of when; the newest state if `None`.
    pub revision: Option<Revision>,
    /// The most keys to return; `None` leaves it to the store. The store returns fewer than asked
    /// for if they are too many or too large for one answer; `more` says so either way.
    pub limit: Option<u64>,
    /// What to return of each key.
    pub projection: Projection,
}

impl RangeRequest {
    /// The newest state of these keys with their values.
    #[must_use]
    pub const fn new(range: KeyRange) -> Self {
        Self { range, revision: None, limit: None, projection: Projection::KeysAndValues }
    }
}

/// What to return of each key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Projection {
    /// Everything.
    #[default]
    KeysAndValues,
    /// All but the values.
    KeysOnly,
    /// Nothing: only the count. The one projection that reads the whole range, whatever its
    /// limit.
    CountOnly,
}

/// What was read.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RangeResult {
    /// The keys in ascending order.
    pub kvs: Vec<KeyValue>,
    /// Whether there are further keys in the range than those returned. Go on with
    /// [`KeyRange::after`] the last one, at the revision of this answer. Always false if only the
    /// count was asked for.
    pub more: bool,
    /// How many keys the range holds, as far as that is known without reading on: always for
    /// [`Projection::CountOnly`], and otherwise if there are no more than those returned. To count
    /// the keys beyond a limit, ask for the count alone at the revision of this answer.
    pub count: Option<u64>,
}

/// What the store says to one read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QueryResult {
    /// The store's newest revision when it answered.
    pub revision: Revision,
    /// What it found.
    pub body: QueryResultBody,
}

/// What a read found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum QueryResultBody {
    /// Keys and values.
    Range(RangeResult),
    /// A hash.
    Hash(HashResult),
    /// The revision cannot be read.
    Refused(StoreRefusal),
}

/// A hash of every version of every key that can be read at some revision from
/// `compact_revision` to `revision`. Nodes with equal numbers have equal keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HashResult {
    /// The newest revision that went in.
    pub revision: Revision,
    /// The oldest revision that can be read: hashes of nodes that differ here do not compare.
    pub compact_revision: Revision,
    /// CRC-32C.
    pub hash: u32,
}

impl Query {
    /// Its binary form.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        words::encode(self)
    }

    /// Reads it back.
    ///
    /// # Errors
    /// When the bytes are no query of this release's format.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        words::decode(bytes)
    }
}

impl QueryResult {
    /// Its binary form.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        words::encode(self)
    }

    /// Reads it back.
    ///
    /// # Errors
    /// When the bytes are no answer of this release's format.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        words::decode(bytes)
    }
}
