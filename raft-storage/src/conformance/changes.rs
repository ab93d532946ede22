//! Builders for the changes that the rules use, and shared checks.

use bytes::Bytes;
use raft_core::ports::{LogReset, LogStore};
use raft_core::{
    Entry, HardState, LogId, LogIndex, Membership, NodeId, Persist, PersistId, Recovered, Term,
};

use super::StoreFactory;

pub(super) fn id(term: u64, index: u64) -> LogId {
    LogId::new(Term(term), LogIndex(index))
}

/// A command that contains its index and term, so that an entry at a wrong position is detected.
pub(super) fn entry(term: u64, index: u64) -> Entry {
    Entry::command(id(term, index), Bytes::from(format!("command {index} of term {term}")))
}

pub(super) fn entries(term: u64, first: u64, last: u64) -> Vec<Entry> {
    (first..=last).map(|index| entry(term, index)).collect()
}

pub(super) fn membership(term: u64, index: u64, voters: &[u64]) -> Entry {
    let (_, membership) = voters_at(index, voters);
    Entry::membership(id(term, index), membership)
}

/// A membership and the index of its entry.
pub(super) fn voters_at(index: u64, voters: &[u64]) -> (LogIndex, Membership) {
    (LogIndex(index), Membership::of_voters(voters.iter().copied().map(NodeId)))
}

/// An empty change.
pub(super) const fn nothing() -> Persist {
    Persist {
        id: PersistId(1),
        hard_state: None,
        reset: None,
        truncate_from: None,
        entries: Vec::new(),
        broken: None,
    }
}

/// Appends entries together with a hard state of their term.
pub(super) fn append(entries: Vec<Entry>) -> Persist {
    let term = entries.last().map_or(Term(0), Entry::term);
    let hard_state = HardState { term, voted_for: None, commit: LogIndex(0) };
    Persist { entries, hard_state: Some(hard_state), ..nothing() }
}

/// Replaces all entries from the first of these on.
pub(super) fn replace(entries: Vec<Entry>) -> Persist {
    Persist { truncate_from: entries.first().map(Entry::index), ..append(entries) }
}

/// Resets the log to an entry that it holds, with the index and the voters of the base's membership.
pub(super) fn reset_keeping(base: LogId, (index, voters): (u64, &[u64])) -> Persist {
    let membership = voters_at(index, voters);
    let reset = LogReset { base, membership, keeps_later_entries: true };
    Persist { reset: Some(reset), ..nothing() }
}

/// Resets the log to a base without entries, together with a hard state of its term.
pub(super) fn reset_discarding(base: LogId, (index, voters): (u64, &[u64])) -> Persist {
    let membership = voters_at(index, voters);
    let reset = LogReset { base, membership, keeps_later_entries: false };
    Persist { reset: Some(reset), ..hard_state(base.term.get(), None, 0) }
}

pub(super) fn hard_state(term: u64, voted_for: Option<u64>, commit: u64) -> Persist {
    let voted_for = voted_for.map(NodeId);
    let hard_state = HardState { term: Term(term), voted_for, commit: LogIndex(commit) };
    Persist { hard_state: Some(hard_state), ..nothing() }
}

/// Opens a store, for the first time or again.
pub(super) fn open<F: StoreFactory>(factory: &mut F) -> (F::Store, Recovered) {
    let mut store = factory.open();
    let recovered = store.recover().expect("the store recovers");
    assert_eq!(recovered.terms.base(), recovered.base, "the runs begin at the base");
    (store, recovered)
}

/// Opens an empty store and persists each of these changes separately.
pub(super) fn open_with<F: StoreFactory>(factory: &mut F, changes: &[Persist]) -> F::Store {
    let (mut store, _) = open(factory);
    for change in changes {
        store.persist(std::slice::from_ref(change)).expect("the store persists");
    }
    store
}

/// All entries from `first` on, as a new reader returns them.
pub(super) fn read_all(store: &impl LogStore, first: u64) -> Vec<Entry> {
    read(store, first, u64::MAX, u64::MAX)
}

pub(super) fn read(store: &impl LogStore, from: u64, last: u64, bytes_max: u64) -> Vec<Entry> {
    let read = store.reader().read(LogIndex(from), LogIndex(last), bytes_max);
    read.expect("the reader reads")
}

/// Checks that a store and what it recovered agree on the log from `first` on.
pub(super) fn assert_log(store: &impl LogStore, recovered: &Recovered, expected: &[Entry]) {
    let first = expected.first().map_or_else(|| recovered.base.index.next(), Entry::index);
    assert_eq!(read_all(store, first.get()), expected, "the entries");
    let last = expected.last().map_or(recovered.base, |entry| entry.id);
    assert_eq!(recovered.terms.last(), last, "the last entry");
    for entry in expected {
        let term = recovered.terms.term_at(entry.index());
        assert_eq!(term, Some(entry.term()), "the term at {}", entry.index());
    }
}
