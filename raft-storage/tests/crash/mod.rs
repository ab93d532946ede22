//! The store on disk after a crash during a persist.

use std::fs::{self, OpenOptions};
use std::path::Path;

use raft_core::ports::{LogReset, LogStore};
use raft_core::{
    Entry, HardState, LogId, LogIndex, Membership, NodeId, Persist, PersistId, Recovered, Term,
};
use raft_storage::{MemLogStore, RocksLogStore, RocksOptions};
use tempfile::TempDir;

use crate::damage::write_ahead_log;
use crate::directory::{IDENTITY, copy_directory};

fn id(term: u64, index: u64) -> LogId {
    LogId::new(Term(term), LogIndex(index))
}

fn voters(voters: &[u64]) -> Membership {
    Membership::of_voters(voters.iter().copied().map(NodeId))
}

/// Appends entries of a term; the middle one is a membership.
fn append(term: u64, first: u64, last: u64) -> Persist {
    let entry = |index| {
        if index == first.midpoint(last) {
            Entry::membership(id(term, index), voters(&[1, index]))
        } else {
            Entry::command(id(term, index), format!("command {index} of term {term}").into())
        }
    };
    Persist {
        id: PersistId(1),
        hard_state: Some(HardState { term: Term(term), ..HardState::default() }),
        reset: None,
        truncate_from: None,
        entries: (first..=last).map(entry).collect(),
        broken: None,
    }
}

fn replace(term: u64, first: u64, last: u64) -> Persist {
    Persist { truncate_from: Some(LogIndex(first)), ..append(term, first, last) }
}

/// Resets the log before the rest of the change.
fn after_reset(base: LogId, keeps_later_entries: bool, change: Persist) -> Persist {
    let membership = (base.index.previous(), voters(&[1, 2, base.index.get() + 3]));
    Persist { reset: Some(LogReset { base, membership, keeps_later_entries }), ..change }
}

/// What a node finds when it starts: the recovered state, and all entries.
type Found = (Recovered, Vec<Entry>);

fn found(mut store: impl LogStore) -> Found {
    let recovered = store.recover().expect("recovers");
    let first = recovered.base.index.next();
    let entries = store.reader().read(first, LogIndex(u64::MAX), u64::MAX).expect("reads");
    (recovered, entries)
}

fn open(directory: &Path) -> RocksLogStore {
    RocksLogStore::open(directory, IDENTITY, RocksOptions::default()).expect("opens")
}

/// A crash leaves the state after some prefix of the persists, never a part of a persist: with
/// resets, truncations and appends in one persist too.
#[test]
fn crash_at_any_byte_leaves_the_state_after_whole_persists() {
    let bootstrap = LogReset {
        base: LogId::ORIGIN,
        membership: (LogIndex(0), voters(&[1, 2, 3])),
        keeps_later_entries: true,
    };
    let nothing = Persist { hard_state: None, ..append(1, 1, 0) };
    let history: [&[Persist]; 8] = [
        &[Persist { reset: Some(bootstrap), ..nothing }],
        &[append(1, 1, 12)],
        &[after_reset(id(1, 4), true, replace(2, 9, 10))],
        &[append(2, 11, 14), after_reset(id(2, 12), true, append(3, 15, 15))],
        &[after_reset(id(4, 13), false, append(4, 14, 14)), append(4, 15, 18)],
        &[after_reset(id(5, 40), false, append(5, 41, 44)), replace(6, 42, 43)],
        &[append(6, 44, 60), after_reset(id(6, 50), true, replace(7, 52, 53))],
        &[after_reset(id(7, 53), true, append(8, 54, 54))],
    ];
    let directory = TempDir::new().expect("a temporary directory");
    let (mut store, mut model) = (open(directory.path()), MemLogStore::new());
    store.recover().expect("recovers");
    let log = write_ahead_log(directory.path());
    let written_bytes = || fs::metadata(&log).expect("the write-ahead log").len();
    // The length of the write-ahead log after each persist, and the state then.
    let mut states = vec![(written_bytes(), found(model.restarted()))];
    for changes in history {
        store.persist(changes).expect("persists");
        model.persist(changes).expect("the model persists");
        states.push((written_bytes(), found(model.restarted())));
    }
    drop(store);
    for pair in states.windows(2) {
        let [(before_bytes, before), (after_bytes, after)] = pair else { unreachable!() };
        let middle = before_bytes.midpoint(*after_bytes);
        for cut in [*before_bytes, before_bytes + 5, middle, after_bytes - 1] {
            assert_eq!(found_after_cut(directory.path(), &log, cut), *before, "cut at {cut}");
        }
        assert_eq!(found_after_cut(directory.path(), &log, *after_bytes), *after);
    }
}

/// Opens a copy of the directory whose write-ahead log ends at this byte.
fn found_after_cut(directory: &Path, log: &Path, cut: u64) -> Found {
    let copy = TempDir::new().expect("a temporary directory");
    copy_directory(directory, copy.path());
    let log = copy.path().join(log.strip_prefix(directory).expect("a file of the directory"));
    OpenOptions::new().write(true).open(log).expect("opens").set_len(cut).expect("cuts");
    found(open(copy.path()))
}
