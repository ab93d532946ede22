//! Commands: the entries of the log.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::blob;
use super::encoding::{self, FormatError};
use super::key::KeyRange;
use super::query::RangeRequest;
use super::rules::Rules;
use super::types::{Revision, SessionId};
use crate::space::SpaceUse;

/// One command of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Command {
    /// Makes a retry safe: a command with a session and serial is applied once, however often it
    /// is in the log.
    pub session: Option<SessionSerial>,
    /// The operation.
    pub op: Op,
}

/// Names one command of one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionSerial {
    /// The session, from [`Op::OpenSession`].
    pub session: SessionId,
    /// Rises with every command of the session; a retry repeats it. A session has one command in
    /// flight at a time: only the output of the last one is kept.
    pub serial: u64,
}

/// An operation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Op {
    /// Sets one key.
    Put(Put),
    /// Deletes one key or many.
    DeleteRange(DeleteRange),
    /// Compares, then applies one of two lists of operations at one revision.
    Txn(Txn),
    /// Removes the versions that were superseded at this revision or before. Reads below it are
    /// refused from then on.
    Compact(Revision),
    /// Opens a session for commands that may be retried. A retry may open a second session; the
    /// unused one is evicted eventually.
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
    /// Whether the output contains the previous version of the key.
    pub prev_kv: bool,
}

/// Deletes every key of a range.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeleteRange {
    /// The keys.
    pub range: KeyRange,
    /// Whether the output contains the deleted keys.
    pub prev_kv: bool,
}

/// A transaction: it takes effect as a whole, at one revision, or not at all.
///
/// Operations read the effects of earlier ones. A key that is put twice has the last value, and its
/// version rises twice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Txn {
    /// The comparisons. `then` applies if all hold; an empty list always holds.
    pub compare: Vec<Compare>,
    /// Applied if the comparisons hold.
    pub then: Vec<TxnOp>,
    /// Applied if they do not.
    pub otherwise: Vec<TxnOp>,
}

/// One comparison of a transaction: the property of the key is on the left of the relation.
///
/// A key that does not exist has version and revisions zero. It has no value: no relation to a
/// value holds for it, not even [`Relation::NotEqual`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Compare {
    /// The key.
    #[serde(with = "blob")]
    pub key: Bytes,
    /// How the property of the key must relate to `expected`.
    pub relation: Relation,
    /// The property and the operand.
    pub expected: Expected,
}

/// A property of a key and the operand that it is compared with.
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

/// A relation between two operands.
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
    /// A command outside any session: a retry may apply it twice.
    #[must_use]
    pub const fn without_session(op: Op) -> Self {
        Self { session: None, op }
    }

    /// The binary form, to be applied by [`Rules::CURRENT`].
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encoding::encode(self)
    }

    /// Decodes a command. Returns it with the rules that it is applied by.
    ///
    /// # Errors
    /// When the bytes are not a command, or a command of a version that this release does not
    /// support.
    pub fn decode(bytes: &[u8]) -> Result<(&'static Rules, Self), FormatError> {
        Ok((&Rules::CURRENT, encoding::decode(bytes)?))
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
