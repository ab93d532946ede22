//! Queries and their results.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::encoding::{self, FormatError};
use super::key::{KeyRange, KeyValue};
use super::refusal::StoreRefusal;
use super::types::Revision;

/// A read of the store.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Query {
    /// Keys and values.
    Range(RangeRequest),
    /// A hash of the state at a revision, the newest if `None`. It is equal on all nodes.
    Hash(Option<Revision>),
}

/// A read of a range of keys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RangeRequest {
    /// The keys.
    pub range: KeyRange,
    /// The revision to read; the newest if `None`.
    pub revision: Option<Revision>,
    /// The most keys to return; `None` selects the default of the store. The store returns fewer if
    /// they exceed its bounds; `more` is set in both cases.
    pub limit: Option<u64>,
    /// The parts of each key to return.
    pub projection: Projection,
}

impl RangeRequest {
    /// The newest state of these keys with their values.
    #[must_use]
    pub const fn new(range: KeyRange) -> Self {
        Self { range, revision: None, limit: None, projection: Projection::KeysAndValues }
    }
}

/// The parts of each key that a range returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Projection {
    /// Keys, values and revisions.
    #[default]
    KeysAndValues,
    /// Keys and revisions; values are empty.
    KeysOnly,
    /// Only the count. This projection reads the whole range, whatever its limit.
    CountOnly,
}

/// The result of a range.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RangeResult {
    /// The keys in ascending order.
    pub kvs: Vec<KeyValue>,
    /// Whether the range contains more keys than those returned. Continue with
    /// [`KeyRange::after`] the last one, at the revision of this result. Always false if only the
    /// count was requested.
    pub more: bool,
    /// The number of keys in the range, if it is known without further reading: always for
    /// [`Projection::CountOnly`], otherwise if all keys were returned. To count the keys beyond a
    /// limit, request the count alone at the revision of this result.
    pub count: Option<u64>,
}

/// The result of a query.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QueryResult {
    /// The newest revision of the store when it was read.
    pub revision: Revision,
    /// What was read.
    pub body: QueryResultBody,
}

/// What a query read.
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
/// `compact_revision` to `revision`. Nodes with equal results have equal keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HashResult {
    /// The newest revision that the hash covers.
    pub revision: Revision,
    /// The oldest revision that can be read. Only hashes with equal compact revisions can be
    /// compared.
    pub compact_revision: Revision,
    /// CRC-32C.
    pub hash: u32,
}

impl Query {
    /// The binary form.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encoding::encode(self)
    }

    /// Decodes a query.
    ///
    /// # Errors
    /// When the bytes are not a query in the format of this release.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        encoding::decode(bytes)
    }
}

impl QueryResult {
    /// The binary form.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encoding::encode(self)
    }

    /// Decodes a query result.
    ///
    /// # Errors
    /// When the bytes are not a query result in the format of this release.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        encoding::decode(bytes)
    }
}
