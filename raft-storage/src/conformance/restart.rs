//! What is there after a restart.

use bytes::Bytes;
use raft_core::ports::LogStore;
use raft_core::{
    Broken, Entry, HardState, LogIndex, Membership, NodeId, Persist, PersistId, Recovered, Term,
};

use super::{StoreFactory, append, entry, id, membership_entry, read_all, recovered, replace};

/// A store that nobody wrote to holds nothing, however often it is opened.
pub fn an_empty_store_recovers_nothing<F: StoreFactory>(factory: &mut F) {
    for _ in 0..2 {
        let (store, found) = recovered(factory);
        assert_eq!(found, Recovered::default());
        assert_eq!(read_all(&store, 1, 9), []);
    }
}

/// Entries come back with their terms and payloads.
pub fn entries_and_their_terms_are_recovered<F: StoreFactory>(factory: &mut F) {
    let entries = vec![Entry::empty(id(1, 1)), entry(2, 1), entry(3, 4), entry(4, 4)];
    let (mut store, _) = recovered(factory);
    store.persist(&[append(1, entries.clone())]).expect("fits");
    drop(store);

    let (store, found) = recovered(factory);
    assert_eq!(found.base, id(0, 0));
    assert_eq!(found.terms.last(), id(4, 4));
    assert_eq!(found.terms.term_at(LogIndex(2)), Some(Term(1)));
    assert_eq!(found.hard_state.term, Term(4));
    assert_eq!(read_all(&store, 1, 4), entries);
}

/// A vote survives, with its term, though no entry came with it; a later term clears it.
pub fn the_vote_is_recovered<F: StoreFactory>(factory: &mut F) {
    for (number, term, voted_for) in [(1, 3, None), (2, 3, Some(NodeId(2))), (3, 4, None)] {
        let hard_state = HardState { term: Term(term), voted_for, commit: LogIndex(0) };
        let (mut store, _) = recovered(factory);
        let change = Persist { hard_state: Some(hard_state), ..append(number, Vec::new()) };
        store.persist(&[change]).expect("fits");
        drop(store);
        assert_eq!(recovered(factory).1.hard_state, hard_state);
    }
}

/// Configurations are found without reading the log, and go with the entries that carry them.
pub fn memberships_are_recovered_with_their_indexes<F: StoreFactory>(factory: &mut F) {
    let three = Membership::of_voters([1, 2, 3].map(NodeId));
    let four = Membership::of_voters([1, 2, 3, 4].map(NodeId));
    let (mut store, _) = recovered(factory);
    let entries = vec![
        membership_entry(1, 1, &[1, 2, 3]),
        entry(2, 1),
        membership_entry(3, 1, &[1, 2, 3, 4]),
    ];
    store.persist(&[append(1, entries)]).expect("fits");
    drop(store);
    let (mut store, found) = recovered(factory);
    assert_eq!(found.memberships, [(LogIndex(1), three.clone()), (LogIndex(3), four)]);

    store.persist(&[replace(2, vec![entry(3, 2)])]).expect("fits");
    drop(store);
    assert_eq!(recovered(factory).1.memberships, [(LogIndex(1), three)]);
}

/// The mark of a failed state machine survives, and so does everything around it.
pub fn a_broken_mark_is_recovered<F: StoreFactory>(factory: &mut F) {
    let broken = Broken { index: LogIndex(1), reason: "no such account".to_owned() };
    let (mut store, _) = recovered(factory);
    store.persist(&[append(1, vec![entry(1, 1)])]).expect("fits");
    let mark = Persist {
        id: PersistId(2),
        hard_state: None,
        truncate_from: None,
        entries: Vec::new(),
        broken: Some(broken.clone()),
    };
    store.persist(&[mark]).expect("fits");
    drop(store);
    let found = recovered(factory).1;
    assert_eq!(found.broken, Some(broken));
    assert_eq!(found.terms.last(), id(1, 1));
}

/// After compaction the log begins at its base; the configuration before it is not lost.
pub fn a_compacted_log_recovers_from_its_base<F: StoreFactory>(factory: &mut F) {
    let (mut store, _) = recovered(factory);
    let mut entries = vec![membership_entry(1, 1, &[1, 2, 3])];
    entries.extend((2..=10).map(|index| entry(index, 1 + index / 4)));
    store.persist(&[append(1, entries.clone())]).expect("fits");
    store.compact(id(6, 2)).expect("holds the entry");
    // Lazy or not, a compaction is durable with the next persist at the latest.
    store.persist(&[append(2, vec![entry(11, 3)])]).expect("fits");
    drop(store);

    let (store, found) = recovered(factory);
    assert!(found.base == id(6, 2) || found.base == id(0, 0), "never more than was asked");
    assert_eq!(found.terms.base(), found.base);
    assert_eq!(found.terms.last(), id(11, 3));
    assert_eq!(found.memberships.len(), 1, "{:?}", found.memberships);
    assert_eq!(read_all(&store, 7, 10), entries[6..]);
}

/// A payload of a mebibyte is one entry like any other.
pub fn large_entries_are_recovered<F: StoreFactory>(factory: &mut F) {
    let large = |index, byte| Entry::command(id(index, 1), Bytes::from(vec![byte; 1 << 20]));
    let entries = vec![entry(1, 1), large(2, 0xaa), large(3, 0x55), entry(4, 1)];
    let (mut store, _) = recovered(factory);
    store.persist(&[append(1, entries.clone())]).expect("fits");
    drop(store);
    assert_eq!(read_all(&recovered(factory).0, 1, 4), entries);
}

/// Hundreds of changes, one by one, are one log.
pub fn many_small_persists_are_recovered<F: StoreFactory>(factory: &mut F) {
    let (mut store, _) = recovered(factory);
    for index in 1..=300 {
        store.persist(&[append(index, vec![entry(index, 1)])]).expect("fits");
    }
    drop(store);
    let (store, found) = recovered(factory);
    assert_eq!(found.terms.last(), id(300, 1));
    let expected: Vec<Entry> = (1..=300).map(|index| entry(index, 1)).collect();
    assert_eq!(read_all(&store, 1, 300), expected);
}
