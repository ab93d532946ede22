//! The store on disk with damaged, missing or foreign files.

mod summary;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use raft_core::ports::{LogStore, StoreError};
use raft_core::{
    BrokenMark, ClusterId, Entry, GroupId, HardState, Identity, Incarnation, LogId, LogIndex,
    NodeId, Persist, PersistId, Term,
};
use raft_storage::{FORMAT, OpenError, RocksLogStore, RocksOptions};
use rocksdb::{DB, Options};
use tempfile::TempDir;

use crate::directory::{IDENTITY, content};

fn open(directory: &Path) -> Result<RocksLogStore, OpenError> {
    RocksLogStore::open(directory, IDENTITY, RocksOptions::default())
}

fn recovered(directory: &Path) -> RocksLogStore {
    let mut store = open(directory).expect("opens");
    store.recover().expect("recovers");
    store
}

fn append(first: u64, last: u64) -> Persist {
    let entry = |index| {
        let id = LogId::new(Term(1), LogIndex(index));
        Entry::command(id, Bytes::from(format!("command number {index}")))
    };
    Persist {
        id: PersistId(1),
        hard_state: Some(HardState { term: Term(1), ..HardState::default() }),
        reset: None,
        truncate_from: None,
        entries: (first..=last).map(entry).collect(),
        broken: None,
    }
}

/// A closed data directory with entries 1 to 5 in one record and 6 in another.
fn written() -> TempDir {
    let directory = TempDir::new().expect("a temporary directory");
    let mut store = recovered(directory.path());
    store.persist(&[append(1, 5)]).expect("persists");
    store.persist(&[append(6, 6)]).expect("persists");
    directory
}

/// Opens the database without the store, changes it, and closes it.
fn change_database(directory: &Path, change: impl FnOnce(&DB)) {
    let db = DB::open_cf(&Options::default(), directory.join("db"), ["default", "log"]);
    change(&db.expect("the database opens"));
}

fn flip_in_record(directory: &Path, first: u64, byte: usize) {
    change_database(directory, |db| {
        let family = db.cf_handle("log").expect("the log's column family");
        let mut record = db.get_cf(family, first.to_be_bytes()).unwrap().expect("the record");
        record[byte] ^= 0x10;
        db.put_cf(family, first.to_be_bytes(), record).unwrap();
    });
}

/// The newest write-ahead log file that is not empty.
pub(crate) fn write_ahead_log(directory: &Path) -> PathBuf {
    let files = fs::read_dir(directory.join("db")).expect("the database's directory");
    let files = files.map(|file| file.expect("a file").path());
    let logs = files.filter(|path| path.extension().is_some_and(|end| end == "log"));
    logs.filter(|path| fs::metadata(path).unwrap().len() > 0).max().expect("a write-ahead log")
}

#[test]
fn flipped_bit_in_an_entry_fails_the_recovery_and_names_the_entry() {
    // Record header 8 bytes, frame header 17; the third entry of the first record.
    let frame_bytes = 17 + "command number 1".len();
    for byte in [8 + 2 * frame_bytes + 17 + 3, 8 + 2 * frame_bytes + 9] {
        let directory = written();
        flip_in_record(directory.path(), 1, byte);
        let error = open(directory.path()).expect("opens").recover().unwrap_err().to_string();
        assert!(error.contains("entry 3 is damaged: its checksum does not match"), "{error}");
        assert!(error.contains("join as a new incarnation"), "states what to do: {error}");
    }
}

#[test]
fn damaged_entry_is_never_returned() {
    let directory = written();
    let mut store = recovered(directory.path());
    let mut reader = store.reader();
    let sound = reader.read(LogIndex(1), LogIndex(6), u64::MAX).expect("reads");
    assert_eq!(sound.len(), 6);
    store.persist(&[append(7, 9)]).expect("persists");
    drop((store, reader));
    flip_in_record(directory.path(), 7, 40);
    // Not recovered: the reader has nothing but its own checks.
    let mut reader = open(directory.path()).expect("opens").reader();
    let sound = reader.read(LogIndex(1), LogIndex(6), u64::MAX).expect("the rest is sound");
    assert_eq!(sound.len(), 6);
    let error = reader.read(LogIndex(5), LogIndex(9), u64::MAX).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("entry 7"), "{error}");
}

#[test]
fn lost_record_is_reported_as_a_gap() {
    let directory = written();
    recovered(directory.path()).persist(&[append(7, 9)]).expect("persists");
    change_database(directory.path(), |db| {
        db.delete_cf(db.cf_handle("log").unwrap(), 6_u64.to_be_bytes()).unwrap();
    });
    let mut store = open(directory.path()).expect("opens");
    let error = store.recover().unwrap_err().to_string();
    assert!(error.contains("entry 6 is missing, the next one is 7"), "{error}");
    let error = store.reader().read(LogIndex(6), LogIndex(9), u64::MAX).unwrap_err().to_string();
    assert!(error.contains("entry 6 is missing, the next one is 7"), "{error}");
}

#[test]
fn lost_first_record_is_reported_as_a_gap() {
    let directory = written();
    change_database(directory.path(), |db| {
        db.delete_cf(db.cf_handle("log").unwrap(), 1_u64.to_be_bytes()).unwrap();
    });
    let error = open(directory.path()).expect("opens").recover().unwrap_err().to_string();
    assert!(error.contains("entry 1 is missing, the next one is 6"), "{error}");
}

#[test]
fn lost_tail_below_the_commit_index_is_detected() {
    let directory = written();
    let mut store = recovered(directory.path());
    let hard_state = HardState { term: Term(1), voted_for: None, commit: LogIndex(6) };
    let change = Persist { entries: vec![], hard_state: Some(hard_state), ..append(1, 1) };
    store.persist(&[change]).expect("persists");
    drop(store);
    change_database(directory.path(), |db| {
        db.delete_cf(db.cf_handle("log").unwrap(), 6_u64.to_be_bytes()).unwrap();
    });
    let error = open(directory.path()).expect("opens").recover().unwrap_err().to_string();
    assert!(error.contains("the commit index is 6, but the last entry is 5@1"), "{error}");
}

#[test]
fn flipped_bit_in_the_hard_state_fails_the_recovery() {
    let directory = written();
    change_database(directory.path(), |db| {
        let mut record = db.get(b"hard_state").unwrap().expect("the hard state");
        record[4] ^= 1;
        db.put(b"hard_state", record).unwrap();
    });
    let error = open(directory.path()).expect("opens").recover().unwrap_err().to_string();
    assert!(error.contains("the record `hard_state` is damaged"), "{error}");
    assert!(error.contains("join as a new incarnation"), "states what to do: {error}");
}

#[test]
fn log_of_another_node_is_refused_with_both_names_and_not_changed() {
    let directory = written();
    let before = content(directory.path());
    let others = [
        (Identity { cluster: ClusterId(0xc2), ..IDENTITY }, "000000c2"),
        (Identity { group: GroupId(9), ..IDENTITY }, "group 9"),
        (Identity { node: NodeId(2), ..IDENTITY }, "node 2"),
        (Identity { incarnation: Incarnation(4), ..IDENTITY }, "incarnation 4"),
    ];
    for (other, named) in others {
        let error =
            RocksLogStore::open(directory.path(), other, RocksOptions::default()).unwrap_err();
        assert!(matches!(error, OpenError::OtherIdentity { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains("holds the log of node 1 (incarnation 1)"), "{error}");
        assert!(error.contains(named), "{error}");
    }
    assert_eq!(content(directory.path()), before, "nothing was written");
    assert_eq!(RocksLogStore::identity_of(directory.path()).unwrap(), Some(IDENTITY));
}

#[test]
fn database_moved_from_another_directory_is_refused() {
    let (directory, other) = (written(), TempDir::new().expect("a temporary directory"));
    let identity = Identity { node: NodeId(2), ..IDENTITY };
    let made = RocksLogStore::open(other.path(), identity, RocksOptions::default());
    drop(made.expect("opens"));
    fs::remove_dir_all(directory.path().join("db")).unwrap();
    fs::rename(other.path().join("db"), directory.path().join("db")).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::OtherIdentity { .. }), "{error}");
}

/// Rewrites the format in the identity file, as another release would have written it.
fn set_format(directory: &Path, format: u32) {
    let path = directory.join("IDENTITY");
    let found = format!("raft-log {FORMAT}");
    let other = format!("raft-log {format}");
    fs::write(&path, fs::read_to_string(&path).unwrap().replacen(&found, &other, 1)).unwrap();
}

#[test]
fn other_formats_are_refused_with_both_numbers_and_nothing_is_written() {
    for format in [FORMAT - 1, FORMAT + 1] {
        let directory = written();
        set_format(directory.path(), format);
        let before = content(directory.path());
        let error = open(directory.path()).unwrap_err();
        let is_reported = if format > FORMAT {
            matches!(error, OpenError::NewerFormat { supported: FORMAT, .. })
        } else {
            matches!(error, OpenError::OlderFormat { supported: FORMAT, .. })
        };
        assert!(is_reported, "{error}");
        let error = error.to_string();
        for number in [format, FORMAT] {
            assert!(error.contains(&format!("format {number}")), "{error}");
        }
        assert!(error.contains("run the release that wrote it"), "states what to do: {error}");
        assert_eq!(content(directory.path()), before, "nothing was written");
    }
}

#[test]
fn damaged_identity_is_refused() {
    let directory = written();
    let path = directory.path().join("IDENTITY");
    let damaged = fs::read_to_string(&path).unwrap().replace("node 1", "node 3");
    fs::write(&path, damaged).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("checksum"), "{error}");
}

#[test]
fn directory_without_its_database_or_identity_is_refused() {
    let directory = written();
    fs::remove_dir_all(directory.path().join("db")).unwrap();
    let error = open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("the database is missing"), "{error}");
    assert!(error.contains("join as a new incarnation"), "states what to do: {error}");
    assert!(!directory.path().join("db").exists(), "nothing was made in its place");

    let directory = written();
    fs::remove_file(directory.path().join("IDENTITY")).unwrap();
    let error = open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("no identity file"), "{error}");
}

#[test]
fn interrupted_creation_of_a_directory_is_completed() {
    // Interrupted after the identity file was written in the state `creating`, and before it was
    // written in the state `ready`.
    let whole = TempDir::new().expect("a temporary directory");
    drop(open(whole.path()).expect("opens"));
    let ready = fs::read_to_string(whole.path().join("IDENTITY")).unwrap();
    let body = ready.replace("state ready", "state creating");
    let body = body.split_inclusive('\n').take(6).collect::<String>();
    let creating = format!("{body}crc32c {:08x}\n", crc32c::crc32c(body.as_bytes()));
    for with_database in [false, true] {
        let directory = TempDir::new().expect("a temporary directory");
        if with_database {
            drop(open(directory.path()).expect("opens"));
        }
        fs::write(directory.path().join("IDENTITY"), &creating).unwrap();
        recovered(directory.path()).persist(&[append(1, 1)]).expect("persists");
        assert_eq!(fs::read_to_string(directory.path().join("IDENTITY")).unwrap(), ready);
    }
}

#[test]
fn locked_directory_is_refused_with_the_process_that_holds_it() {
    let directory = TempDir::new().expect("a temporary directory");
    let store = open(directory.path()).expect("opens");
    let error = open(directory.path()).unwrap_err();
    let path = directory.path().join("LOCK");
    let own = std::process::id();
    assert!(
        matches!(&error, OpenError::Locked { path: found, pid: Some(pid) } if *found == path && *pid == own),
        "{error}"
    );
    let error = error.to_string();
    assert!(error.contains(&format!("process {own}")), "{error}");
    assert!(error.contains(&path.display().to_string()), "{error}");
    // A reader may outlive the store, and reads from the open database.
    let reader = store.reader();
    drop(store);
    assert!(matches!(open(directory.path()), Err(OpenError::Locked { .. })), "a reader is left");
    drop(reader);
    open(directory.path()).expect("free again");
}

#[test]
fn unusable_directory_is_named_with_the_reason() {
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let inside = file.join("data");
    let error = open(&inside).unwrap_err().to_string();
    assert!(error.contains(&inside.display().to_string()), "{error}");
    assert!(error.contains("os error"), "{error}");

    // Neither the administrator may open a directory as a file.
    let blocked = directory.path().join("blocked");
    fs::create_dir_all(blocked.join("LOCK")).unwrap();
    let error = open(&blocked).unwrap_err().to_string();
    assert!(error.contains(&blocked.join("LOCK").display().to_string()), "{error}");
    assert!(error.contains("os error"), "{error}");
}

#[test]
fn incomplete_final_write_is_ignored_as_a_whole() {
    let directory = written();
    let log = write_ahead_log(directory.path());
    let length = fs::metadata(&log).unwrap().len();
    OpenOptions::new().write(true).open(&log).unwrap().set_len(length - 3).unwrap();
    let mut store = open(directory.path()).expect("an incomplete final record is ignored");
    let recovered = store.recover().expect("recovers");
    assert_eq!(recovered.terms.last(), LogId::new(Term(1), LogIndex(5)));
    store.persist(&[append(6, 7)]).expect("goes on");
    assert_eq!(store.reader().read(LogIndex(1), LogIndex(9), u64::MAX).unwrap().len(), 7);
}

#[test]
fn damage_before_the_final_record_fails_the_opening() {
    let directory = written();
    let log = write_ahead_log(directory.path());
    let mut bytes = fs::read(&log).unwrap();
    let command = b"command number 2";
    let at = bytes.windows(command.len()).position(|window| window == command).expect("entry 2");
    bytes[at] ^= 1;
    fs::write(&log, bytes).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::Database { .. }), "{error}");
    assert!(error.to_string().contains("Corruption"), "{error}");
}

#[test]
fn broken_mark_is_kept_until_an_operator_removes_it() {
    let directory = written();
    let mark = BrokenMark { index: LogIndex(4), reason: "division by zero".to_owned() };
    let change = Persist { entries: vec![], broken: Some(mark.clone()), ..append(1, 1) };
    recovered(directory.path()).persist(&[change]).expect("persists");
    for _ in 0..2 {
        let found = open(directory.path()).unwrap().recover().unwrap().broken;
        assert_eq!(found, Some(mark.clone()));
    }
    let store = open(directory.path()).unwrap();
    let error = RocksLogStore::mark_fixed(directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "not under a running node: {error}");
    drop(store);
    assert_eq!(RocksLogStore::mark_fixed(directory.path()).unwrap(), Some(mark));
    assert_eq!(RocksLogStore::mark_fixed(directory.path()).unwrap(), None);
    assert_eq!(open(directory.path()).unwrap().recover().unwrap().broken, None);
}

#[test]
fn mark_fixed_does_not_create_a_log() {
    let directory = TempDir::new().expect("a temporary directory");
    RocksLogStore::mark_fixed(directory.path()).unwrap_err();
    assert_eq!(content(directory.path()), BTreeMap::new());
    assert_eq!(RocksLogStore::identity_of(directory.path()).unwrap(), None);
}

#[test]
fn compaction_frees_disk_space() {
    let directory = TempDir::new().expect("a temporary directory");
    let options = RocksOptions { write_buffer_bytes: 256 << 10, ..RocksOptions::default() };
    let mut store = RocksLogStore::open(directory.path(), IDENTITY, options).expect("opens");
    store.recover().expect("recovers");
    let bytes_on_disk = || {
        let files = fs::read_dir(directory.path().join("db")).expect("the database's directory");
        // The database removes files meanwhile: a removed file takes no space.
        let sizes = files.filter_map(|file| file.ok()?.metadata().ok());
        sizes.map(|metadata| metadata.len()).sum::<u64>()
    };
    let mut written_bytes = 0;
    let mut most_bytes = 0;
    for round in 0..60_u64 {
        let entries: Vec<_> = (round * 50 + 1..=round * 50 + 50)
            .map(|index| {
                let id = LogId::new(Term(1), LogIndex(index));
                Entry::command(id, Bytes::from(vec![7; 8 << 10]))
            })
            .collect();
        written_bytes += entries.len() as u64 * (8 << 10);
        store.persist(&[Persist { entries, ..append(1, 1) }]).expect("persists");
        store.compact(LogId::new(Term(1), LogIndex(round * 50 + 40))).expect("compacts");
        most_bytes = most_bytes.max(bytes_on_disk());
    }
    // Files in flight, files of the first level, write-ahead logs: a few buffers' worth.
    assert!(most_bytes < written_bytes / 2, "{most_bytes} on disk of {written_bytes} written");
    drop(store);
    let mut store = RocksLogStore::open(directory.path(), IDENTITY, options).expect("opens");
    let recovered = store.recover().expect("recovers");
    assert_eq!(recovered.base, LogId::new(Term(1), LogIndex(59 * 50 + 40)));
    assert_eq!(recovered.terms.last(), LogId::new(Term(1), LogIndex(3000)));
}
