//! Rules about writing, reading and removing snapshots.

use std::thread;

use raft_core::ports::{SnapshotError, SnapshotStore, SnapshotWriter};
use raft_core::{LogIndex, Membership};

use super::SnapshotStoreFactory;
use super::samples::{SIZES, assert_holds, exists, open, read_rest, sample, write, write_parts};

/// A new store is empty, also after a restart.
pub fn new_store_holds_no_snapshot<F: SnapshotStoreFactory>(factory: &mut F) {
    for _ in 0..2 {
        let store = factory.open();
        assert_holds(&store, &[]);
        assert!(!exists(&store, &sample(1, 5, 10)));
    }
}

/// A finished snapshot of any size, written in parts of any size, is listed and read, before and
/// after a restart.
pub fn finished_snapshot_is_listed_and_read_back<F: SnapshotStoreFactory>(factory: &mut F) {
    for (size, part) in SIZES.into_iter().zip([1, 1, 100, 65_536, 70_000, 1 << 20, 999, 131_073]) {
        let store = factory.open();
        let written = sample(3, 9, size);
        write(&store, &written, part);
        assert_holds(&store, &[&written]);
        drop(store);
        assert_holds(&factory.open(), &[&written]);
    }
}

/// Before its writer finishes, a snapshot is not listed and cannot be opened. A dropped writer
/// leaves none, and another writer begins with no data.
pub fn unfinished_snapshot_does_not_exist<F: SnapshotStoreFactory>(factory: &mut F) {
    let store = factory.open();
    let (other, unfinished) = (sample(2, 4, 300), sample(2, 8, 200_000));
    write(&store, &other, 1000);
    let membership = &unfinished.metadata.membership;
    for written in [0, 100, 70_000, 200_000] {
        let writer = store.create(unfinished.metadata.last, membership.clone());
        let mut writer = writer.expect("begins");
        assert_eq!(writer.offset(), 0);
        write_parts(&mut *writer, &unfinished.data[..written], 5000);
        assert_holds(&store, &[&other]);
        assert!(!exists(&store, &unfinished));
        drop(writer);
        assert_holds(&store, &[&other]);
    }
    drop(store);
    let store = factory.open();
    assert_holds(&store, &[&other]);
    write(&store, &unfinished, 5000);
    assert_holds(&store, &[&other, &unfinished]);
}

/// Snapshots are listed ascending, in whatever order they were written.
pub fn snapshots_are_listed_in_order<F: SnapshotStoreFactory>(factory: &mut F) {
    let store = factory.open();
    let samples = [sample(1, 9, 9), sample(1, 10, 10), sample(2, 70, 70), sample(2, 500, 500)];
    for at in [2, 0, 3, 1] {
        write(&store, &samples[at], 64);
    }
    assert_holds(&store, &samples.iter().collect::<Vec<_>>());
    drop(store);
    assert_holds(&factory.open(), &samples.iter().collect::<Vec<_>>());
}

/// A reader continues at any offset up to the end, forwards and backwards.
pub fn snapshot_is_read_from_any_offset<F: SnapshotStoreFactory>(factory: &mut F) {
    let store = factory.open();
    let written = sample(1, 9, 200_000);
    write(&store, &written, 4096);
    let mut reader = open(&store, &written);
    for offset in [0, 65_536, 1, 199_999, 131_071, 131_072, 200_000, 65_535, 150_000, 0] {
        reader.seek(offset as u64).expect("is in the snapshot");
        assert!(read_rest(&mut *reader, 7_000) == written.data[offset..], "from {offset}");
    }
    let outcome = reader.seek(200_001);
    assert!(matches!(outcome, Err(SnapshotError::Invalid(_))), "after the end: {outcome:?}");
}

/// A removed snapshot is no longer listed, and a reader that was opened before reads all of it.
pub fn removed_snapshot_stays_readable_through_its_readers<F: SnapshotStoreFactory>(
    factory: &mut F,
) {
    let store = factory.open();
    let (older, newer) = (sample(1, 3, 200_000), sample(1, 6, 50));
    write(&store, &older, 4096);
    let mut reader = open(&store, &older);
    let mut buffer = [0; 10];
    reader.read(&mut buffer).expect("reads");
    write(&store, &newer, 4096);
    assert_holds(&store, &[&older, &newer]);
    store.remove_before(LogIndex(6)).expect("removes");
    assert_holds(&store, &[&newer]);
    assert!(!exists(&store, &older));
    reader.seek(0).expect("is in the snapshot");
    assert!(read_rest(&mut *reader, 1000) == older.data, "the removed snapshot");
    // It may be written again while the reader exists.
    write(&store, &older, 100);
    assert_holds(&store, &[&older, &newer]);
}

/// A removal lasts. To remove a snapshot that does not exist has no effect.
pub fn removed_snapshots_are_absent_after_a_restart<F: SnapshotStoreFactory>(factory: &mut F) {
    let store = factory.open();
    let samples = [sample(1, 3, 30), sample(1, 6, 60), sample(2, 9, 90), sample(2, 12, 120)];
    samples.iter().for_each(|sample| write(&store, sample, 16));
    store.remove(samples[3].metadata.last).expect("removes the newest");
    store.remove(samples[3].metadata.last).expect("is removed already");
    assert_holds(&store, &[&samples[0], &samples[1], &samples[2]]);
    store.remove_before(LogIndex(9)).expect("removes the older ones");
    assert_holds(&store, &[&samples[2]]);
    drop(store);
    assert_holds(&factory.open(), &[&samples[2]]);
}

/// A snapshot of the same entry replaces the one that exists, when it is complete.
pub fn second_snapshot_of_the_same_entry_replaces_the_first<F: SnapshotStoreFactory>(
    factory: &mut F,
) {
    let store = factory.open();
    let (first, second) = (sample(1, 3, 100_000), sample(1, 3, 70_001));
    write(&store, &first, 4096);
    let mut reader = open(&store, &first);
    let membership = second.metadata.membership.clone();
    let mut writer = store.create(second.metadata.last, membership).expect("begins");
    write_parts(&mut *writer, &second.data, 4096);
    assert_holds(&store, &[&first]);
    assert_eq!(writer.finish().expect("replaces"), second.metadata);
    assert_holds(&store, &[&second]);
    assert!(read_rest(&mut *reader, 1000) == first.data, "the replaced snapshot");
    drop(store);
    assert_holds(&factory.open(), &[&second]);
}

type Begun = Result<Box<dyn SnapshotWriter>, SnapshotError>;

/// A second writer for a snapshot is refused, until the first one is dropped. Other snapshots are
/// written meanwhile.
pub fn one_writer_exists_for_each_snapshot<F: SnapshotStoreFactory>(factory: &mut F) {
    let store = factory.open();
    let (one, other) = (sample(1, 3, 100), sample(1, 4, 100));
    let create = || store.create(one.metadata.last, one.metadata.membership.clone());
    let receive = || store.receive(&one.metadata);
    let begin: [&dyn Fn() -> Begun; 2] = [&create, &receive];
    for first in begin {
        let writer = first().expect("the first writer");
        for second in begin {
            let outcome = second().map(|_| ());
            let expected = one.metadata.last;
            assert!(
                matches!(outcome, Err(SnapshotError::Busy(last)) if last == expected),
                "{outcome:?}"
            );
        }
        write(&store, &other, 10);
        drop(writer);
    }
    write(&store, &one, 10);
    assert_holds(&store, &[&one, &other]);
}

/// The membership of a snapshot is not after its last entry.
pub fn membership_after_the_last_entry_is_refused<F: SnapshotStoreFactory>(factory: &mut F) {
    let store = factory.open();
    let mut wrong = sample(1, 3, 100).metadata;
    wrong.membership = (LogIndex(4), Membership::default());
    let outcome = store.create(wrong.last, wrong.membership.clone()).map(|_| ());
    assert!(matches!(outcome, Err(SnapshotError::Invalid(_))), "{outcome:?}");
    let outcome = store.receive(&wrong).map(|_| ());
    assert!(matches!(outcome, Err(SnapshotError::Invalid(_))), "{outcome:?}");
}

/// Threads write, read and remove different snapshots at the same time.
pub fn snapshots_are_written_and_read_by_several_threads<F: SnapshotStoreFactory>(factory: &mut F) {
    const THREADS: u64 = 4;
    let store = factory.open();
    thread::scope(|scope| {
        for thread in 1..=THREADS {
            let store = &store;
            scope.spawn(move || {
                for round in 0..10 {
                    let written = sample(1, round * THREADS + thread, 70_000);
                    write(store, &written, 9_000);
                    let mut reader = open(store, &written);
                    if round < 9 {
                        store.remove(written.metadata.last).expect("removes");
                    }
                    assert!(read_rest(&mut *reader, 8_000) == written.data, "its own data");
                }
            });
        }
    });
    let kept: Vec<_> = (37..=40).map(|index| sample(1, index, 70_000)).collect();
    assert_holds(&store, &kept.iter().collect::<Vec<_>>());
    drop(store);
    assert_holds(&factory.open(), &kept.iter().collect::<Vec<_>>());
}
