//! A summary of the log, so that the opening of a long log reads only its end.

use raft_core::{LogId, LogIndex, Membership, TermRuns};
use serde::{Deserialize, Serialize};

use super::{Log, Shared, keys};

/// The terms and memberships of the log up to an entry, stored beside it.
///
/// It is used only if the log still holds that entry, with its term. A log of an earlier release,
/// which does not update the summary, may have changed since: but entries with the same index and
/// term are preceded by the same entries (the Log Matching Property, Raft §5.3).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct SummaryRecord {
    base: LogId,
    /// The last entry of each run of equal terms after the base.
    runs: Vec<LogId>,
    memberships: Vec<(LogIndex, Membership)>,
}

impl SummaryRecord {
    /// Describes the whole log.
    pub(super) fn of(log: &Log) -> Self {
        let terms = &log.outline.terms;
        let (base, runs) = (terms.base(), terms.ends().collect());
        Self { base, runs, memberships: log.memberships.clone() }
    }
}

impl Shared {
    /// The terms after this base as far as the stored summary applies to the log, and the
    /// memberships of these entries. `None` if there is no such summary.
    pub(super) fn summarized(
        &self,
        base: LogId,
    ) -> Option<(TermRuns, Vec<(LogIndex, Membership)>)> {
        let summary: SummaryRecord = match self.small_record(keys::SUMMARY) {
            Ok(found) => found?,
            Err(error) => {
                tracing::warn!(%error, "ignoring the summary of the log: all of it is read");
                return None;
            }
        };
        let mut terms = TermRuns::starting_after(summary.base);
        summary.runs.iter().try_for_each(|&end| terms.push_up_to(end)).ok()?;
        let last = terms.last();
        if last.index <= base.index || !terms.contains(base) {
            return None;
        }
        // A record that cannot be read is reported by the caller, which reads it again.
        if self.id_at(last.index).ok()? != Some(last) {
            return None;
        }
        terms.compact(base.index);
        let mut memberships = summary.memberships;
        memberships.retain(|&(index, _)| index > base.index);
        Some((terms, memberships))
    }
}
