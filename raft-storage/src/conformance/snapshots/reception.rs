//! Rules about snapshots that another node sends.
#![allow(clippy::cast_possible_truncation, reason = "the samples are a few megabytes at most")]

use raft_core::ports::{SnapshotError, SnapshotStore, SnapshotWriter};

use super::SnapshotStoreFactory;
use super::samples::{SIZES, Sample, assert_holds, exists, sample, write, write_parts};

/// The largest part of the data that a reception may lose when its writer is dropped: what is
/// buffered.
const BUFFERED_BYTES_MAX: u64 = 1 << 20;

fn receive(store: &impl SnapshotStore, sample: &Sample) -> Box<dyn SnapshotWriter> {
    store.receive(&sample.metadata).expect("begins or continues")
}

/// A received snapshot of any size has the metadata and the data of its sender, before and after a
/// restart.
pub fn received_snapshot_is_that_of_its_sender<F: SnapshotStoreFactory>(factory: &mut F) {
    for size in SIZES {
        let store = factory.open();
        let sent = sample(2, 7, size);
        let mut writer = receive(&store, &sent);
        assert_eq!(writer.offset(), 0);
        write_parts(&mut *writer, &sent.data, 30_000);
        assert_eq!(writer.finish().expect("publishes"), sent.metadata);
        assert_holds(&store, &[&sent]);
        drop(store);
        assert_holds(&factory.open(), &[&sent]);
    }
}

/// A reception whose writer was dropped continues near its end, in the same process and after a
/// restart; only what was buffered is sent again. It never becomes a snapshot by itself.
pub fn interrupted_reception_continues_where_it_stopped<F: SnapshotStoreFactory>(factory: &mut F) {
    let mut store = factory.open();
    let sent = sample(2, 7, (4 << 20) + 5);
    let mut continued = 0;
    for (stop, restarts) in
        [(0, false), (1, false), (1_500_000, false), (2_600_000, true), (sent.data.len(), true)]
    {
        let mut writer = receive(&store, &sent);
        assert_eq!(writer.offset(), continued, "nothing is lost between two writers");
        write_parts(&mut *writer, &sent.data[..stop], 4_096);
        drop(writer);
        assert_holds(&store, &[]);
        if restarts {
            drop(store);
            store = factory.open();
            assert_holds(&store, &[]);
        }
        continued = receive(&store, &sent).offset();
        let kept = (stop as u64).saturating_sub(BUFFERED_BYTES_MAX)..=stop as u64;
        assert!(kept.contains(&continued), "{continued} of {stop} bytes");
    }
    let mut writer = receive(&store, &sent);
    write_parts(&mut *writer, &sent.data, 4_096);
    writer.finish().expect("publishes");
    assert_holds(&store, &[&sent]);
    drop(store);
    assert_holds(&factory.open(), &[&sent]);
}

/// A reception continues only that of the same metadata: data of another snapshot, or of other
/// bytes for the same entry, is removed.
pub fn reception_of_other_data_begins_anew<F: SnapshotStoreFactory>(factory: &mut F) {
    let store = factory.open();
    let sent = sample(2, 7, 3 << 20);
    for other in [sample(2, 8, 3 << 20), sample(2, 7, (3 << 20) + 1)] {
        let mut writer = receive(&store, &sent);
        assert_eq!(writer.offset(), 0, "was removed");
        write_parts(&mut *writer, &sent.data[..2 << 20], 50_000);
        drop(writer);
        let mut writer = receive(&store, &other);
        assert_eq!(writer.offset(), 0, "begins anew");
        write_parts(&mut *writer, &other.data[..2 << 20], 50_000);
        drop(writer);
    }
    let mut writer = receive(&store, &sent);
    write_parts(&mut *writer, &sent.data, 50_000);
    writer.finish().expect("publishes");
    assert_holds(&store, &[&sent]);
}

/// Data that is longer, shorter or other than its sender describes is refused and removed.
pub fn received_data_that_differs_from_its_description_is_refused<F: SnapshotStoreFactory>(
    factory: &mut F,
) {
    let store = factory.open();
    let sent = sample(2, 7, 200_000);
    let refused = |outcome: Result<(), SnapshotError>, name: &str| {
        assert!(matches!(outcome, Err(SnapshotError::Corrupt { .. })), "{name}: {outcome:?}");
        assert!(!exists(&store, &sent), "{name}");
        assert_eq!(receive(&store, &sent).offset(), 0, "{name}: the data is removed");
    };
    let mut writer = receive(&store, &sent);
    write_parts(&mut *writer, &sent.data, 50_000);
    let outcome = writer.write(&[0]);
    let later = writer.finish().map(|_| ());
    assert!(matches!(later, Err(SnapshotError::Invalid(_))), "after an error: {later:?}");
    refused(outcome, "too long");
    let mut writer = receive(&store, &sent);
    write_parts(&mut *writer, &sent.data[..199_999], 50_000);
    refused(writer.finish().map(|_| ()), "too short");
    for wrong in [0, 70_000, 199_999] {
        let mut writer = receive(&store, &sent);
        let mut data = sent.data.clone();
        data[wrong] ^= 0x40;
        write_parts(&mut *writer, &data, 50_000);
        refused(writer.finish().map(|_| ()), "another byte");
    }
    let mut writer = receive(&store, &sent);
    write_parts(&mut *writer, &sent.data, 50_000);
    writer.finish().expect("the data as described");
    assert_holds(&store, &[&sent]);
}

/// A reception does not affect complete snapshots, not even that of its own entry, until it is
/// complete itself.
pub fn reception_keeps_the_complete_snapshots<F: SnapshotStoreFactory>(factory: &mut F) {
    let mut store = factory.open();
    let (own, older) = (sample(2, 7, 90_000), sample(1, 3, 10));
    write(&store, &own, 4096);
    write(&store, &older, 4096);
    let sent = sample(2, 7, 200_000);
    for restarts in [false, true] {
        let mut writer = receive(&store, &sent);
        write_parts(&mut *writer, &sent.data, 4096);
        assert_holds(&store, &[&older, &own]);
        drop(writer);
        if restarts {
            drop(store);
            store = factory.open();
        }
        assert_holds(&store, &[&older, &own]);
    }
    let mut writer = receive(&store, &sent);
    write_parts(&mut *writer, &sent.data, 4096);
    writer.finish().expect("replaces");
    assert_holds(&store, &[&older, &sent]);
    drop(store);
    assert_holds(&factory.open(), &[&older, &sent]);
}
