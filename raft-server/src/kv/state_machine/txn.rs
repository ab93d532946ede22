//! Applies transactions: compares, then applies one of two lists of operations at one revision.

use std::cmp::Ordering;

use super::budget::Budget;
use super::command::{Compare, Expected, Relation, Txn, TxnOp};
use super::error::OperationError;
use super::layout::Version;
use super::output::{Outcome, TxnOpResult, TxnResult};
use super::store::Store;
use super::types::Revision;
use super::view::CurrentRecord;

/// Applies a transaction as a whole or not at all.
pub(super) fn apply_txn(
    store: &mut Store,
    txn: &Txn,
    budget: &mut Budget,
) -> Result<Outcome, OperationError> {
    let succeeded = all_hold(store, &txn.compare, budget)?;
    let ops = if succeeded { &txn.then } else { &txn.otherwise };
    store.staged.begin();
    match apply_ops(store, ops, budget) {
        Ok(results) => {
            store.staged.commit();
            Ok(Outcome::Txn(TxnResult { succeeded, results }))
        }
        Err(error) => {
            store.staged.roll_back();
            Err(error)
        }
    }
}

fn apply_ops(
    store: &mut Store,
    ops: &[TxnOp],
    budget: &mut Budget,
) -> Result<Vec<TxnOpResult>, OperationError> {
    let at = store.state.revision.next();
    let mut changed = false;
    let mut results = Vec::with_capacity(ops.len());
    for op in ops {
        let result = match op {
            TxnOp::Put(put) => {
                let prev_kv = store.put(put, at, budget)?;
                changed = true;
                TxnOpResult::Put { prev_kv }
            }
            TxnOp::DeleteRange(delete) => {
                let deleted = store.delete_range(delete, at, budget)?;
                changed |= deleted.count > 0;
                TxnOpResult::DeleteRange(deleted)
            }
            TxnOp::Range(request) => {
                if let Some(revision) = request.revision {
                    store.state.check_revision(revision)?;
                }
                TxnOpResult::Range(store.view().range(request, Some(budget))?)
            }
        };
        results.push(result);
    }
    if changed {
        store.state.revision = at;
    }
    Ok(results)
}

fn all_hold(
    store: &Store,
    compares: &[Compare],
    budget: &mut Budget,
) -> Result<bool, OperationError> {
    let view = store.view();
    for compare in compares {
        budget.charge_key()?;
        let record = view.get(&compare.key)?;
        let version = record.as_ref().map(CurrentRecord::version).transpose()?;
        if !holds(compare, version.as_ref()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a comparison holds for a key; `version` is `None` if the key does not exist.
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
