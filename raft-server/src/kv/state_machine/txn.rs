//! Transactions: compare, then do one list of operations or the other, at one revision.

use std::cmp::Ordering;

use super::Revision;
use super::apply::OperationError;
use super::budget::Budget;
use super::command::{Compare, Expected, Relation, Txn, TxnOp};
use super::layout::Version;
use super::machine::KvStateMachine;
use super::output::{Outcome, TxnOpResult, TxnResult};
use super::view::CurrentRecord;

impl KvStateMachine {
    /// Carries out a transaction, or nothing of it.
    pub(super) fn apply_txn(
        &mut self,
        txn: &Txn,
        budget: &mut Budget,
    ) -> Result<Outcome, OperationError> {
        let succeeded = self.all_hold(&txn.compare, budget)?;
        let ops = if succeeded { &txn.then } else { &txn.otherwise };
        self.staged.begin();
        match self.apply_ops(ops, budget) {
            Ok(results) => {
                self.staged.commit();
                Ok(Outcome::Txn(TxnResult { succeeded, results }))
            }
            Err(stop) => {
                self.staged.roll_back();
                Err(stop)
            }
        }
    }

    fn apply_ops(
        &mut self,
        ops: &[TxnOp],
        budget: &mut Budget,
    ) -> Result<Vec<TxnOpResult>, OperationError> {
        let at = self.state.revision.next();
        let mut changed = false;
        let mut results = Vec::with_capacity(ops.len());
        for op in ops {
            let result = match op {
                TxnOp::Put(put) => {
                    let prev_kv = self.put(put, at, budget)?;
                    changed = true;
                    TxnOpResult::Put { prev_kv }
                }
                TxnOp::DeleteRange(delete) => {
                    let deleted = self.delete_range(delete, at, budget)?;
                    changed |= deleted.count > 0;
                    TxnOpResult::DeleteRange(deleted)
                }
                TxnOp::Range(request) => {
                    if let Some(revision) = request.revision {
                        self.check_revision(revision)?;
                    }
                    TxnOpResult::Range(self.view().range(request, Some(budget))?)
                }
            };
            results.push(result);
        }
        if changed {
            self.state.revision = at;
        }
        Ok(results)
    }

    fn all_hold(&self, compares: &[Compare], budget: &mut Budget) -> Result<bool, OperationError> {
        let view = self.view();
        for compare in compares {
            budget.visit()?;
            let record = view.get(&compare.key)?;
            let version = record.as_ref().map(CurrentRecord::version).transpose()?;
            if !holds(compare, version.as_ref()) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether a comparison holds for a key, `None` if it does not exist.
fn holds(compare: &Compare, version: Option<&Version<'_>>) -> bool {
    let ordering = match &compare.expected {
        Expected::Value(expected) => match version {
            Some(version) => version.value.cmp(expected),
            None => return false,
        },
        Expected::Version(expected) => version.map_or(0, |version| version.version).cmp(expected),
        Expected::CreateRevision(expected) => {
            version.map_or(Revision::ZERO, |version| version.created).cmp(expected)
        }
        Expected::ModRevision(expected) => {
            version.map_or(Revision::ZERO, |version| version.modified).cmp(expected)
        }
    };
    match compare.relation {
        Relation::Equal => ordering == Ordering::Equal,
        Relation::NotEqual => ordering != Ordering::Equal,
        Relation::Less => ordering == Ordering::Less,
        Relation::Greater => ordering == Ordering::Greater,
    }
}
