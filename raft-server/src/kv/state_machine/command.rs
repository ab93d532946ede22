//! What changes the store.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::rules::Rules;
use super::words::{self, FormatError, KeyRange, Revision, SessionId};
use super::{RangeRequest, blob};
use crate::space::SpaceUse;

/// One entry of the log, as the store reads it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Command {
    /// Makes a retry safe: a command with a session and serial is carried out once, however
    /// often it gets into the log.
    pub session: Option<SessionSerial>,
    /// What is to be done.
    pub op: Op,
}

/// Names one command of one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionSerial {
    /// The session, from [`Op::OpenSession`].
    pub session: SessionId,
    /// Rises with every command of the session; a retry repeats it. A session has one command
    /// under way at a time: only the last one's output is kept.
    pub serial: u64,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Op {
    /// Sets one key.
    Put(Put),
    /// Deletes one key or many.
    DeleteRange(DeleteRange),
    /// Compares, then does one list of operations or the other, all at one revision.
    Txn(Txn),
    /// Forgets what was superseded at this revision or before. Reads below it are refused from
    /// then on.
    Compact(Revision),
    /// Opens a session for commands that may be retried. A session that was opened twice by a
    /// retry does no harm: the unused one is evicted in time.
    OpenSession,
}

/// Sets one key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Put {
    /// The key.
    #[serde(with = "blob")]
    pub key: Bytes,
    /// Its new value.
    #[serde(with = "blob")]
    pub value: Bytes,
    /// Whether the output tells what the key was before.
    pub prev_kv: bool,
}

/// Deletes every key of a range.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeleteRange {
    /// Which keys.
    pub range: KeyRange,
    /// Whether the output tells what they were.
    pub prev_kv: bool,
}

/// A transaction: all of it at one revision, or nothing of it.
///
/// Later operations see the earlier ones. A key that is put twice has the last value, and its
/// version rises twice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Txn {
    /// All must hold for `then`; none at all always hold.
    pub compare: Vec<Compare>,
    /// Done if the comparisons hold.
    pub then: Vec<TxnOp>,
    /// Done if they do not.
    pub otherwise: Vec<TxnOp>,
}

/// One comparison of a transaction: the key's own value stands left of the relation.
///
/// A key that does not exist has version and revisions zero. It has no value: no relation to a
/// value holds for it, not even [`Relation::NotEqual`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Compare {
    /// The key.
    #[serde(with = "blob")]
    pub key: Bytes,
    /// How the key's own must relate to `expected`.
    pub relation: Relation,
    /// What it is compared with.
    pub expected: Expected,
}

/// What a key is compared with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Expected {
    /// A value, as byte strings.
    Value(#[serde(with = "blob")] Bytes),
    /// A version; zero means that the key does not exist.
    Version(u64),
    /// The revision that created it.
    CreateRevision(Revision),
    /// The revision that changed it last.
    ModRevision(Revision),
}

/// How two things relate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Relation {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `>`
    Greater,
}

/// One operation of a transaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TxnOp {
    /// Sets one key.
    Put(Put),
    /// Deletes one key or many.
    DeleteRange(DeleteRange),
    /// Reads.
    Range(RangeRequest),
}

impl Command {
    /// A command outside any session: a retry may carry it out twice.
    #[must_use]
    pub const fn without_session(op: Op) -> Self {
        Self { session: None, op }
    }

    /// Its binary form, to be executed by [`Rules::CURRENT`].
    #[must_use]
    pub fn encode(&self) -> Bytes {
        words::encode(self)
    }

    /// Reads it back, with the rules that it is executed by.
    ///
    /// # Errors
    /// When the bytes are no command, or one of a version that this release does not know.
    pub fn decode(bytes: &[u8]) -> Result<(&'static Rules, Self), FormatError> {
        Ok((&Rules::CURRENT, words::decode(bytes)?))
    }

    /// What the command does to the disk, for a node that is short of space.
    #[must_use]
    pub fn space_use(&self) -> SpaceUse {
        match &self.op {
            Op::Compact(_) => SpaceUse::Compacts,
            Op::DeleteRange(_) | Op::OpenSession => SpaceUse::Deletes,
            Op::Put(_) => SpaceUse::Writes,
            Op::Txn(txn) => {
                let puts = |op: &TxnOp| match op {
                    TxnOp::Put(_) => true,
                    TxnOp::DeleteRange(_) | TxnOp::Range(_) => false,
                };
                if txn.then.iter().chain(&txn.otherwise).any(puts) {
                    SpaceUse::Writes
                } else {
                    SpaceUse::Deletes
                }
            }
        }
    }
}
