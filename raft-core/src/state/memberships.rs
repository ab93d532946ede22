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
    /// The configurations of a recovered log. `bootstrap` is in force while the log and its base
    /// have none.
    ///
    /// # Errors
    /// When one of them is invalid.
    pub(crate) fn recovered(
        bootstrap: Membership,
        recovered: Vec<(LogIndex, Membership)>,
        base: LogIndex,
    ) -> Result<Self, MembershipError> {
        let mut by_index = recovered;
        if by_index.first().is_none_or(|&(first, _)| first > base) {
            by_index.insert(0, (LogIndex::ZERO, bootstrap));
        }
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

    /// The configuration in force at an index of the log, with its own index: the latest at or
    /// before it. `None` if it is dropped.
    pub(crate) fn at(&self, index: LogIndex) -> Option<(LogIndex, &Membership)> {
        let after = self.by_index.partition_point(|&(own, _)| own <= index);
        let (own, membership) = self.by_index.get(after.checked_sub(1)?)?;
        Some((*own, membership))
    }

    /// Drops the configurations before the one in force at `base`, which becomes the base of the
    /// log.
    pub(crate) fn compact(&mut self, base: LogIndex) {
        let after = self.by_index.partition_point(|&(own, _)| own <= base);
        self.by_index.drain(..after.saturating_sub(1));
    }

    /// Replaces the configurations up to `base` by the one in force there. Those after it stay if
    /// the entries after the base do.
    pub(crate) fn reset(
        &mut self,
        base: LogIndex,
        in_force: (LogIndex, Membership),
        keeps_later_entries: bool,
    ) {
        assert!(in_force.0 <= base, "the configuration of a base is not after it");
        self.by_index.retain(|&(own, _)| keeps_later_entries && own > base);
        self.by_index.insert(0, in_force);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::types::NodeId;

    fn of(node: u64) -> Membership {
        Membership::of_voters([NodeId(node)])
    }

    fn sample() -> Memberships {
        let later = vec![(LogIndex(3), of(2)), (LogIndex(7), of(3))];
        Memberships::recovered(of(1), later, LogIndex::ZERO).expect("valid")
    }

    #[test]
    fn configuration_of_an_index_is_the_latest_at_or_before_it() {
        let memberships = sample();
        let at = |index| memberships.at(LogIndex(index)).map(|(own, found)| (own.get(), found));
        assert_eq!(at(2), Some((0, &of(1))));
        assert_eq!(at(3), Some((3, &of(2))));
        assert_eq!(at(6), Some((3, &of(2))));
        assert_eq!(at(9), Some((7, &of(3))));
    }

    #[test]
    fn compaction_keeps_the_configuration_of_the_base() {
        let mut memberships = sample();
        memberships.compact(LogIndex(5));
        assert_eq!(memberships.at(LogIndex(2)), None);
        assert_eq!(memberships.at(LogIndex(5)), Some((LogIndex(3), &of(2))));
        memberships.truncate_from(LogIndex(7));
        assert_eq!(memberships.current(), &of(2));
        memberships.truncate_from(LogIndex(1));
        assert_eq!(memberships.current(), &of(2), "the configuration of the base stays");
    }

    #[test]
    fn reset_drops_later_configurations_unless_their_entries_stay() {
        let mut kept = sample();
        kept.reset(LogIndex(5), (LogIndex(4), of(9)), true);
        assert_eq!(kept.at(LogIndex(5)), Some((LogIndex(4), &of(9))));
        assert_eq!(kept.current(), &of(3));
        let mut replaced = sample();
        replaced.reset(LogIndex(5), (LogIndex(4), of(9)), false);
        assert_eq!(replaced.current(), &of(9));
    }

    #[test]
    fn recovered_base_with_a_configuration_needs_no_bootstrap() {
        let recovered = vec![(LogIndex(3), of(2))];
        let memberships = Memberships::recovered(of(1), recovered, LogIndex(5)).expect("valid");
        assert_eq!(memberships.at(LogIndex(2)), None);
        assert_eq!(memberships.current(), &of(2));
    }
}
