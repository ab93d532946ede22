//! Rules about hard state, memberships and the broken mark.

use raft_core::ports::LogStore;
use raft_core::{BrokenMark, HardState, LogIndex, NodeId, Persist, Term};

use crate::conformance::StoreFactory;
use crate::conformance::changes::{
    append, entries, entry, hard_state, id, membership, nothing, open, open_with, replace,
    voters_at,
};

/// Term, vote and commit index are recovered as last written.
pub fn the_hard_state_is_recovered<F: StoreFactory>(factory: &mut F) {
    let steps = [(1, None, 0), (1, Some(2), 0), (1, Some(2), 1), (5, None, 1), (5, Some(3), 1)];
    drop(open_with(factory, &[append(entries(1, 1, 1))]));
    for (term, voted_for, commit) in steps {
        let mut store = open(factory).0;
        store.persist(&[hard_state(term, voted_for, commit)]).expect("persists");
        drop(store);
        let voted_for = voted_for.map(NodeId);
        let expected = HardState { term: Term(term), voted_for, commit: LogIndex(commit) };
        assert_eq!(open(factory).1.hard_state, expected);
    }
}

/// A change without a hard state keeps the stored one.
pub fn hard_state_is_kept_by_changes_without_one<F: StoreFactory>(factory: &mut F) {
    let alone = Persist { hard_state: None, ..append(entries(3, 1, 4)) };
    drop(open_with(factory, &[hard_state(3, Some(1), 0), alone]));
    let expected = HardState { term: Term(3), voted_for: Some(NodeId(1)), commit: LogIndex(0) };
    assert_eq!(open(factory).1.hard_state, expected);
}

/// Memberships are recovered with their indexes, in order.
pub fn memberships_are_recovered_with_their_indexes<F: StoreFactory>(factory: &mut F) {
    let log = vec![membership(1, 1, &[1]), entry(1, 2), membership(1, 3, &[1, 2]), entry(1, 4)];
    drop(open_with(factory, &[append(log)]));
    assert_eq!(open(factory).1.memberships, [voters_at(1, &[1]), voters_at(3, &[1, 2])]);
}

/// A truncated membership is not recovered.
pub fn truncated_membership_is_removed<F: StoreFactory>(factory: &mut F) {
    let log = vec![membership(1, 1, &[1]), entry(1, 2), membership(1, 3, &[1, 2])];
    let mut store = open_with(factory, &[append(log)]);
    store.persist(&[replace(vec![entry(2, 3)])]).expect("persists");
    // The compaction uses the memberships that the store keeps in memory.
    store.compact(id(2, 3)).expect("compacts");
    drop(store);
    assert_eq!(open(factory).1.memberships, [voters_at(1, &[1])]);
}

/// The membership at the base is kept when its entry is compacted.
pub fn the_membership_at_the_base_is_kept<F: StoreFactory>(factory: &mut F) {
    let log = vec![
        membership(1, 1, &[1]),
        membership(1, 2, &[1, 2]),
        entry(1, 3),
        membership(1, 4, &[1, 2, 3]),
        entry(1, 5),
    ];
    let mut store = open_with(factory, &[append(log)]);
    for (up_to, in_force) in [(3, &[1, 2][..]), (4, &[1, 2, 3]), (5, &[1, 2, 3])] {
        store.compact(id(1, up_to)).expect("compacts");
        drop(store);
        let (reopened, recovered) = open(factory);
        store = reopened;
        let kept: Vec<_> = recovered.memberships.iter().collect();
        let at_base = kept.iter().rev().find(|(index, _)| *index <= LogIndex(up_to));
        let (_, found) = at_base.expect("there is a membership at the base");
        assert_eq!(*found, voters_at(up_to, in_force).1, "at {up_to}");
        assert!(kept.is_sorted_by(|earlier, later| earlier.0 < later.0), "{kept:?}");
        let newest = recovered.memberships.last().map(|(_, newest)| newest.clone());
        assert_eq!(newest, Some(voters_at(4, &[1, 2, 3]).1));
    }
}

/// The broken mark is kept until it is removed; a newer one replaces it.
pub fn the_broken_mark_is_kept<F: StoreFactory>(factory: &mut F) {
    let mark = |index| BrokenMark { index: LogIndex(index), reason: format!("failed at {index}") };
    let mut store = open_with(factory, &[append(entries(1, 1, 3))]);
    store.persist(&[Persist { broken: Some(mark(2)), ..nothing() }]).expect("persists");
    store.persist(&[append(entries(1, 4, 4))]).expect("persists");
    drop(store);
    let (mut store, recovered) = open(factory);
    assert_eq!(recovered.broken, Some(mark(2)));
    let twice = [mark(3), mark(4)].map(|mark| Persist { broken: Some(mark), ..nothing() });
    store.persist(&twice).expect("persists");
    drop(store);
    assert_eq!(open(factory).1.broken, Some(mark(4)));
}
