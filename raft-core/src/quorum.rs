//! Majorities: pure arithmetic over sets of voters.

use alloc::collections::BTreeSet;

use crate::types::{LogIndex, NodeId};

/// The most members that a configuration may name, learners included.
pub const MEMBERS_MAX: usize = 64;

/// The number of voters that make a majority: 2 of 3, and 3 of 4.
#[must_use]
pub const fn majority_of(voters: usize) -> usize {
    voters / 2 + 1
}

/// Whether `agrees` holds for a majority of the voters. It does not for an empty set.
pub(crate) fn majority_agrees(
    voters: &BTreeSet<NodeId>,
    agrees: &mut impl FnMut(NodeId) -> bool,
) -> bool {
    let agreeing = voters.iter().filter(|&&voter| agrees(voter)).count();
    agreeing >= majority_of(voters.len())
}

/// The highest index that a majority of the voters holds; zero for an empty set.
pub(crate) fn majority_index(
    voters: &BTreeSet<NodeId>,
    held: &mut impl FnMut(NodeId) -> LogIndex,
) -> LogIndex {
    // On the stack: this runs for every response of every follower.
    let mut indexes = [LogIndex::ZERO; MEMBERS_MAX];
    let count = voters.len().min(MEMBERS_MAX);
    for (slot, &voter) in indexes.iter_mut().zip(voters) {
        *slot = held(voter);
    }
    let indexes = &mut indexes[..count];
    indexes.sort_unstable_by(|a, b| b.cmp(a));
    indexes.get(majority_of(voters.len()) - 1).copied().unwrap_or(LogIndex::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (the index of each voter, the index that a majority holds)
    const TABLE: &[(&[u64], u64)] = &[
        (&[], 0),
        (&[5], 5),
        (&[5, 3], 3),
        (&[5, 3, 1], 3),
        (&[5, 5, 1], 5),
        (&[9, 5, 3, 1], 3), // two copies of four do not commit
        (&[9, 9, 3, 1], 3),
        (&[9, 9, 9, 1], 9),
        (&[9, 8, 7, 6, 5], 7),
    ];

    #[test]
    fn an_index_needs_a_true_majority_in_even_clusters_too() {
        for (held, expected) in TABLE {
            let held: alloc::collections::BTreeMap<_, _> =
                (1..).map(NodeId).zip(held.iter().copied().map(LogIndex)).collect();
            let voters: BTreeSet<_> = held.keys().copied().collect();
            let index = majority_index(&voters, &mut |node| held[&node]);
            assert_eq!(index, LogIndex(*expected), "held {held:?}");
        }
    }

    #[test]
    fn two_of_four_are_no_majority() {
        let voters: BTreeSet<_> = (1..=4).map(NodeId).collect();
        assert!(!majority_agrees(&voters, &mut |node| node.get() <= 2));
        assert!(majority_agrees(&voters, &mut |node| node.get() <= 3));
        assert!(!majority_agrees(&BTreeSet::new(), &mut |_| true));
    }
}
