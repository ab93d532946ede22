//! What a data folder may have suffered, and what the store says of it.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use raft_core::ports::{LogStore, StoreError};
use raft_core::{
    Broken, ClusterId, Entry, GroupId, HardState, Identity, Incarnation, LogId, LogIndex, NodeId,
    Persist, PersistId, Term,
};
use raft_storage::{OpenError, RocksLogStore, RocksOptions};
use rocksdb::{DB, IteratorMode, Options};
use tempfile::TempDir;

const OWNER: Identity = Identity {
    cluster: ClusterId(0xc1),
    group: GroupId(0),
    node: NodeId(1),
    incarnation: Incarnation(1),
};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A folder with a log of five entries, and a vote.
    fn with_log() -> Self {
        let folder = Self::new();
        let mut store = folder.open().unwrap();
        store.recover().unwrap();
        store.persist(&[five_entries()]).unwrap();
        folder
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("log")
    }

    fn open(&self) -> Result<RocksLogStore, OpenError> {
        RocksLogStore::open(self.path(), OWNER, RocksOptions::default())
    }

    /// Changes the stored records behind the store's back.
    fn tamper(&self, family: &str, change: impl Fn(&mut Vec<u8>)) {
        let db =
            DB::open_cf(&Options::default(), self.path().join("db"), ["default", "log"]).unwrap();
        let handle = db.cf_handle(family).unwrap();
        let records: Vec<_> =
            db.iterator_cf(handle, IteratorMode::Start).map(Result::unwrap).collect();
        assert!(!records.is_empty());
        for (key, value) in records {
            let mut value = value.to_vec();
            change(&mut value);
            db.put_cf(handle, key, value).unwrap();
        }
    }
}

fn five_entries() -> Persist {
    let command = |index: u64| {
        let id = LogId::new(Term(1), LogIndex(index));
        Entry::command(id, Bytes::from(format!("<command {index}>")))
    };
    let hard_state = HardState { term: Term(1), voted_for: Some(NodeId(2)), commit: LogIndex(0) };
    Persist {
        id: PersistId(1),
        hard_state: Some(hard_state),
        truncate_from: None,
        entries: (1..=5).map(command).collect(),
        broken: None,
    }
}

fn replace_once(value: &mut [u8], from: &[u8], to: &[u8]) {
    if let Some(at) = value.windows(from.len()).position(|window| window == from) {
        value[at..at + to.len()].copy_from_slice(to);
    }
}

/// Everything an error says, sources included.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

#[test]
fn a_flipped_byte_in_an_entry_is_found_and_never_served() {
    let folder = Folder::with_log();
    folder.tamper("log", |value| replace_once(value, b"<command 3>", b"<cOmmand 3>"));
    let mut store = folder.open().unwrap();
    let recovered = store.recover();
    let error = match recovered {
        Err(error) => error,
        // Recovery need not read every payload; reading must.
        Ok(_) => store.reader().read(LogIndex(1), LogIndex(5), u64::MAX).unwrap_err(),
    };
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert!(told(&error).contains('3'), "names the entry: {}", told(&error));
}

#[test]
fn a_flipped_bit_in_the_vote_keeps_the_node_from_starting() {
    let folder = Folder::with_log();
    folder.tamper("default", |value| {
        if let Some(last) = value.last_mut() {
            *last ^= 1;
        }
    });
    let error = match folder.open() {
        Err(error) => told(&error),
        Ok(mut store) => told(&store.recover().unwrap_err()),
    };
    assert!(error.contains("checksum"), "{error}");
    assert!(error.contains("new incarnation"), "says how to go on: {error}");
}

#[test]
fn the_folder_of_another_node_or_cluster_is_refused_with_both_names() {
    let folder = Folder::with_log();
    let others = [
        Identity { node: NodeId(2), ..OWNER },
        Identity { cluster: ClusterId(0xc2), ..OWNER },
        Identity { incarnation: Incarnation(2), ..OWNER },
    ];
    for other in others {
        let error = RocksLogStore::open(folder.path(), other, RocksOptions::default()).unwrap_err();
        let text = told(&error);
        assert!(matches!(error, OpenError::OtherIdentity { .. }), "{text}");
        assert!(text.contains("node 1 (incarnation 1)"), "{text}");
    }
    folder.open().expect("nothing was changed");
}

#[test]
fn a_second_store_on_the_folder_is_refused_and_told_the_process() {
    let folder = Folder::with_log();
    let store = folder.open().unwrap();
    let reader = store.reader();
    let pid = format!("process {}", std::process::id());
    let refused = told(&folder.open().unwrap_err());
    assert!(refused.contains(&pid), "{refused}");
    drop(store);
    assert!(folder.open().is_err(), "a reader still uses the folder");
    drop(reader);
    folder.open().expect("free again");
}

#[test]
fn a_newer_format_is_refused_without_a_write() {
    let folder = Folder::with_log();
    let identity = folder.path().join("IDENTITY");
    let text = fs::read_to_string(&identity).unwrap();
    let newer = text.replacen(&raft_storage::FORMAT.to_string(), "99", 1);
    assert_ne!(text, newer);
    fs::write(&identity, &newer).unwrap();
    let before = listing(&folder.path());
    let error = folder.open().unwrap_err();
    assert!(matches!(error, OpenError::NewerFormat { found: 99, .. }), "{}", told(&error));
    assert_eq!(listing(&folder.path()), before);
}

/// Names, sizes and contents' lengths of everything in a folder.
fn listing(path: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for item in fs::read_dir(path).unwrap().map(Result::unwrap) {
        let metadata = item.metadata().unwrap();
        if metadata.is_dir() {
            found.extend(listing(&item.path()));
        } else {
            found.push((item.path(), metadata.len()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_folder_that_lost_its_database_is_refused() {
    let folder = Folder::with_log();
    fs::remove_dir_all(folder.path().join("db")).unwrap();
    let error = told(&folder.open().unwrap_err());
    assert!(error.contains("the database is gone"), "{error}");
}

#[test]
fn a_path_that_cannot_be_a_folder_is_named() {
    let folder = Folder::new();
    let file = folder.0.path().join("a-file");
    fs::write(&file, "in the way").unwrap();
    let error =
        told(&RocksLogStore::open(file.join("log"), OWNER, RocksOptions::default()).unwrap_err());
    assert!(error.contains("a-file"), "{error}");
}

#[test]
fn a_broken_mark_stays_until_it_is_marked_fixed() {
    let folder = Folder::with_log();
    let broken = Broken { index: LogIndex(3), reason: "no such account".to_owned() };
    let mut store = folder.open().unwrap();
    store.recover().unwrap();
    let mark = Persist {
        id: PersistId(2),
        hard_state: None,
        truncate_from: None,
        entries: Vec::new(),
        broken: Some(broken.clone()),
    };
    store.persist(&[mark]).unwrap();
    drop(store);
    for _ in 0..2 {
        assert_eq!(folder.open().unwrap().recover().unwrap().broken, Some(broken.clone()));
    }
    assert_eq!(RocksLogStore::mark_fixed(folder.path()).unwrap(), Some(broken));
    assert_eq!(folder.open().unwrap().recover().unwrap().broken, None);
    assert_eq!(RocksLogStore::mark_fixed(folder.path()).unwrap(), None);
}

#[test]
fn a_store_that_failed_refuses_everything_after() {
    let folder = Folder::with_log();
    let mut store = folder.open().unwrap();
    store.recover().unwrap();
    assert!(store.persist(&[five_entries()]).is_err(), "the log already holds them");
    let again = Persist { entries: Vec::new(), ..five_entries() };
    assert!(matches!(store.persist(&[again]), Err(StoreError::Poisoned(_))));
    let read = store.reader().read(LogIndex(1), LogIndex(1), 1);
    assert!(matches!(read, Err(StoreError::Poisoned(_))));
}

/// The write-ahead log of the database that was written last.
fn write_ahead_log(folder: &Folder) -> PathBuf {
    let logs = listing(&folder.path().join("db")).into_iter().filter(|(path, length)| {
        *length > 0 && path.extension().is_some_and(|extension| extension == "log")
    });
    logs.map(|(path, _)| path).next_back().expect("writes that were not flushed")
}

#[test]
fn a_torn_tail_of_the_write_ahead_log_is_forgiven() {
    let folder = Folder::with_log();
    let path = write_ahead_log(&folder);
    let mut bytes = fs::read(&path).unwrap();
    // A record header that announces more than follows: a write that a power cut ended.
    bytes.extend([0xde, 0xad, 0xbe, 0xef, 0xff, 0x00, 0x01, 0x07]);
    fs::write(&path, bytes).unwrap();
    let recovered = folder.open().unwrap().recover().unwrap();
    assert_eq!(recovered.terms.last().index, LogIndex(5));
    assert_eq!(recovered.hard_state.voted_for, Some(NodeId(2)));
}

#[test]
fn damage_before_the_tail_is_refused() {
    let folder = Folder::with_log();
    let mut store = folder.open().unwrap();
    store.recover().unwrap();
    let next = Entry::empty(LogId::new(Term(1), LogIndex(6)));
    let change = Persist { entries: vec![next], id: PersistId(2), ..five_entries() };
    store.persist(&[change]).unwrap();
    let more = Entry::empty(LogId::new(Term(1), LogIndex(7)));
    let change = Persist { entries: vec![more], id: PersistId(3), ..five_entries() };
    store.persist(&[change]).unwrap();
    drop(store);
    let path = write_ahead_log(&folder);
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 0xff;
    fs::write(&path, bytes).unwrap();
    let outcome = folder.open().map(|mut store| store.recover());
    assert!(!matches!(outcome, Ok(Ok(_))), "synced writes are gone: {outcome:?}");
}
