//! The largest command, checked before it is proposed.

use super::command::{Command, Compare, DeleteRange, Expected, Op, Put, Txn, TxnOp};
use super::key::KeyRange;
use super::query::RangeRequest;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The largest keys, values and transactions. Checked only where a command enters the cluster: a
/// command in the log is applied on every node, whatever its limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The longest key.
    pub key_bytes_max: usize,
    /// The longest value.
    pub value_bytes_max: usize,
    /// The most comparisons, and the most operations in either list, of one transaction.
    pub txn_ops_max: usize,
    /// The longest command in its binary form. Must not exceed the limit of the node.
    pub command_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            key_bytes_max: 8 * KIB,
            value_bytes_max: MIB + MIB / 2,
            txn_ops_max: 128,
            command_bytes_max: 2 * MIB,
        }
    }
}

/// The limit that a command exceeds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LimitExceeded {
    /// A put without a key.
    #[error("the key is empty: name a key of 1 byte or more")]
    KeyEmpty,
    /// A key is too long.
    #[error(
        "the key has {bytes} bytes but at most {bytes_max} are allowed: use a shorter key, or \
         put the data into the value"
    )]
    KeyTooLarge {
        /// Its length.
        bytes: usize,
        /// `key_bytes_max`.
        bytes_max: usize,
    },
    /// A value is too long.
    #[error(
        "the value has {bytes} bytes but at most {bytes_max} are allowed: split it over several \
         keys"
    )]
    ValueTooLarge {
        /// Its length.
        bytes: usize,
        /// `value_bytes_max`.
        bytes_max: usize,
    },
    /// A transaction has too many parts.
    #[error(
        "the transaction has {ops} {list} but at most {ops_max} are allowed: split it into \
         several"
    )]
    TxnTooLarge {
        /// The list that is too long.
        list: &'static str,
        /// Its length.
        ops: usize,
        /// `txn_ops_max`.
        ops_max: usize,
    },
    /// The command as a whole is too long.
    #[error(
        "the command has {bytes} bytes in all but at most {bytes_max} are allowed: split it into \
         several"
    )]
    CommandTooLarge {
        /// The length of its binary form.
        bytes: usize,
        /// `command_bytes_max`.
        bytes_max: usize,
    },
}

impl Limits {
    /// Checks every part of a command. `command_bytes` is the length of its binary form.
    ///
    /// # Errors
    /// The first limit that is exceeded.
    pub fn check(&self, command: &Command, command_bytes: usize) -> Result<(), LimitExceeded> {
        match &command.op {
            Op::Put(put) => self.check_put(put)?,
            Op::DeleteRange(delete) => self.check_delete(delete)?,
            Op::Txn(txn) => self.check_txn(txn)?,
            Op::Compact(_) | Op::OpenSession => {}
        }
        let bytes_max = self.command_bytes_max;
        if command_bytes > bytes_max {
            return Err(LimitExceeded::CommandTooLarge { bytes: command_bytes, bytes_max });
        }
        Ok(())
    }

    /// Checks a read.
    ///
    /// # Errors
    /// When a key is too long.
    pub fn check_range(&self, request: &RangeRequest) -> Result<(), LimitExceeded> {
        self.check_key_range(&request.range)
    }

    fn check_put(&self, put: &Put) -> Result<(), LimitExceeded> {
        self.check_key(&put.key)?;
        self.check_value(&put.value)
    }

    fn check_delete(&self, delete: &DeleteRange) -> Result<(), LimitExceeded> {
        self.check_key_range(&delete.range)
    }

    fn check_txn(&self, txn: &Txn) -> Result<(), LimitExceeded> {
        self.check_list("comparisons", txn.compare.len())?;
        self.check_list("operations in the first list", txn.then.len())?;
        self.check_list("operations in the second list", txn.otherwise.len())?;
        for Compare { key, relation: _, expected } in &txn.compare {
            self.check_key(key)?;
            if let Expected::Value(value) = expected {
                self.check_value(value)?;
            }
        }
        for op in txn.then.iter().chain(&txn.otherwise) {
            match op {
                TxnOp::Put(put) => self.check_put(put)?,
                TxnOp::DeleteRange(delete) => self.check_delete(delete)?,
                TxnOp::Range(request) => self.check_range(request)?,
            }
        }
        Ok(())
    }

    fn check_list(&self, list: &'static str, ops: usize) -> Result<(), LimitExceeded> {
        let ops_max = self.txn_ops_max;
        if ops > ops_max {
            return Err(LimitExceeded::TxnTooLarge { list, ops, ops_max });
        }
        Ok(())
    }

    /// A single key must not be empty; the bounds of a range may be.
    fn check_key_range(&self, range: &KeyRange) -> Result<(), LimitExceeded> {
        match range {
            KeyRange::Key(key) => self.check_key(key),
            KeyRange::Prefix(bound) | KeyRange::From(bound) => self.check_bound(bound),
            KeyRange::Span { start, end } => {
                self.check_bound(start)?;
                self.check_bound(end)
            }
        }
    }

    fn check_key(&self, key: &[u8]) -> Result<(), LimitExceeded> {
        if key.is_empty() {
            return Err(LimitExceeded::KeyEmpty);
        }
        self.check_length_of_key(key.len(), self.key_bytes_max)
    }

    /// A bound may be one byte longer than a key, so that it can exclude the longest key.
    fn check_bound(&self, bound: &[u8]) -> Result<(), LimitExceeded> {
        self.check_length_of_key(bound.len(), self.key_bytes_max.saturating_add(1))
    }

    fn check_length_of_key(&self, bytes: usize, bytes_max: usize) -> Result<(), LimitExceeded> {
        if bytes > bytes_max {
            return Err(LimitExceeded::KeyTooLarge { bytes, bytes_max: self.key_bytes_max });
        }
        Ok(())
    }

    fn check_value(&self, value: &[u8]) -> Result<(), LimitExceeded> {
        let bytes_max = self.value_bytes_max;
        if value.len() > bytes_max {
            return Err(LimitExceeded::ValueTooLarge { bytes: value.len(), bytes_max });
        }
        Ok(())
    }
}
