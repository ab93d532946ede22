//! Crashes of the machine: writes after the last sync may be lost.

use std::fs;
use std::path::{Path, PathBuf};

use raft_core::ports::StateMachine;
use raft_server::kv::state_machine::{
    Command, HashResult, KvOptions, KvStateMachine, QueryResultBody,
};

use super::store::{IDENTITY, OPTIONS, Store, put};

/// Copies the files of a store, as a crash would leave them.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("db")).unwrap();
    fs::copy(from.join("IDENTITY"), to.join("IDENTITY")).unwrap();
    for entry in fs::read_dir(from.join("db")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join("db").join(path.file_name().unwrap())).unwrap();
    }
}

fn newest_wal(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir.join("db")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "log")).max().unwrap()
}

fn hash_of(machine: &KvStateMachine) -> HashResult {
    match machine.reader().hash(None).unwrap().body {
        QueryResultBody::Hash(hash) => hash,
        other => panic!("no hash but {other:?}"),
    }
}

/// Wherever the write-ahead log is truncated, the store recovers the state of a flush with the
/// applied index of that flush: never a part of a batch.
#[test]
fn truncated_write_ahead_log_recovers_the_state_of_an_earlier_flush() {
    const BATCHES: u64 = 60;
    let seed = 99;
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    // Everything stays in one write-ahead log, so that a truncation can lose any batch.
    let options = KvOptions { write_buffer_bytes: 8 << 20, ..OPTIONS };
    let mut store = Store::with_options(options);
    let mut flushed = vec![(0, hash_of(store.machine()))];
    for batch in 0..BATCHES {
        for number in 0..rng.u64(1..5) {
            let op = put(&format!("{}", rng.u32(..8)), &format!("{batch}.{number}"));
            store.apply(&Command::without_session(op));
        }
        store.flush();
        flushed.push((store.commands().len() as u64, hash_of(store.machine())));
    }
    let mut applied_seen = Vec::new();
    for _ in 0..40 {
        let crashed = tempfile::tempdir().unwrap();
        copy(store.dir.path(), crashed.path());
        let wal = newest_wal(crashed.path());
        let length = fs::metadata(&wal).unwrap().len();
        let file = fs::OpenOptions::new().write(true).open(&wal).unwrap();
        file.set_len(rng.u64(..=length)).unwrap();
        drop(file);
        let mut machine = KvStateMachine::open(crashed.path(), IDENTITY, &options).unwrap();
        let applied = machine.applied().unwrap().get();
        let expected = flushed.iter().find(|(at, _)| *at == applied);
        let (_, expected) = expected.expect("the applied index is that of a flush");
        assert_eq!(hash_of(&machine), *expected, "applied {applied}");
        applied_seen.push(applied);
    }
    applied_seen.sort_unstable();
    applied_seen.dedup();
    assert!(applied_seen.len() > 10, "the truncations must differ: {applied_seen:?}");
}
