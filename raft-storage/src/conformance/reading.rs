//! What a reader sees beside the writer.

use std::sync::mpsc;
use std::thread;

use raft_core::LogIndex;
use raft_core::ports::LogStore;

use super::{PATIENCE, StoreFactory, append, entry, id, read_all, recovered, replace};

/// A reader stops at the last index, and after the entry that reaches the weight; it delivers at
/// least one.
pub fn a_reader_stops_at_its_limits<F: StoreFactory>(factory: &mut F) {
    let (mut store, _) = recovered(factory);
    let entries: Vec<_> = (1..=9).map(|index| entry(index, 1)).collect();
    let weight = entries[0].weight_bytes();
    store.persist(&[append(1, entries.clone())]).expect("fits");
    let mut reader = store.reader();
    let mut read = |from, last, bytes_max| {
        reader.read(LogIndex(from), LogIndex(last), bytes_max).expect("durable entries are read")
    };
    assert_eq!(read(3, 5, u64::MAX), entries[2..5]);
    assert_eq!(read(3, 3, u64::MAX), entries[2..3]);
    assert_eq!(read(8, 99, u64::MAX), entries[7..], "what is there and no more");
    assert_eq!(read(2, 9, 1), entries[1..2], "at least one");
    assert_eq!(read(2, 9, weight), entries[1..2], "the one that reaches the weight is the last");
    assert_eq!(read(2, 9, weight + 1), entries[1..3]);
    assert_eq!(read(10, 20, u64::MAX), [], "nothing yet");
}

/// A reader on another thread sees every entry whose persist has returned.
pub fn a_reader_never_sees_less_than_was_durable<F: StoreFactory>(factory: &mut F) {
    const ENTRIES: u64 = 200;
    let (mut store, _) = recovered(factory);
    let mut reader = store.reader();
    let (durable, news) = mpsc::channel::<u64>();
    let reading = thread::spawn(move || {
        let mut seen = 0;
        while seen < ENTRIES {
            let last = news.recv_timeout(PATIENCE).expect("the writer goes on");
            let mut next = seen + 1;
            while next <= last {
                let run = reader.read(LogIndex(next), LogIndex(last), 200).expect("is durable");
                assert!(!run.is_empty(), "entry {next} of {last} is durable");
                for found in run {
                    assert_eq!(found, entry(next, 1));
                    next += 1;
                }
            }
            seen = last;
        }
    });
    for index in 1..=ENTRIES {
        store.persist(&[append(index, vec![entry(index, 1)])]).expect("fits");
        durable.send(index).expect("the reader goes on");
    }
    reading.join().expect("the reader saw everything");
}

/// What was compacted ends a reader's run at nothing; what follows the base is there.
pub fn compacted_entries_are_not_read<F: StoreFactory>(factory: &mut F) {
    let (mut store, _) = recovered(factory);
    let entries: Vec<_> = (1..=9).map(|index| entry(index, 1)).collect();
    store.persist(&[append(1, entries.clone())]).expect("fits");
    let mut reader = store.reader();
    store.compact(id(5, 1)).expect("holds the entry");
    assert_eq!(reader.read(LogIndex(4), LogIndex(9), u64::MAX).expect("is no fault"), []);
    assert_eq!(reader.read(LogIndex(5), LogIndex(9), u64::MAX).expect("is no fault"), []);
    assert_eq!(read_all(&store, 6, 9), entries[5..]);
}

/// A reader made before a truncation sees the log after it.
pub fn truncated_entries_are_not_read<F: StoreFactory>(factory: &mut F) {
    let (mut store, _) = recovered(factory);
    let mut reader = store.reader();
    store.persist(&[append(1, (1..=9).map(|index| entry(index, 1)).collect())]).expect("fits");
    store.persist(&[replace(2, vec![entry(4, 2)])]).expect("fits");
    let found = reader.read(LogIndex(3), LogIndex(9), u64::MAX).expect("durable entries are read");
    assert_eq!(found, [entry(3, 1), entry(4, 2)]);
}
