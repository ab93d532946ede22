//! Rules about readers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use raft_core::LogIndex;
use raft_core::ports::{LogReader, LogStore};

use crate::conformance::StoreFactory;
use crate::conformance::changes::{
    append, entries, entry, id, open, open_with, read, read_all, replace,
};

/// A read returns the requested range, stops after the entry that reaches the limit, and returns at
/// least one entry.
pub fn reads_stay_within_range_and_limit<F: StoreFactory>(factory: &mut F) {
    let store = open_with(factory, &[append(entries(1, 1, 6)), append(entries(1, 7, 9))]);
    for first in 1..=9 {
        for last in first..=9 {
            assert_eq!(read(&store, first, last, u64::MAX), entries(1, first, last));
        }
    }
    assert_eq!(read(&store, 5, 4, u64::MAX), [], "an empty range");
    assert_eq!(read(&store, 8, 99, u64::MAX), entries(1, 8, 9), "a range past the end");
    assert_eq!(read(&store, 10, 99, u64::MAX), [], "a range after the end");
    let weight = entry(1, 1).weight_bytes();
    assert_eq!(read(&store, 5, 9, 0), entries(1, 5, 5), "at least one");
    assert_eq!(read(&store, 5, 9, weight), entries(1, 5, 5), "the first one reaches the limit");
    assert_eq!(
        read(&store, 5, 9, weight + 1),
        entries(1, 5, 6),
        "the second one exceeds the limit"
    );
    assert_eq!(read(&store, 5, 9, 3 * weight), entries(1, 5, 7), "across appends");
}

/// A reader returns all changes that were persisted before the read.
pub fn reader_returns_entries_persisted_after_its_creation<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 3))]);
    let mut reader = store.reader();
    let mut read = |first| reader.read(LogIndex(first), LogIndex(99), u64::MAX).expect("reads");
    assert_eq!(read(1), entries(1, 1, 3));
    store.persist(&[append(entries(1, 4, 5))]).expect("persists");
    assert_eq!(read(1), entries(1, 1, 5));
    store.persist(&[replace(entries(2, 2, 2))]).expect("persists");
    assert_eq!(read(1), [entry(1, 1), entry(2, 2)]);
    assert_eq!(read(3), []);
    store.compact(id(1, 1)).expect("compacts");
    assert_eq!(read(2), [entry(2, 2)]);
}

/// Reads that overlap appends, truncations and compactions return entries that were in the log at
/// the same time.
pub fn reads_are_consistent_during_writes<F: StoreFactory>(factory: &mut F) {
    const ROUNDS: u64 = 60;
    let mut store = open_with(factory, &[append(entries(1, 1, 10))]);
    let mut reader = store.reader();
    let round = AtomicU64::new(1);
    thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                let newest = round.load(Ordering::Acquire);
                // Near the end, where entries are replaced, and near the base.
                for first in
                    [newest * 5 - 4, newest * 5 + 2, newest * 5 + 5, newest.max(4) * 5 - 14]
                {
                    check_a_run(&mut *reader, first);
                }
                if newest == ROUNDS {
                    break;
                }
            }
        });
        for term in 2..=ROUNDS {
            // Five entries are replaced by ten; the log keeps about twenty.
            let first = (term - 1) * 5 + 1;
            store.persist(&[replace(entries(term, first, first + 9))]).expect("persists");
            if term > 3 {
                store.compact(id(term - 3, first - 11)).expect("compacts");
            }
            round.store(term, Ordering::Release);
        }
    });
    assert_eq!(read_all(&store, ROUNDS * 5 - 4), entries(ROUNDS, ROUNDS * 5 - 4, ROUNDS * 5 + 5));
}

/// Checks that a read from `first` on returns contiguous entries as they were written.
fn check_a_run(reader: &mut dyn LogReader, first: u64) {
    let run = reader.read(LogIndex(first), LogIndex(u64::MAX), u64::MAX);
    let run = run.expect("reads beside the writer");
    let ids: Vec<_> = run.iter().map(|entry| entry.id).collect();
    assert!(ids.first().is_none_or(|id| id.index == LogIndex(first)), "{ids:?}");
    for pair in ids.windows(2) {
        assert_eq!(pair[1].index, pair[0].index.next(), "{ids:?}");
        assert!(pair[1].term >= pair[0].term, "{ids:?}");
    }
    for found in run {
        assert_eq!(found, entry(found.term().get(), found.index().get()));
    }
}

/// Once a persist has returned, readers on all threads return its entries.
pub fn reader_on_another_thread_returns_all_persisted_entries<F: StoreFactory>(factory: &mut F) {
    const ENTRIES: u64 = 200;
    let (mut store, _) = open(factory);
    let mut reader = store.reader();
    let (persisted, indexes) = mpsc::channel::<u64>();
    let reading = thread::spawn(move || {
        // Ends when the writer drops its end of the channel, also on a panic.
        for index in indexes {
            let run = reader.read(LogIndex(index), LogIndex(index), u64::MAX).expect("is durable");
            assert_eq!(run, [entry(1, index)], "entry {index} is durable");
        }
    });
    for index in 1..=ENTRIES {
        store.persist(&[append(entries(1, index, index))]).expect("fits");
        persisted.send(index).expect("the reader is running");
    }
    drop(persisted);
    reading.join().expect("the reader returned all entries");
}
