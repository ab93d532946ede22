//! Followers that are no longer members.

use core::time::Duration;

use crate::types::{LogIndex, Round, Timestamp};

/// A removed member. The leader replicates to it until it knows that its removal is committed, so
/// that it stops campaigning, and no longer than a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Departure {
    /// The index of the configuration without it.
    removed_by: LogIndex,
    /// Once that is committed: the first round whose appends carry that commit index, and when the
    /// leader stops sending to it.
    committed: Option<(Round, Timestamp)>,
}

impl Departure {
    /// The configuration at `removed_by` does not name the follower.
    pub(crate) const fn new(removed_by: LogIndex) -> Self {
        Self { removed_by, committed: None }
    }

    /// The log is committed up to `commit`, and appends of `round` carry that index. Returns
    /// whether the removal became committed.
    pub(crate) fn on_committed(
        &mut self,
        commit: LogIndex,
        round: Round,
        now: Timestamp,
        limit: Duration,
    ) -> bool {
        let newly = self.committed.is_none() && self.removed_by <= commit;
        if newly {
            self.committed = Some((round, now.after(limit)));
        }
        newly
    }

    /// Whether a follower that agrees with the log up to `match_index` in `round` knows that its
    /// removal is committed.
    pub(crate) fn is_known(&self, match_index: LogIndex, round: Round) -> bool {
        match_index >= self.removed_by
            && self.committed.is_some_and(|(carries_commit, _)| round >= carries_commit)
    }

    /// Whether the follower has not responded in time.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.committed.is_some_and(|(_, deadline)| now >= deadline)
    }
}
