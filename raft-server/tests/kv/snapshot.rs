//! Captured states of the store, and restores.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use raft_core::ports::{StateMachine, StorageFailure};
use raft_core::{ClusterId, GroupId, Identity, LogId, LogIndex, NodeId, Term};
use raft_server::kv::state_machine::{
    Command, KeyRange, KvStateMachine, Op, OpenError, QueryResultBody, RangeRequest, Revision,
};

use super::store::{IDENTITY, OPTIONS, Store, bytes, delete, key, put};

const BYTES_MAX: usize = 64 << 20;

/// A store with keys, superseded versions and sessions.
fn filled(commands: u64) -> Store {
    let mut store = Store::new();
    for number in 0..commands {
        store.run(put(&format!("k{}", number % 10), &format!("value {number}")));
    }
    store.open_session();
    store.run(delete(KeyRange::Key(bytes("k3"))));
    store
}

fn last(store: &Store) -> LogId {
    LogId::new(Term(1), LogIndex(store.commands().len() as u64))
}

fn capture(store: &mut Store) -> Bytes {
    Bytes::from(store.machine().capture().unwrap().read_to_end(BYTES_MAX).unwrap())
}

fn restore(store: &mut Store, at: LogId, bytes: &Bytes) -> Result<(), StorageFailure> {
    store.machine().restore(at, &mut bytes.clone())
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Nodes divide the log into other batches and remove superseded versions at other times. A
/// follower may then continue a transfer from another node.
#[test]
fn nodes_capture_the_same_bytes_at_the_same_entry() {
    let (mut one, mut other) = (Store::new(), Store::new());
    for number in 0..300 {
        let op = match number {
            250 => Op::Compact(Revision(200)),
            _ => put(&format!("k{}", number % 7), &format!("value {number}")),
        };
        one.apply(&Command::without_session(op.clone()));
        other.run(op);
    }
    one.flush();
    let reader = other.machine().reader();
    while reader.swept_revision() < Revision(200) {
        std::thread::yield_now();
    }
    assert_eq!(capture(&mut one), capture(&mut other));
}

/// A state larger than a frame is read with a bounded memory, and restored completely.
#[test]
fn large_state_is_restored() {
    let mut store = Store::new();
    for number in 0..40 {
        let length = 1 + number * 6_000;
        store.run(put(&format!("k{number}"), &"v".repeat(length)));
    }
    // One record that is larger than a frame.
    store.run(put("large", &"v".repeat(2 << 20)));
    let captured = capture(&mut store);
    assert!(captured.len() > 6 << 20, "{} bytes are too few frames", captured.len());
    let mut restored = Store::new();
    restore(&mut restored, last(&store), &captured).unwrap();
    assert_eq!(restored.hash(None), store.hash(None));
    assert_eq!(capture(&mut restored), captured);
}

/// The order in which sessions are evicted is part of the state.
#[test]
fn restored_sessions_are_evicted_in_the_same_order() {
    let mut store = Store::new();
    let sessions = store.fill_sessions(1);
    store.run_in(sessions[0], 1, put("a", "1"));
    let captured = capture(&mut store);
    let at = last(&store);
    let mut restored = Store::new();
    restore(&mut restored, at, &captured).unwrap();
    let mut index = at.index;
    for _ in 0..3 {
        index = index.next();
        let id = LogId::new(Term(1), index);
        let open = Command::without_session(Op::OpenSession).encode();
        let output = restored.machine().apply(id, &open).unwrap();
        assert_eq!(store.machine().apply(id, &open).unwrap(), output);
        store.machine().flush(id).unwrap();
        restored.machine().flush(id).unwrap();
    }
    assert!(capture(&mut store) == capture(&mut restored), "the sessions differ");
}

/// The client API gets its reader before the node starts, and keeps it.
#[test]
fn readers_see_the_restored_state() {
    let mut source = filled(60);
    let captured = capture(&mut source);
    let mut store = Store::new();
    store.run(put("old", "1"));
    let reader = store.machine().reader();
    let old = RangeRequest::new(key("old"));
    assert!(reader.range_in_memory(&old).unwrap().is_some());
    restore(&mut store, last(&source), &captured).unwrap();
    assert_eq!(reader.revision(), source.machine().reader().revision());
    for request in [old, RangeRequest::new(key("k4")), RangeRequest::new(KeyRange::all())] {
        let expected = source.machine().reader().range(&request).unwrap();
        assert_eq!(reader.range(&request).unwrap(), expected);
        if let Some(found) = reader.range_in_memory(&request).unwrap() {
            assert_eq!(found, expected);
        }
    }
    assert_eq!(reader.hash(None).unwrap(), source.machine().reader().hash(None).unwrap());
}

/// While the state is replaced, every read is of the old state or of the new one.
#[test]
fn reads_during_a_restore_are_never_a_mixture() {
    let states = [10_u64, 20].map(|count| {
        let mut store = Store::new();
        for number in 0..count {
            store.apply(&Command::without_session(put(&format!("k{number}"), &count.to_string())));
        }
        store.flush();
        (last(&store), capture(&mut store))
    });
    let mut store = Store::new();
    restore(&mut store, states[0].0, &states[0].1).unwrap();
    let reader = store.machine().reader();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let read = || {
            let request = RangeRequest::new(KeyRange::all());
            let mut reads = 0_u64;
            while !done.load(Ordering::Acquire) || reads == 0 {
                let found = reader.range(&request).unwrap();
                let QueryResultBody::Range(range) = found.body else { panic!("{found:?}") };
                let count = range.kvs.len();
                assert_eq!(found.revision.get(), count as u64, "revision and keys differ");
                let value = bytes(&count.to_string());
                assert!(range.kvs.iter().all(|kv| kv.value == value), "{:?}", range.kvs);
                reads += 1;
            }
        };
        let readers = [scope.spawn(read), scope.spawn(read)];
        for (at, captured) in [&states[1], &states[0], &states[1]] {
            restore(&mut store, *at, captured).unwrap();
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

/// A restore and a capture leave no other directory behind, and a restart finds the new state.
#[test]
fn restored_store_reopens_without_the_replaced_database() {
    let mut source = filled(60);
    let captured = capture(&mut source);
    assert_eq!(names(source.dir.path()), ["IDENTITY", "LOCK", "db"]);
    let mut store = Store::new();
    store.run(put("old", "1"));
    restore(&mut store, last(&source), &captured).unwrap();
    assert_eq!(names(store.dir.path()), ["DATABASE", "IDENTITY", "LOCK", "db-1"]);
    restore(&mut store, last(&source), &captured).unwrap();
    assert_eq!(names(store.dir.path()), ["DATABASE", "IDENTITY", "LOCK", "db-2"]);
    store.close();
    store.open();
    assert_eq!(store.applied(), last(&source).index);
    assert_eq!(store.hash(None), source.hash(None));
    assert_eq!(store.machine().durable_applied().unwrap(), last(&source).index);
}

/// The directories of a capture and of a restore that a crash interrupted are removed. Files of
/// others stay.
#[test]
fn remainders_of_a_crash_are_removed_at_the_next_start() {
    let mut store = Store::new();
    store.run(put("a", "1"));
    let source = store.machine().capture().unwrap();
    assert!(names(store.dir.path()).contains(&"capture-1".to_owned()));
    // It is never dropped, so the store stays locked: the crash is that of a copy.
    let _ = Box::leak(source);
    let crashed = tempfile::tempdir().unwrap();
    store.close();
    copy(store.dir.path(), crashed.path());
    copy(&store.dir.path().join("db"), &crashed.path().join("db-1"));
    fs::create_dir(crashed.path().join("mine")).unwrap();
    let mut machine = KvStateMachine::open(crashed.path(), IDENTITY, &OPTIONS).unwrap();
    assert_eq!(machine.applied().unwrap(), LogIndex(1));
    assert_eq!(names(crashed.path()), ["IDENTITY", "LOCK", "db", "mine"]);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Without its database a store would be empty, although its log is compacted.
#[test]
fn damaged_pointer_to_the_database_is_refused() {
    let mut source = filled(10);
    let mut store = Store::new();
    restore(&mut store, last(&source), &capture(&mut source)).unwrap();
    store.close();
    let pointer = store.dir.path().join("DATABASE");
    let text = fs::read_to_string(&pointer).unwrap();
    for damage in [&b"nonsense"[..], b"", b"db-1\n", b"db\ncrc32c 00000000\n"] {
        fs::write(&pointer, damage).unwrap();
        expect_damaged(&store);
    }
    fs::remove_file(&pointer).unwrap();
    expect_damaged(&store);
    fs::write(&pointer, &text).unwrap();
    let database = store.dir.path().join("db-1");
    fs::rename(&database, store.dir.path().join("other")).unwrap();
    expect_damaged(&store);
    fs::rename(store.dir.path().join("other"), &database).unwrap();
    store.open();
    assert_eq!(store.hash(None), source.hash(None));
}

fn expect_damaged(store: &Store) {
    let error = KvStateMachine::open(store.dir.path(), IDENTITY, &OPTIONS).unwrap_err();
    assert!(matches!(error, OpenError::DamagedIdentity { .. }), "{error}");
}

/// Until the first restore an earlier release can open the store, and refuses it afterwards.
#[test]
fn format_rises_with_the_first_restore() {
    let mut source = filled(10);
    let captured = capture(&mut source);
    let mut store = Store::new();
    let identity = store.dir.path().join("IDENTITY");
    assert!(fs::read_to_string(&identity).unwrap().starts_with("raft-kv 1\n"));
    restore(&mut store, last(&source), &captured).unwrap();
    assert!(fs::read_to_string(&identity).unwrap().starts_with("raft-kv 2\n"));
    // It is that of the node, not of the captured state.
    store.close();
    let other = Identity { node: NodeId(2), ..IDENTITY };
    let error = KvStateMachine::open(store.dir.path(), other, &OPTIONS).unwrap_err();
    assert!(matches!(error, OpenError::OtherIdentity { .. }), "{error}");
}

/// Every byte of a captured state is covered by a checksum, and a refusal names the cause.
#[test]
fn every_changed_byte_is_refused() {
    let mut source = filled(5);
    let captured = capture(&mut source);
    let mut store = Store::new();
    store.run(put("old", "1"));
    let before = store.hash(None);
    // The header is small; a step that is no power of two then meets every kind of field.
    for at in (0..100).chain((100..captured.len()).step_by(13)) {
        let mut damaged = captured.to_vec();
        damaged[at] ^= 0x10;
        let refused = restore(&mut store, last(&source), &Bytes::from(damaged));
        assert!(refused.is_err(), "byte {at} of {}", captured.len());
        assert_eq!(store.hash(None), before, "byte {at}");
    }
    assert_eq!(names(store.dir.path()), ["IDENTITY", "LOCK", "db"]);
}

/// The state of another cluster, of another entry or of a later release is refused with its reason.
#[test]
fn state_of_another_origin_is_refused_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let others = [
        Identity { cluster: ClusterId(8), ..IDENTITY },
        Identity { group: GroupId(9), ..IDENTITY },
    ];
    let mut store = Store::new();
    for (number, other) in others.into_iter().enumerate() {
        let dir = dir.path().join(number.to_string());
        let mut machine = KvStateMachine::open(&dir, other, &OPTIONS).unwrap();
        let captured = machine.capture().unwrap().read_to_end(BYTES_MAX).unwrap();
        let refused = restore(&mut store, LogId::ORIGIN, &captured.into()).unwrap_err();
        let expected = format!("group {} in cluster {}", other.group, other.cluster);
        assert!(refused.reason.contains(&expected), "{refused}");
    }
    let captured = capture(&mut store);
    let refused = restore(&mut store, LogId::new(Term(1), LogIndex(1)), &captured).unwrap_err();
    assert!(refused.reason.contains("ends at entry"), "{refused}");
    let mut newer = captured.to_vec();
    let format = b"raft-kv snapshot\n".len();
    newer[format..format + 4].copy_from_slice(&9_u32.to_be_bytes());
    let refused = restore(&mut store, LogId::ORIGIN, &newer.into()).unwrap_err();
    assert!(refused.reason.contains("format 9"), "{refused}");
}

/// The durable index is that of the last sync: a flush alone does not raise it.
#[test]
fn durable_index_rises_with_a_sync_only() {
    let mut store = Store::new();
    let durable = |store: &mut Store| store.machine().durable_applied().unwrap();
    store.run(put("a", "1"));
    assert_eq!(durable(&mut store), LogIndex::ZERO, "after a flush");
    drop(store.machine().capture().unwrap());
    assert_eq!(durable(&mut store), LogIndex(1), "after a capture");
    store.run(put("a", "2"));
    assert_eq!(durable(&mut store), LogIndex(1), "after a flush");
    store.close();
    store.open();
    assert_eq!(durable(&mut store), LogIndex(2), "after a start");
    // After 16 MiB it rises without a further call.
    let value = "v".repeat(1 << 20);
    for _ in 0..16 {
        store.run(put("a", &value));
    }
    while durable(&mut store) < LogIndex(3) {
        std::thread::yield_now();
    }
}

/// A restored store compacts and frees space as any other.
#[test]
fn restored_store_is_swept() {
    let mut source = filled(60);
    let mut store = Store::new();
    restore(&mut store, last(&source), &capture(&mut source)).unwrap();
    let id = LogId::new(Term(1), last(&source).index.next());
    let compact = Command::without_session(Op::Compact(Revision(50))).encode();
    store.machine().apply(id, &compact).unwrap();
    store.machine().flush(id).unwrap();
    let reader = store.machine().reader();
    while reader.swept_revision() < Revision(50) {
        std::thread::yield_now();
    }
    source.run(Op::Compact(Revision(50)));
    assert_eq!(store.hash(None), source.hash(None));
}
