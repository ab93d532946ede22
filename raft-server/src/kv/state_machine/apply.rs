//! Applies one operation to the staged state.

use raft_core::LogIndex;

use super::budget::Budget;
use super::command::{DeleteRange, Op, Put};
use super::error::{OperationError, ReadError};
use super::output::Outcome;
use super::rules::Rules;
use super::store::Store;
use super::txn;

/// Applies an operation by the rules of its command, which is at log index `index`. On an error
/// nothing has changed.
pub(super) fn apply(
    store: &mut Store,
    index: LogIndex,
    op: &Op,
    rules: &'static Rules,
) -> Result<Outcome, ReadError> {
    let mut budget = Budget::new(rules);
    let applied = match op {
        Op::Put(put) => apply_put(store, put, &mut budget),
        Op::DeleteRange(delete) => apply_delete(store, delete, &mut budget),
        Op::Txn(txn) => txn::apply_txn(store, txn, &mut budget),
        Op::Compact(revision) => {
            store.compact(*revision).map(|()| Outcome::Compact).map_err(OperationError::from)
        }
        Op::OpenSession => Ok(Outcome::SessionOpened { session: store.open_session(index, rules) }),
    };
    match applied {
        Ok(outcome) => Ok(outcome),
        Err(OperationError::Refused(refusal)) => Ok(Outcome::Refused(refusal)),
        Err(OperationError::Failed(error)) => Err(error),
    }
}

fn apply_put(store: &mut Store, put: &Put, budget: &mut Budget) -> Result<Outcome, OperationError> {
    let at = store.state.revision.next();
    let prev_kv = store.put(put, at, budget)?;
    store.state.revision = at;
    Ok(Outcome::Put { prev_kv })
}

fn apply_delete(
    store: &mut Store,
    delete: &DeleteRange,
    budget: &mut Budget,
) -> Result<Outcome, OperationError> {
    let at = store.state.revision.next();
    let deleted = store.delete_range(delete, at, budget)?;
    if deleted.count > 0 {
        store.state.revision = at;
    }
    Ok(Outcome::DeleteRange(deleted))
}
