//! The configurations in the log.

use alloc::vec::Vec;

use crate::membership::{Membership, MembershipError};
use crate::types::LogIndex;

/// Every configuration that is in force or may be rolled back to, ascending by index. Never empty.
#[derive(Clone, Debug)]
pub(crate) struct Memberships {
    by_index: Vec<(LogIndex, Membership)>,
}

impl Memberships {
    /// The configurations of a recovered log. `bootstrap` is in force while the log has none.
    ///
    /// # Errors
    /// When one of them is invalid.
    pub(crate) fn recovered(
        bootstrap: Membership,
        recovered: Vec<(LogIndex, Membership)>,
    ) -> Result<Self, MembershipError> {
        let mut by_index = recovered;
        by_index.insert(0, (LogIndex::ZERO, bootstrap));
        for (_, membership) in &by_index {
            membership.check()?;
        }
        Ok(Self { by_index })
    }

    /// The configuration in force: the latest in the log, committed or not (thesis §4.1).
    pub(crate) fn current(&self) -> &Membership {
        let (_, latest) = self.by_index.last().expect("there is always a configuration");
        latest
    }

    /// Adds the configuration of a new entry, which is in force from now on.
    pub(crate) fn push(&mut self, index: LogIndex, membership: Membership) {
        self.by_index.push((index, membership));
    }

    /// Drops the configurations at `from` and after it. The bootstrap configuration stays.
    pub(crate) fn truncate_from(&mut self, from: LogIndex) {
        while self.by_index.len() > 1
            && self.by_index.last().is_some_and(|&(index, _)| index >= from)
        {
            self.by_index.pop();
        }
    }
}
