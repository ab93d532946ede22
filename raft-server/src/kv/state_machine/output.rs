//! What the store returns for an applied command.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::encoding::{self, FormatError};
use super::key::KeyValue;
use super::query::RangeResult;
use super::refusal::StoreRefusal;
use super::types::{Revision, SessionId};

/// What the store returns for one command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Output {
    /// The store's revision after the command.
    pub revision: Revision,
    /// How the command ended.
    pub outcome: Outcome,
}

/// How a command ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// The key is set.
    Put {
        /// The previous version, if it was requested and the key existed.
        prev_kv: Option<KeyValue>,
    },
    /// The keys are deleted.
    DeleteRange(Deleted),
    /// The transaction is applied.
    Txn(TxnResult),
    /// Reads below the compact revision are refused from now on.
    Compact,
    /// A session is open.
    SessionOpened {
        /// Its id.
        session: SessionId,
    },
    /// The command is a retry of one that was applied before, at the revision of this output. Its
    /// output was too large to keep.
    OutputNotKept,
    /// The command changed nothing.
    Refused(StoreRefusal),
}

/// The result of a deletion.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Deleted {
    /// The number of deleted keys.
    pub count: u64,
    /// The deleted keys in ascending order, if they were requested.
    pub prev_kvs: Vec<KeyValue>,
}

/// The result of a transaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TxnResult {
    /// Whether the comparisons held, so that `then` was applied.
    pub succeeded: bool,
    /// One result for each applied operation, in order.
    pub results: Vec<TxnOpResult>,
}

/// The result of one operation of a transaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TxnOpResult {
    /// The key is set.
    Put {
        /// The previous version, if it was requested and the key existed.
        prev_kv: Option<KeyValue>,
    },
    /// The keys are deleted.
    DeleteRange(Deleted),
    /// The keys that were read.
    Range(RangeResult),
}

impl Output {
    /// The binary form.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encoding::encode(self)
    }

    /// Decodes an output.
    ///
    /// # Errors
    /// When the bytes are not an output in the format of this release.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        encoding::decode(bytes)
    }
}
