//! Data directories and messages that were recorded with each release: later releases read them.
//!
//! `tests/recorded/VERSION` holds a data directory (`data`), what `raft-server recover` reports of it
//! (`expected.json`), and messages between nodes (`messages.hex`, one on each line). They are not
//! edited. A release records its own with:
//!
//! ```sh
//! RECORD=1 cargo test --release --workspace --test main recorded::
//! ```

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use raft_core::ports::LogStore;
use raft_core::wire;
use raft_server::kv::state_machine::{KvOptions, KvStateMachine, Put};
use raft_storage::{RocksLogStore, RocksOptions};
use raft_testkit::{Cluster as SimCluster, any};

use crate::process::cluster::{BINARY, Cluster};

const KV: KvOptions = KvOptions { block_cache_bytes: 1 << 20, write_buffer_bytes: 1 << 20 };

/// What to do about a recording that cannot be read.
const RECORD_AGAIN: &str = "a release must read it; the recording of a version that is not released is \
                            replaced with RECORD=1 (see docs/versioning.md)";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded")
}

fn records() -> bool {
    std::env::var_os("RECORD").is_some_and(|record| record == "1")
}

/// The recordings of all releases.
fn releases() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    assert!(!found.is_empty(), "at least this release is recorded: {RECORD_AGAIN}");
    found
}

/// The directory of this release.
fn own() -> PathBuf {
    let directory = root().join(env!("CARGO_PKG_VERSION"));
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// Copies a directory, without the files that neither a store nor a test reads.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_left_out =
            ["LOCK", "LOG", "OPTIONS"].iter().any(|left_out| name.starts_with(left_out));
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(name));
        } else if !is_left_out {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

/// What the program reports of a data directory.
fn report(data_dir: &Path) -> serde_json::Value {
    let mut command = Command::new(BINARY);
    let command = command.args(["recover", "--output", "json", "--data-dir"]).arg(data_dir);
    let output = command.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}\n{RECORD_AGAIN}");
    serde_json::from_str::<serde_json::Value>(&printed).unwrap()["report"].clone()
}

/// A cluster of one with a few keys.
fn record_data_directory(directory: &Path) {
    let mut cluster = Cluster::started(1);
    let client = cluster.client();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for number in 0..5 {
            let (key, value) = (Bytes::from(format!("key {number}")), Bytes::from("value"));
            client.put(Put { key, value, prev_kv: false }).await.unwrap();
        }
    });
    cluster.stop();
    let data = directory.join("data");
    let _ = fs::remove_dir_all(&data);
    copy(&cluster.data_dir(1), &data);
    let expected = report(&cluster.data_dir(1));
    fs::write(directory.join("expected.json"), format!("{expected:#}\n")).unwrap();
}

#[test]
fn data_directories_of_earlier_releases_open() {
    if records() {
        record_data_directory(&own());
    }
    for release in releases() {
        let shown = release.display();
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        copy(&release.join("data"), &data);
        let expected = fs::read_to_string(release.join("expected.json")).unwrap();
        let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
        let found = report(&data);
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(found[name], *value, "{shown}: {name}");
        }
        let identity = RocksLogStore::identity_of(data.join("log")).unwrap().unwrap();
        let mut log =
            RocksLogStore::open(data.join("log"), identity, RocksOptions::default()).unwrap();
        let last = log.recover().unwrap().terms.last();
        let entries = log.reader().read(raft_core::LogIndex(1), last.index, u64::MAX).unwrap();
        assert_eq!(entries.len() as u64, last.index.get(), "{shown}");
        let store = KvStateMachine::open(&data.join("store"), identity, &KV).unwrap();
        assert!(store.applied_id() <= last, "{shown}");
    }
}

/// The messages of a cluster that elects, replicates, transfers, reads, and sends a snapshot.
fn messages() -> Vec<String> {
    let mut lines = BTreeSet::new();
    let mut c = SimCluster::new(3).keep(0).untraced();
    let mut deliver = |c: &mut SimCluster| {
        for _ in 0..200 {
            for message in c.messages(&any()) {
                let mut bytes = Vec::new();
                wire::encode(message, &mut bytes);
                lines.insert(bytes);
            }
            if c.messages(&any()).is_empty() {
                break;
            }
            c.send_all();
            c.handle_all();
        }
    };
    c.campaign(1);
    deliver(&mut c);
    for command in ["add 1", "add 2"] {
        c.propose(1, command);
        deliver(&mut c);
    }
    c.read(1);
    deliver(&mut c);
    c.cut_off(3);
    c.propose(1, "add 3");
    deliver(&mut c);
    c.take_snapshot(1);
    c.compact(1);
    c.heal();
    c.heartbeat(1);
    deliver(&mut c);
    c.transfer(1, 2);
    deliver(&mut c);
    c.remove(2, 3);
    deliver(&mut c);
    let hex = |bytes: &Vec<u8>| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    lines.iter().map(hex).collect()
}

#[test]
fn messages_of_earlier_releases_are_decoded() {
    if records() {
        fs::write(own().join("messages.hex"), messages().join("\n") + "\n").unwrap();
    }
    for release in releases() {
        let text = fs::read_to_string(release.join("messages.hex")).unwrap();
        let mut kinds = BTreeSet::new();
        for line in text.lines() {
            let byte = |at: usize| u8::from_str_radix(&line[at..at + 2], 16).unwrap();
            let bytes = Bytes::from((0..line.len()).step_by(2).map(byte).collect::<Vec<u8>>());
            let message = wire::decode(&bytes).unwrap_or_else(|error| {
                panic!("{}: {error}: {line}\n{RECORD_AGAIN}", release.display())
            });
            kinds.insert(message.body().kind());
        }
        assert!(kinds.len() >= 8, "{}: {kinds:?}", release.display());
    }
}
