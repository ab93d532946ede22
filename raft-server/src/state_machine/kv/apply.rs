//! Carries out commands on the staged state.

use std::ops::ControlFlow;

use raft_core::LogIndex;

use super::command::{DeleteRange, Op, Put};
use super::error::ReadError;
use super::layout::Version;
use super::machine::KvStateMachine;
use super::output::{Deleted, Outcome, Refused};
use super::view::{self, CurrentRecord};
use super::{KeyRange, KeyValue, Revision};

/// Keys and values that one command may delete, in bytes: they pass through memory.
pub const DELETED_BYTES_MAX: u64 = 64 << 20;
/// The most that one command answers with, in bytes of keys and values.
pub const OUTPUT_BYTES_MAX: u64 = 4 << 20;

/// What one command may still answer with.
#[derive(Debug)]
pub(super) struct OutputBudget {
    left: u64,
}

impl OutputBudget {
    pub(super) const fn new() -> Self {
        Self { left: OUTPUT_BYTES_MAX }
    }

    /// Takes room for one key.
    pub(super) fn take(&mut self, kv: &KeyValue) -> Result<(), Refused> {
        let bytes = view::weight(&kv.key, &kv.value);
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Refused::TooLarge { bytes_max: OUTPUT_BYTES_MAX }),
        }
    }
}

/// Why an operation was not carried out.
#[derive(Debug)]
pub(super) enum Stop {
    /// The same on every node: part of the output.
    Refused(Refused),
    /// This node's own trouble: the command is not applied here.
    Failed(ReadError),
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Self::Failed(error)
    }
}

impl KvStateMachine {
    /// Carries out an operation. On an error nothing has changed.
    pub(super) fn execute(&mut self, index: LogIndex, op: &Op) -> Result<Outcome, ReadError> {
        let done = match op {
            Op::Put(put) => self.execute_put(put),
            Op::DeleteRange(delete) => self.execute_delete(delete),
            Op::Txn(txn) => self.execute_txn(txn),
            Op::Compact(revision) => self.compact(*revision).map_err(Stop::from),
            Op::OpenSession => Ok(self.open_session(index)),
        };
        match done {
            Ok(outcome) => Ok(outcome),
            Err(Stop::Refused(refused)) => Ok(Outcome::Refused(refused)),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    fn execute_put(&mut self, put: &Put) -> Result<Outcome, Stop> {
        let at = self.state.revision.next();
        let prev_kv = self.put(put, at)?;
        self.state.revision = at;
        Ok(Outcome::Put { prev_kv })
    }

    fn execute_delete(&mut self, delete: &DeleteRange) -> Result<Outcome, Stop> {
        let at = self.state.revision.next();
        let deleted = self.delete_range(delete, at, &mut OutputBudget::new())?;
        if deleted.count > 0 {
            self.state.revision = at;
        }
        Ok(Outcome::DeleteRange(deleted))
    }

    /// Sets a key at a revision that is not finished yet.
    pub(super) fn put(&mut self, put: &Put, at: Revision) -> Result<Option<KeyValue>, ReadError> {
        let Self { database, staged, .. } = self;
        // Read below the staged map by hand, so that it can be changed while a record that was
        // found on disk is still in hand.
        let staged_record = staged.current.get(&put.key[..]).cloned();
        let record = match &staged_record {
            Some(Some(bytes)) => Some(CurrentRecord::Staged(bytes)),
            Some(None) => None,
            None => view::get_on_disk(database, None, &put.key)?.map(CurrentRecord::Disk),
        };
        let old = record.as_ref().map(CurrentRecord::version).transpose()?;
        let new = Version {
            created: old.map_or(at, |old| old.created),
            modified: at,
            version: old.map_or(1, |old| old.version.saturating_add(1)),
            value: &put.value,
        };
        staged.put(&put.key, old.as_ref(), &new);
        let prev_kv = old.filter(|_| put.prev_kv).map(|old| view::key_value(&put.key, &old));
        Ok(prev_kv)
    }

    /// Deletes keys at a revision that is not finished yet. Refused as a whole if it is too much.
    pub(super) fn delete_range(
        &mut self,
        delete: &DeleteRange,
        at: Revision,
        budget: &mut OutputBudget,
    ) -> Result<Deleted, Stop> {
        let doomed = self.collect(&delete.range)?;
        let mut deleted = Deleted { count: doomed.len() as u64, prev_kvs: Vec::new() };
        if delete.prev_kv {
            for kv in &doomed {
                budget.take(kv)?;
            }
        }
        for kv in &doomed {
            let old = Version {
                created: kv.create_revision,
                modified: kv.mod_revision,
                version: kv.version,
                value: &kv.value,
            };
            self.staged.delete(&kv.key, &old, at);
        }
        if delete.prev_kv {
            deleted.prev_kvs = doomed;
        }
        Ok(deleted)
    }

    fn collect(&self, range: &KeyRange) -> Result<Vec<KeyValue>, Stop> {
        let mut found = Vec::new();
        let mut bytes = 0;
        let view = self.view();
        if let KeyRange::Key(key) = range {
            if let Some(record) = view.get(key)? {
                found.push(view::key_value(key, &record.version()?));
            }
            return Ok(found);
        }
        view.visit(range, None, &mut |key, version| {
            bytes += view::weight(key, version.value);
            if bytes > DELETED_BYTES_MAX {
                return ControlFlow::Break(());
            }
            found.push(view::key_value(key, version));
            ControlFlow::Continue(())
        })?;
        if bytes > DELETED_BYTES_MAX {
            return Err(Refused::TooLarge { bytes_max: DELETED_BYTES_MAX }.into());
        }
        Ok(found)
    }

    /// Refuses reads below `revision` from now on. The space is freed later.
    fn compact(&mut self, revision: Revision) -> Result<Outcome, Refused> {
        self.check_revision(revision)?;
        self.state.compact_revision = revision;
        Ok(Outcome::Compact)
    }

    /// Whether a revision can be read.
    pub(super) const fn check_revision(&self, revision: Revision) -> Result<(), Refused> {
        self.state.check_revision(revision)
    }
}
