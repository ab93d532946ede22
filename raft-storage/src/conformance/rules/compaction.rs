//! Rules about compaction.

use raft_core::LogIndex;
use raft_core::ports::{LogStore, StoreError};

use crate::conformance::StoreFactory;
use crate::conformance::changes::{
    append, assert_log, entries, id, open, open_with, read_all, replace,
};

/// After a compaction the remaining entries are returned, before and after a restart.
pub fn compaction_removes_no_entry_after_the_new_base<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 4)), append(entries(2, 5, 8))]);
    for up_to in [id(1, 2), id(1, 4), id(2, 5)] {
        store.compact(up_to).expect("compacts");
        let rest = up_to.index.next().get();
        let kept = [entries(1, rest, 4), entries(2, rest.max(5), 8)].concat();
        assert_eq!(read_all(&store, rest), kept);
        drop(store);
        let (reopened, recovered) = open(factory);
        store = reopened;
        assert!(recovered.base <= up_to, "the base is {}", recovered.base);
        assert_log(&store, &recovered, &kept);
    }
}

/// A compaction may end at any entry, however entries were grouped into appends.
pub fn compaction_inside_an_append_keeps_later_entries<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 12))]);
    for up_to in 1..12 {
        store.compact(id(1, up_to)).expect("compacts");
        assert_eq!(read_all(&store, up_to + 1), entries(1, up_to + 1, 12));
    }
    store.persist(&[replace(entries(2, 12, 13))]).expect("replaces right after the base");
    drop(store);
    let (store, recovered) = open(factory);
    assert!(recovered.base <= id(1, 11));
    assert_log(&store, &recovered, &entries(2, 12, 13));
}

/// A compaction up to the base or to an entry before it has no effect.
pub fn compacting_twice_or_backwards_changes_nothing<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 6))]);
    for up_to in [id(1, 4), id(1, 4), id(1, 2)] {
        store.compact(up_to).expect("compacts or has done so");
        assert_eq!(read_all(&store, 5), entries(1, 5, 6));
    }
}

/// A log without entries accepts the entry after its base.
pub fn log_compacted_to_its_end_accepts_appends<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 3))]);
    store.compact(id(1, 3)).expect("compacts");
    assert_eq!(read_all(&store, 4), []);
    drop(store);
    let (mut store, recovered) = open(factory);
    assert_eq!(recovered.terms.last(), id(1, 3));
    store.persist(&[append(entries(2, 4, 5))]).expect("accepts appends");
    drop(store);
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &entries(2, 4, 5));
}

/// A compaction up to an entry that is not in the log is refused. Nothing is written, so the store
/// remains usable.
pub fn only_entries_of_the_log_are_compacted<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 3))]);
    for wrong in [id(1, 4), id(2, 3)] {
        let outcome = store.compact(wrong);
        assert!(matches!(outcome, Err(StoreError::Invalid(_))), "{wrong}: {outcome:?}");
    }
    assert_eq!(read_all(&store, 1), entries(1, 1, 3));
}

/// A read of compacted entries returns nothing; entries after the base are returned.
pub fn compacted_entries_are_not_read<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 9))]);
    let mut reader = store.reader();
    store.compact(id(1, 5)).expect("the log holds the entry");
    for from in [4, 5] {
        let run = reader.read(LogIndex(from), LogIndex(9), u64::MAX).expect("is no error");
        assert_eq!(run, [], "from {from}");
    }
    assert_eq!(read_all(&store, 6), entries(1, 6, 9));
}
