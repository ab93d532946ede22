//! Opening a store: the identity of its data, its format and its lock.

use std::fs;

use raft_core::ports::StateMachine;
use raft_core::{ClusterId, Identity, LogId, LogIndex, NodeId, Term};
use raft_server::kv::state_machine::{KvStateMachine, OpenError, Revision};

use super::store::{IDENTITY, OPTIONS, Store, bytes, put};

fn snapshot_of(dir: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for directory in [dir.to_owned(), dir.join("db")] {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                files.push((path.clone(), fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// A clean restart finds everything and replays nothing.
#[test]
fn reopened_store_returns_its_applied_index() {
    let mut store = Store::new();
    store.run(put("a", "1"));
    assert_eq!(store.crash_and_replay(), 0);
    assert_eq!(store.applied(), LogIndex(1));
    assert_eq!(store.get("a").unwrap().value, bytes("1"));
    assert_eq!(store.machine().reader().revision(), Revision(1));
}

/// An entry without a command moves the applied index and nothing else.
#[test]
fn flush_alone_moves_the_applied_index() {
    let mut store = Store::new();
    store.machine().flush(LogId::new(Term(3), LogIndex(9))).unwrap();
    store.close();
    store.open();
    assert_eq!(store.applied(), LogIndex(9));
    assert_eq!(store.machine().applied_id(), LogId::new(Term(3), LogIndex(9)));
}

/// Data of another node or cluster is refused. The error contains both identities, and no byte is
/// changed.
#[test]
fn data_of_another_node_is_refused_and_not_changed() {
    let mut store = Store::new();
    store.run(put("a", "1"));
    store.close();
    let before = snapshot_of(store.dir.path());
    let others =
        [Identity { node: NodeId(2), ..IDENTITY }, Identity { cluster: ClusterId(8), ..IDENTITY }];
    for other in others {
        let error = KvStateMachine::open(store.dir.path(), other, &OPTIONS).unwrap_err();
        assert!(
            matches!(error, OpenError::OtherIdentity { found: IDENTITY, expected, .. } if expected == other)
        );
        let message = error.to_string();
        let named = |identity: &Identity| {
            message.contains(&format!("node {} ", identity.node))
                && message.contains(&identity.cluster.to_string())
        };
        assert!(named(&IDENTITY) && named(&other), "{message}");
        assert_eq!(snapshot_of(store.dir.path()), before);
    }
}

/// A release that does not support the format must not change the data.
#[test]
fn newer_format_is_refused_and_not_changed() {
    let mut store = Store::new();
    store.close();
    let path = store.dir.path().join("IDENTITY");
    let newer = fs::read_to_string(&path).unwrap().replace("raft-kv 1", "raft-kv 3");
    fs::write(&path, newer).unwrap();
    let before = snapshot_of(store.dir.path());
    let error = KvStateMachine::open(store.dir.path(), IDENTITY, &OPTIONS).unwrap_err();
    assert!(matches!(error, OpenError::NewerFormat { found: 3, supported: 2, .. }), "{error}");
    assert_eq!(snapshot_of(store.dir.path()), before);
}

/// Without the file the identity of the data is unknown.
#[test]
fn missing_or_damaged_identity_is_refused() {
    let mut store = Store::new();
    store.close();
    let path = store.dir.path().join("IDENTITY");
    for damage in [&b"nonsense"[..], b"", b"\xff\xfe"] {
        fs::write(&path, damage).unwrap();
        let error = KvStateMachine::open(store.dir.path(), IDENTITY, &OPTIONS).unwrap_err();
        assert!(matches!(error, OpenError::DamagedIdentity { .. }), "{error}");
    }
    fs::remove_file(&path).unwrap();
    let error = KvStateMachine::open(store.dir.path(), IDENTITY, &OPTIONS).unwrap_err();
    assert!(matches!(error, OpenError::DamagedIdentity { .. }), "{error}");
}

/// Two writers would corrupt the state.
#[test]
fn open_store_is_locked() {
    let mut store = Store::new();
    let error = KvStateMachine::open(store.dir.path(), IDENTITY, &OPTIONS).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    store.close();
    store.open();
}

/// The node never passes an entry twice. The machine must not apply it a second time.
#[test]
#[should_panic(expected = "which is applied")]
fn applying_an_applied_entry_panics() {
    let mut store = Store::new();
    store.run(put("a", "1"));
    let command = store.commands().remove(0);
    let _ = store.machine().apply(LogId::new(Term(1), LogIndex(1)), &command);
}

/// A directory of an earlier build opens, and its identity file gets the current form.
#[test]
fn identity_file_of_the_earlier_form_is_rewritten() {
    let mut store = Store::new();
    store.run(put("a", "1"));
    store.close();
    let path = store.dir.path().join("IDENTITY");
    let current = fs::read_to_string(&path).unwrap();
    let body = format!(
        "raft-server key-value store\nformat = 1\ncluster = {}\ngroup = {}\nnode = {}\n\
         incarnation = {}\n",
        IDENTITY.cluster, IDENTITY.group, IDENTITY.node, IDENTITY.incarnation
    );
    let earlier = format!("{body}crc32c = {:08x}\n", crc32c::crc32c(body.as_bytes()));

    fs::write(&path, earlier.replace("node = ", "node = 9")).unwrap();
    let error = KvStateMachine::open(store.dir.path(), IDENTITY, &OPTIONS).unwrap_err();
    assert!(matches!(error, OpenError::DamagedIdentity { .. }), "{error}");
    fs::write(&path, &earlier).unwrap();
    let other = Identity { node: NodeId(2), ..IDENTITY };
    let error = KvStateMachine::open(store.dir.path(), other, &OPTIONS).unwrap_err();
    assert!(matches!(error, OpenError::OtherIdentity { found: IDENTITY, .. }), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), earlier);

    store.open();
    assert_eq!(store.get("a").unwrap().value, bytes("1"));
    assert_eq!(fs::read_to_string(&path).unwrap(), current);
}
