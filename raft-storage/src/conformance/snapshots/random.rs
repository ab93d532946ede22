//! Random operations on snapshots, compared with a simple model.
#![allow(clippy::cast_possible_truncation, reason = "the samples are a few megabytes at most")]

use std::collections::BTreeMap;
use std::env;

use raft_core::ports::SnapshotStore;
use raft_core::{LogId, LogIndex, Prng};

use super::SnapshotStoreFactory;
use super::samples::{Sample, assert_holds, exists, sample, write, write_parts};
use crate::conformance::random::PrintSeedOnPanic;

const OPERATIONS: u32 = 120;

/// Random operations: snapshots that are finished or not, receptions in several parts, removals,
/// restarts. After each one the store equals the model. A failure prints the seed; the environment
/// variable `LOG_STORE_SEED` sets it.
pub fn any_sequence_of_snapshot_operations_matches_the_model<F: SnapshotStoreFactory>(
    factory: &mut F,
) {
    let given = env::var("LOG_STORE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or(0x5eed_0002);
    let seed_printer = PrintSeedOnPanic(seed);
    let mut generator = Prng::new(seed);
    let mut model: BTreeMap<LogId, Sample> = BTreeMap::new();
    let mut store = factory.open();
    for _ in 0..OPERATIONS {
        let chosen = sample(1, 1 + generator.below(4), generator.below(3) as usize * 90_000);
        let part = 1_000 + generator.below(100_000) as usize;
        match generator.below(8) {
            0 => {
                drop(store);
                store = factory.open();
            }
            1 => {
                store.remove(chosen.metadata.last).expect("removes");
                model.remove(&chosen.metadata.last);
            }
            2 => {
                let index = LogIndex(1 + generator.below(4));
                store.remove_before(index).expect("removes");
                model.retain(|last, _| last.index >= index);
            }
            3 => {
                write(&store, &chosen, part);
                model.insert(chosen.metadata.last, chosen);
            }
            _ => {
                let mut writer = store.receive(&chosen.metadata).expect("begins or continues");
                let begun = writer.offset() as usize;
                let stop = begun + generator.below((chosen.data.len() - begun) as u64 + 1) as usize;
                write_parts(&mut *writer, &chosen.data[..stop], part);
                if generator.below(2) == 0 {
                    write_parts(&mut *writer, &chosen.data, part);
                    assert_eq!(writer.finish().expect("publishes"), chosen.metadata);
                    model.insert(chosen.metadata.last, chosen);
                }
            }
        }
        assert_holds(&store, &model.values().collect::<Vec<_>>());
        for index in 1..=4 {
            let other = sample(1, index, 0);
            let expected = model.contains_key(&other.metadata.last);
            assert_eq!(exists(&store, &other), expected, "the snapshot up to {index}");
        }
    }
    drop(seed_printer);
}
