//! The configurations in the log.

use alloc::vec::Vec;

use crate::membership::{Membership, MembershipError};
use crate::types::{LogIndex, NodeId};

/// Every configuration that is in force or may be rolled back to, ascending by index. The first is
/// that of the base of the log. Empty only in a log without any configuration.
#[derive(Clone, Debug)]
pub(crate) struct Memberships {
    by_index: Vec<(LogIndex, Membership)>,
    /// The configuration of a log that has none.
    no_members: Membership,
}

impl Memberships {
    /// The configurations of a recovered log.
    ///
    /// # Errors
    /// When one of them is invalid.
    pub(crate) fn recovered(
        by_index: Vec<(LogIndex, Membership)>,
    ) -> Result<Self, MembershipError> {
        for (_, membership) in &by_index {
            membership.check()?;
        }
        Ok(Self { by_index, no_members: Membership::default() })
    }

    /// The configuration in force: the latest in the log, committed or not (thesis §4.1). Without
    /// members if the log has none.
    #[inline]
    pub(crate) fn current(&self) -> &Membership {
        self.by_index.last().map_or(&self.no_members, |(_, membership)| membership)
    }

    /// The index of the configuration in force: its version.
    #[inline]
    pub(crate) fn version(&self) -> LogIndex {
        self.by_index.last().map_or(LogIndex::ZERO, |&(index, _)| index)
    }

    /// The configuration before the one in force, if it is known.
    pub(crate) fn previous(&self) -> Option<&Membership> {
        let at = self.by_index.len().checked_sub(2)?;
        self.by_index.get(at).map(|(_, membership)| membership)
    }

    /// Whether the node votes in the configuration that is in force if the log ends at `commit`, or
    /// in a later one.
    pub(crate) fn is_voter_from(&self, commit: LogIndex, node: NodeId) -> bool {
        self.since(commit).any(|membership| membership.is_voter(node))
    }

    /// The configuration that is in force if the log ends at `commit`, and the later ones.
    pub(crate) fn since(&self, commit: LogIndex) -> impl Iterator<Item = &Membership> {
        let later = self.by_index.partition_point(|&(index, _)| index <= commit);
        let first = later.saturating_sub(1);
        self.by_index.iter().skip(first).map(|(_, membership)| membership)
    }

    /// Whether an earlier configuration than the one in force names the node.
    pub(crate) fn named_before(&self, node: NodeId) -> bool {
        let earlier = self.by_index.iter().rev().skip(1);
        earlier.into_iter().any(|(_, membership)| membership.contains(node))
    }

    /// Adds the configuration of a new entry, which is in force from now on.
    pub(crate) fn push(&mut self, index: LogIndex, membership: Membership) {
        self.by_index.push((index, membership));
    }

    /// Drops the configurations at `from` and after it, which is after the base. Returns whether
    /// there were any: then the one before them is in force again.
    pub(crate) fn truncate_from(&mut self, from: LogIndex) -> bool {
        let count = self.by_index.partition_point(|&(index, _)| index < from);
        let dropped = count < self.by_index.len();
        self.by_index.truncate(count);
        dropped
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
    use super::*;

    fn voters(of: &[u64]) -> Membership {
        Membership::of_voters(of.iter().copied().map(NodeId))
    }

    fn bootstrapped(of: &[u64]) -> Memberships {
        let recovered = alloc::vec![(LogIndex::ZERO, voters(of))];
        Memberships::recovered(recovered).expect("valid")
    }

    #[test]
    fn a_removed_voter_counts_as_one_until_the_removal_is_committed() {
        let mut memberships = bootstrapped(&[1, 2]);
        memberships.push(LogIndex(5), voters(&[2]));
        let votes = |commit| memberships.is_voter_from(LogIndex(commit), NodeId(1));
        assert_eq!([0, 4, 5, 6].map(votes), [true, true, false, false]);
        assert!(memberships.named_before(NodeId(1)));
        assert!(!memberships.named_before(NodeId(3)));
    }

    #[test]
    fn truncation_returns_to_the_configuration_before() {
        let mut memberships = bootstrapped(&[1]);
        memberships.push(LogIndex(3), voters(&[1, 2]));
        memberships.push(LogIndex(7), voters(&[1, 2, 3]));
        assert!(!memberships.truncate_from(LogIndex(8)));
        assert!(memberships.truncate_from(LogIndex(4)));
        assert_eq!((memberships.version(), memberships.current()), (LogIndex(3), &voters(&[1, 2])));
        assert!(memberships.truncate_from(LogIndex(1)));
        assert_eq!(memberships.current(), &voters(&[1]), "that of the base stays");
    }

    fn of(node: u64) -> Membership {
        Membership::of_voters([NodeId(node)])
    }

    fn sample() -> Memberships {
        let recovered = [(0, 1), (3, 2), (7, 3)].map(|(index, node)| (LogIndex(index), of(node)));
        Memberships::recovered(recovered.to_vec()).expect("valid")
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
        memberships.truncate_from(LogIndex(6));
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
}
