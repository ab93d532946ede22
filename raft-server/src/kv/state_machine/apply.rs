//! Carries out commands on the staged state.

use std::ops::ControlFlow;

use raft_core::LogIndex;

use super::budget::Budget;
use super::command::{DeleteRange, Op, Put};
use super::error::ReadError;
use super::layout::{Damaged, Version};
use super::machine::KvStateMachine;
use super::output::{Deleted, Outcome, StoreRefusal};
use super::rules::Rules;
use super::view::{self, CurrentRecord, Visitor};
use super::{KeyValue, Revision};

/// Why an operation was not carried out.
#[derive(Debug)]
pub(super) enum OperationError {
    /// The same on every node: part of the output.
    Refused(StoreRefusal),
    /// This node's own trouble: the command is not applied here.
    Failed(ReadError),
}

impl From<StoreRefusal> for OperationError {
    fn from(refused: StoreRefusal) -> Self {
        Self::Refused(refused)
    }
}

impl From<ReadError> for OperationError {
    fn from(error: ReadError) -> Self {
        Self::Failed(error)
    }
}

impl From<Damaged> for OperationError {
    fn from(damaged: Damaged) -> Self {
        Self::Failed(damaged.into())
    }
}

impl KvStateMachine {
    /// Carries out an operation by the rules of its command. On an error nothing has changed.
    pub(super) fn execute(
        &mut self,
        index: LogIndex,
        op: &Op,
        rules: &'static Rules,
    ) -> Result<Outcome, ReadError> {
        let mut budget = Budget::new(rules);
        let done = match op {
            Op::Put(put) => self.apply_put(put, &mut budget),
            Op::DeleteRange(delete) => self.apply_delete(delete, &mut budget),
            Op::Txn(txn) => self.apply_txn(txn, &mut budget),
            Op::Compact(revision) => self.compact(*revision).map_err(OperationError::from),
            Op::OpenSession => Ok(self.open_session(index, rules)),
        };
        match done {
            Ok(outcome) => Ok(outcome),
            Err(OperationError::Refused(refused)) => Ok(Outcome::Refused(refused)),
            Err(OperationError::Failed(error)) => Err(error),
        }
    }

    fn apply_put(&mut self, put: &Put, budget: &mut Budget) -> Result<Outcome, OperationError> {
        let at = self.state.revision.next();
        let prev_kv = self.put(put, at, budget)?;
        self.state.revision = at;
        Ok(Outcome::Put { prev_kv })
    }

    fn apply_delete(
        &mut self,
        delete: &DeleteRange,
        budget: &mut Budget,
    ) -> Result<Outcome, OperationError> {
        let at = self.state.revision.next();
        let deleted = self.delete_range(delete, at, budget)?;
        if deleted.count > 0 {
            self.state.revision = at;
        }
        Ok(Outcome::DeleteRange(deleted))
    }

    /// Sets a key at a revision that is not finished yet.
    pub(super) fn put(
        &mut self,
        put: &Put,
        at: Revision,
        budget: &mut Budget,
    ) -> Result<Option<KeyValue>, OperationError> {
        budget.visit()?;
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
        budget.stage(&put.key, &put.value)?;
        if let Some(old) = &old {
            budget.stage(&put.key, old.value)?;
            if put.prev_kv {
                budget.output(&put.key, old.value)?;
            }
        }
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
        budget: &mut Budget,
    ) -> Result<Deleted, OperationError> {
        let mut doomed = DeletionCollector { kvs: Vec::new(), are_output: delete.prev_kv, budget };
        self.view().visit(&delete.range, None, &mut doomed)?;
        let kvs = doomed.kvs;
        for kv in &kvs {
            let old = Version {
                created: kv.create_revision,
                modified: kv.mod_revision,
                version: kv.version,
                value: &kv.value,
            };
            self.staged.delete(&kv.key, &old, at);
        }
        let count = kvs.len() as u64;
        Ok(Deleted { count, prev_kvs: if delete.prev_kv { kvs } else { Vec::new() } })
    }

    /// Refuses reads below `revision` from now on. The space is freed later.
    fn compact(&mut self, revision: Revision) -> Result<Outcome, StoreRefusal> {
        self.check_revision(revision)?;
        self.state.compact_revision = revision;
        Ok(Outcome::Compact)
    }

    /// Whether a revision can be read.
    pub(super) const fn check_revision(&self, revision: Revision) -> Result<(), StoreRefusal> {
        self.state.check_revision(revision)
    }
}

/// Collects the keys that are to be deleted.
struct DeletionCollector<'a> {
    kvs: Vec<KeyValue>,
    /// Whether the output tells what the keys were.
    are_output: bool,
    budget: &'a mut Budget,
}

impl Visitor for DeletionCollector<'_> {
    fn visit(&mut self) -> Result<(), OperationError> {
        Ok(self.budget.visit()?)
    }

    fn show(
        &mut self,
        key: &[u8],
        version: &Version<'_>,
    ) -> Result<ControlFlow<()>, OperationError> {
        self.budget.stage(key, version.value)?;
        if self.are_output {
            self.budget.output(key, version.value)?;
        }
        self.kvs.push(view::key_value(key, version));
        Ok(ControlFlow::Continue(()))
    }
}
