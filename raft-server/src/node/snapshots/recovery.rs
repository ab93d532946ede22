//! What a start does about snapshots, before the core exists.
//!
//! The reset of the log decides whether an interrupted install took place. If it did, the log begins
//! after the snapshot, and the state machine is restored to it, perhaps again. If it did not, the
//! leader sends the snapshot again.

use raft_core::ports::StateMachine;
use raft_core::{LogId, LogIndex, TermRuns};

use super::super::error::StartError;
use super::host::Snapshots;

/// Where the state machine is when the core is created.
#[derive(Clone, Copy, Debug)]
pub(in crate::node) struct Position {
    /// The last entry that it has applied.
    pub(in crate::node) applied: LogId,
    /// The last entry whose effect is durable in the state machine or in a snapshot.
    pub(in crate::node) durable: LogIndex,
    /// The latest snapshot that it covers.
    pub(in crate::node) snapshot: Option<LogId>,
}

/// Restores the state machine if it is behind the base of the log, and finds its position in it.
///
/// # Errors
/// When the state machine fails, or the log, the state machine and the snapshots do not fit
/// together.
pub(in crate::node) fn recover(
    applied: LogIndex,
    terms: &TermRuns,
    snapshots: Option<&Snapshots>,
    state_machine: &mut dyn StateMachine,
) -> Result<Position, StartError> {
    let (base, last) = (terms.base(), terms.last());
    let diverged = || StartError::Diverged { applied, first: base.index.next(), last: last.index };
    if let Some(snapshots) = snapshots {
        snapshots.remove_unusable(terms);
    }
    let held = snapshots.map(Snapshots::list).unwrap_or_default();
    let latest = held.iter().rev().map(|held| held.last).find(|&last| terms.contains(last));
    let applied = if applied < base.index {
        let (snapshots, latest) = snapshots.zip(latest).ok_or_else(diverged)?;
        snapshots
            .restore(latest, state_machine)
            .map_err(|error| StartError::Restore { last: latest, error })?;
        latest
    } else {
        let term = terms.term_at(applied).ok_or_else(diverged)?;
        LogId::new(term, applied)
    };
    let covered = latest.filter(|latest| latest.index <= applied.index);
    let durable = match snapshots {
        Some(snapshots) => {
            snapshots.on_flushed(applied.index);
            let in_snapshot = covered.map_or(LogIndex::ZERO, |last| last.index);
            state_machine.durable_applied()?.max(in_snapshot)
        }
        None => LogIndex::ZERO,
    };
    Ok(Position { applied, durable, snapshot: covered })
}

impl Snapshots {
    /// Removes the snapshots that do not fit to the log: those that end before its base cannot be
    /// continued, and those that end at no entry of it were received and not installed.
    fn remove_unusable(&self, terms: &TermRuns) {
        for last in self.list().into_iter().map(|snapshot| snapshot.last) {
            if terms.contains(last) {
                continue;
            }
            tracing::info!(%last, base = %terms.base(), "removing a snapshot that the log does not continue");
            if let Err(error) = self.store().remove(last) {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(%last, error, "a snapshot cannot be removed");
            }
        }
    }
}
