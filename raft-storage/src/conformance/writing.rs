//! What a persist does, and what it refuses.

use raft_core::ports::{LogStore, StoreError};
use raft_core::{Entry, HardState, LogIndex, Persist, Term};

use super::{StoreFactory, append, entry, id, read_all, recovered, replace};

/// Several changes in one call are made durable in their order.
pub fn a_merged_persist_is_as_good_as_single_ones<F: StoreFactory>(factory: &mut F) {
    let (mut store, _) = recovered(factory);
    let changes = [
        append(1, vec![entry(1, 1), entry(2, 1), entry(3, 1)]),
        replace(2, vec![entry(2, 2)]),
        append(3, vec![entry(3, 2)]),
        replace(4, vec![entry(3, 3), entry(4, 3)]),
    ];
    store.persist(&changes).expect("each fits onto the one before");
    drop(store);
    let (store, found) = recovered(factory);
    assert_eq!(found.terms.last(), id(4, 3));
    assert_eq!(found.hard_state.term, Term(3));
    assert_eq!(read_all(&store, 1, 9), [entry(1, 1), entry(2, 2), entry(3, 3), entry(4, 3)]);
}

/// A conflicting suffix goes, and its replacement comes, in one change; before and after a
/// restart.
pub fn a_truncation_replaces_the_suffix<F: StoreFactory>(factory: &mut F) {
    let (mut store, _) = recovered(factory);
    store.persist(&[append(1, (1..=20).map(|index| entry(index, 1)).collect())]).expect("fits");
    store.persist(&[replace(2, vec![entry(7, 2)])]).expect("replaces a long suffix");
    let mut expected: Vec<Entry> = (1..=6).map(|index| entry(index, 1)).collect();
    expected.push(entry(7, 2));
    assert_eq!(read_all(&store, 1, 20), expected);
    drop(store);

    let (mut store, found) = recovered(factory);
    assert_eq!(found.terms.last(), id(7, 2));
    assert_eq!(read_all(&store, 1, 20), expected);
    store.persist(&[replace(1, vec![entry(1, 3)])]).expect("replaces everything");
    drop(store);
    let (store, found) = recovered(factory);
    assert_eq!(found.terms.last(), id(1, 3));
    assert_eq!(read_all(&store, 1, 20), [entry(1, 3)]);
}

/// Gaps, falling terms, a vote that moves: an error, and nothing of the change is kept.
pub fn a_change_that_does_not_fit_is_refused_whole<F: StoreFactory>(factory: &mut F) {
    let first =
        HardState { term: Term(2), voted_for: Some(raft_core::NodeId(1)), commit: LogIndex(0) };
    let (mut store, _) = recovered(factory);
    let start = Persist { hard_state: Some(first), ..append(1, vec![entry(1, 2)]) };
    store.persist(&[start]).expect("fits");
    drop(store);

    let moved = HardState { voted_for: Some(raft_core::NodeId(2)), ..first };
    let fallen = HardState { term: Term(1), voted_for: None, ..first };
    let keeps = |hard_state, entries| Persist { hard_state, ..append(2, entries) };
    let misfits = [
        keeps(None, vec![entry(3, 2)]),
        keeps(None, vec![entry(2, 2), entry(4, 2)]),
        keeps(None, vec![entry(2, 1)]),
        keeps(Some(moved), vec![entry(2, 2)]),
        keeps(Some(fallen), vec![entry(2, 2)]),
    ];
    for misfit in misfits {
        let (mut store, _) = recovered(factory);
        let refused = store.persist(std::slice::from_ref(&misfit));
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{misfit:?}: {refused:?}");
        drop(store);
        let (store, found) = recovered(factory);
        assert_eq!(found.hard_state, first, "after {misfit:?}");
        assert_eq!(read_all(&store, 1, 9), [entry(1, 2)], "after {misfit:?}");
    }
}

/// A base that the log does not hold is refused; one that is the base already is no change.
pub fn compacting_what_is_not_there_is_refused<F: StoreFactory>(factory: &mut F) {
    let (mut store, _) = recovered(factory);
    store.persist(&[append(1, vec![entry(1, 1), entry(2, 1)])]).expect("fits");
    store.compact(id(1, 1)).expect("holds the entry");
    store.compact(id(1, 1)).expect("is the base");
    assert!(store.compact(id(3, 1)).is_err(), "past the last entry");
    drop(store);
    let (mut store, _) = recovered(factory);
    assert!(store.compact(id(2, 9)).is_err(), "another entry");
}
