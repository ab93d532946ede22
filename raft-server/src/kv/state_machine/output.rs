//! What comes back from a command.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::RangeResult;
use super::words::{self, FormatError, KeyValue, Revision, SessionId};

/// What the store says to one command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Output {
    /// The store's revision after the command.
    pub revision: Revision,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// The key is set.
    Put {
        /// What it was before, if asked for and if it existed.
        prev_kv: Option<KeyValue>,
    },
    /// The keys are deleted.
    DeleteRange(Deleted),
    /// The transaction is done.
    Txn(TxnResult),
    /// Reads below the compact revision are refused from now on.
    Compact,
    /// A session is open.
    SessionOpened {
        /// Its name.
        session: SessionId,
    },
    /// A retry of a command that was carried out earlier, at this output's revision. Its reply
    /// was too large to keep.
    OutputNotKept,
    /// The command did nothing.
    Refused(StoreRefusal),
}

/// What a deletion did.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Deleted {
    /// How many keys were deleted.
    pub count: u64,
    /// What they were, in the order of their keys, if asked for.
    pub prev_kvs: Vec<KeyValue>,
}

/// What a transaction did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TxnResult {
    /// Whether the comparisons held, and `then` was done.
    pub succeeded: bool,
    /// One result an operation, in their order.
    pub results: Vec<TxnOpResult>,
}

/// What one operation of a transaction did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TxnOpResult {
    /// The key is set.
    Put {
        /// What it was before, if asked for and if it existed.
        prev_kv: Option<KeyValue>,
    },
    /// The keys are deleted.
    DeleteRange(Deleted),
    /// What was read.
    Range(RangeResult),
}

/// Why a command or a read did nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum StoreRefusal {
    /// The bytes in the log are no command.
    #[error("the command does not decode; nothing was changed")]
    Malformed,
    /// The revision is forgotten.
    #[error("the revision was compacted; the oldest that is kept is {compact_revision}")]
    Compacted {
        /// The oldest revision that can be read.
        compact_revision: Revision,
    },
    /// The revision has not happened.
    #[error("the revision lies ahead; the newest is {revision}")]
    FutureRevision {
        /// The newest revision.
        revision: Revision,
    },
    /// The session has gone on to a later command: whether this one was carried out is not kept.
    #[error(
        "the session has gone on to serial {last_serial}; the outcome of earlier ones is not kept"
    )]
    SessionStale {
        /// The serial of the session's last command.
        last_serial: u64,
    },
    /// The session was never opened, or so many others were used since that it was evicted.
    /// Whether the command was carried out before is not known: open a new session and look.
    #[error("the session is unknown or was evicted; open a new one")]
    SessionExpired,
    /// The command would change or answer with too much at once.
    #[error("more than {bytes_max} bytes are changed or returned at once; use smaller ranges")]
    TooLarge {
        /// The most that one command may change or answer with.
        bytes_max: u64,
    },
    /// The command would look at too many keys at once.
    #[error("more than {keys_max} keys are visited at once; use smaller ranges")]
    TooManyKeys {
        /// The most keys that one command may look at.
        keys_max: u64,
    },
}

impl Output {
    /// Its binary form.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        words::encode(self)
    }

    /// Reads it back.
    ///
    /// # Errors
    /// When the bytes are no output of this release's format.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        words::decode(bytes)
    }
}
