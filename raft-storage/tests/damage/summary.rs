//! The summary of the log: used only if it is right.

use std::slice::from_ref;

use raft_core::ports::{LogReset, LogStore, StoreError};
use raft_core::{
    Entry, LogId, LogIndex, Membership, NodeId, Payload, Persist, PersistId, Recovered, Term,
};
use raft_storage::{RocksLogStore, RocksOptions};
use tempfile::TempDir;

use super::{change_database, flip_in_record};
use crate::directory::IDENTITY;

/// The log is summarized every 16 KiB.
const OPTIONS: RocksOptions =
    RocksOptions { write_buffer_bytes: 64 << 10, record_bytes_max: 64 << 10 };

const ENTRIES: u64 = 100;

fn id(term: u64, index: u64) -> LogId {
    LogId::new(Term(term), LogIndex(index))
}

fn voters(nodes: &[u64]) -> Membership {
    Membership::of_voters(nodes.iter().copied().map(NodeId))
}

/// One entry of about a kilobyte; every tenth one is a membership.
fn append(term: u64, index: u64) -> Persist {
    let payload = if index % 10 == 3 {
        Payload::Membership(Box::new(voters(&[1, index])))
    } else {
        Payload::Command(vec![7; 1 << 10].into())
    };
    let hard_state = raft_core::HardState { term: Term(term), ..Default::default() };
    Persist {
        id: PersistId(1),
        hard_state: Some(hard_state),
        reset: None,
        truncate_from: None,
        entries: vec![Entry { id: id(term, index), payload }],
        broken: None,
    }
}

fn open(directory: &TempDir) -> (RocksLogStore, Result<Recovered, StoreError>) {
    let store = RocksLogStore::open(directory.path(), IDENTITY, OPTIONS);
    let mut store = store.expect("opens");
    let recovered = store.recover();
    (store, recovered)
}

fn recovered(directory: &TempDir) -> Recovered {
    open(directory).1.expect("recovers")
}

/// A log of entries with one record each.
fn long_log() -> TempDir {
    let directory = TempDir::new().expect("a temporary directory");
    let (mut store, _) = open(&directory);
    for index in 1..=ENTRIES {
        store.persist(&[append(1 + index / 40, index)]).expect("persists");
    }
    directory
}

fn summary(directory: &TempDir) -> Option<Vec<u8>> {
    let mut found = None;
    change_database(directory.path(), |db| found = db.get(b"summary").expect("reads"));
    found
}

fn set_summary(directory: &TempDir, summary: Option<&[u8]>) {
    change_database(directory.path(), |db| match summary {
        Some(bytes) => db.put(b"summary", bytes).expect("writes"),
        None => db.delete(b"summary").expect("deletes"),
    });
}

/// The recovery with the stored summary and that without one give the same result.
fn assert_summary_is_right(directory: &TempDir, name: &str) {
    let with = recovered(directory);
    let stored = summary(directory);
    set_summary(directory, None);
    assert_eq!(with, recovered(directory), "{name}");
    if let Some(stored) = stored {
        set_summary(directory, Some(&stored));
    }
}

#[test]
fn recovery_reads_only_the_entries_after_the_summary() {
    let directory = long_log();
    let sound = recovered(&directory);
    assert_eq!(sound.terms.last(), id(3, ENTRIES));
    flip_in_record(directory.path(), 5, 40);
    let (store, found) = open(&directory);
    assert_eq!(found.expect("does not read entry 5"), sound);
    let error = store.reader().read(LogIndex(5), LogIndex(5), 1).unwrap_err();
    assert!(error.to_string().contains("entry 5 is damaged"), "{error}");
    drop(store);
    flip_in_record(directory.path(), 5, 40);
    flip_in_record(directory.path(), ENTRIES, 40);
    let error = open(&directory).1.unwrap_err();
    assert!(error.to_string().contains("entry 100 is damaged"), "{error}");
}

#[test]
fn summary_is_right_after_every_kind_of_change() {
    let directory = long_log();
    assert_summary_is_right(&directory, "appends");
    let check = |name: &str, change: &dyn Fn(&mut RocksLogStore)| {
        change(&mut open(&directory).0);
        assert_summary_is_right(&directory, name);
    };
    check("a compaction", &|store| store.compact(id(1, 25)).expect("compacts"));
    let truncated = Persist { truncate_from: Some(LogIndex(50)), ..append(4, 50) };
    check("a truncation", &|store| store.persist(from_ref(&truncated)).expect("persists"));
    check("appends again", &|store| {
        for index in 51..=120 {
            store.persist(&[append(5, index)]).expect("persists");
        }
    });
    check("a compaction past a summary", &|store| store.compact(id(5, 119)).expect("compacts"));
    for (index, keeps_later_entries) in [(120, true), (150, false)] {
        let membership = (LogIndex(7), voters(&[7]));
        let reset = LogReset { base: id(5, index), membership, keeps_later_entries };
        let change = Persist { reset: Some(reset), ..append(6, index + 1) };
        check("a reset", &|store| store.persist(from_ref(&change)).expect("persists"));
        check("a compaction", &|store| store.compact(id(6, index + 1)).expect("compacts"));
    }
}

/// A release without summaries changes the log and leaves the summary as it is.
#[test]
fn summary_of_another_log_is_ignored() {
    let directory = long_log();
    let stale = summary(&directory).expect("a summary");
    for last in [50, ENTRIES + 20] {
        let mut store = open(&directory).0;
        let term = 4 + last;
        let first = Persist { truncate_from: Some(LogIndex(50)), ..append(term, 50) };
        store.persist(&[first]).expect("persists");
        for index in 51..=last {
            store.persist(&[append(term, index)]).expect("persists");
        }
        drop(store);
        set_summary(&directory, Some(&stale));
        assert_eq!(recovered(&directory).terms.last(), id(term, last));
        assert_summary_is_right(&directory, "a stale summary");
    }
}

#[test]
fn missing_or_damaged_summary_is_ignored_and_written_again() {
    let directory = long_log();
    let sound = recovered(&directory);
    let stored = summary(&directory).expect("a summary");
    let damaged = (0..stored.len()).step_by(3).map(|at| {
        let mut bytes = stored.clone();
        bytes[at] ^= 0x10;
        Some(bytes)
    });
    for summary in damaged.chain([None, Some(vec![])]) {
        set_summary(&directory, summary.as_deref());
        assert_eq!(recovered(&directory), sound);
    }
    set_summary(&directory, None);
    open(&directory).0.persist(&[append(3, ENTRIES + 1)]).expect("persists");
    assert!(summary(&directory).is_some(), "the first persist writes it again");
    assert_summary_is_right(&directory, "a new summary");
}
