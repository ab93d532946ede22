//! Compaction and snapshots between processes.

use std::process::{Command, Stdio};

use bytes::Bytes;
use raft_core::LogIndex;
use raft_server::kv::client::Client;
use raft_server::kv::state_machine::Put;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::cluster::{BINARY, Cluster};
use super::history::History;
use super::http::get_from;
use super::poll;

const WRITERS: usize = 32;
const VALUE_BYTES: usize = 4 << 10;
/// The log keeps little, so that a node that was away for a few hundred writes needs a snapshot.
const SMALL_LOG: &str = "compaction_kept_entries = 100\ncompaction_kept_bytes = \"64KiB\"\n\
                         compaction_follower_bytes = \"64KiB\"\n";

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Three nodes with small logs and further settings.
fn started_with(settings: &str) -> Cluster {
    let mut cluster = Cluster::new(3);
    for node in cluster.ids() {
        let text = cluster.config_text(node);
        std::fs::write(cluster.config(node), format!("{SMALL_LOG}{settings}{text}")).unwrap();
    }
    for node in cluster.ids() {
        cluster.start(node);
    }
    cluster
}

/// Writes keys of its own for each name, and overwrites none.
async fn write(client: &Client, name: &str, count: usize) {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (client, name) = (client.clone(), name.to_owned());
        writers.spawn(async move {
            for serial in (writer..count).step_by(WRITERS) {
                let key = Bytes::from(format!("{name}/{serial}"));
                let value = Bytes::from(vec![b'v'; VALUE_BYTES]);
                client.put(Put { key, value, prev_kv: false }).await.unwrap();
            }
        });
    }
    writers.join_all().await;
}

/// A member that does not lead.
async fn follower(cluster: &Cluster, client: &Client) -> u64 {
    let leader = cluster.leader(client).await;
    cluster.ids().find(|node| *node != leader).unwrap()
}

/// Writes until the leader has compacted entries that a stopped node lacks.
async fn compact_past(cluster: &Cluster, client: &Client, away_at: LogIndex) {
    for round in 0..20 {
        write(client, &format!("round-{round}"), 500).await;
        let leader = cluster.leader(client).await;
        let report = cluster.until(client, leader, |_| true).await;
        if report.first_index > away_at.next() {
            return;
        }
    }
    panic!("the log is not compacted");
}

/// Waits until a node has applied everything that the leader has committed.
async fn converges(cluster: &Cluster, client: &Client, node: u64) {
    let leader = cluster.leader(client).await;
    let commit = cluster.until(client, leader, |_| true).await.commit_index;
    cluster.until(client, node, |report| report.applied_index >= commit).await;
}

/// Waits until every node has applied everything, stops the cluster, and compares the stores.
fn assert_stores_are_equal(runtime: &Runtime, client: &Client, cluster: &mut Cluster) {
    for node in cluster.ids() {
        runtime.block_on(converges(cluster, client, node));
    }
    cluster.stop();
    let hashes: Vec<_> = cluster
        .ids()
        .map(|node| {
            let history = History::default();
            history.missing_from(&cluster.data_dir(node), cluster.identity(node)).1
        })
        .collect();
    assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]), "the nodes differ: {hashes:?}");
}

/// The value of a metric without labels.
fn metric(cluster: &Cluster, node: u64, name: &str) -> u64 {
    let page = get_from(cluster, node, "/metrics");
    let prefix = format!("{name} ");
    let value = page.lines().find_map(|line| line.strip_prefix(&prefix));
    value.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
}

#[test]
fn node_that_was_away_gets_a_snapshot_and_every_log_stays_small() {
    let runtime = runtime();
    let mut cluster = started_with("");
    let client = cluster.client();
    let away = runtime.block_on(follower(&cluster, &client));
    let at = runtime.block_on(cluster.until(&client, away, |report| report.leader.is_some()));
    cluster.kill(away);
    runtime.block_on(compact_past(&cluster, &client, at.last_log.index));
    cluster.start(away);
    runtime.block_on(converges(&cluster, &client, away));
    assert_eq!(metric(&cluster, away, "raft_snapshots_restored_total"), 1);
    runtime.block_on(write(&client, "after", 1_000));
    runtime.block_on(converges(&cluster, &client, away));
    for node in cluster.ids() {
        let bytes = metric(&cluster, node, "raft_log_bytes");
        assert!(bytes < 4 << 20, "the log of node {node} has {bytes} bytes");
    }
    // A restart continues with the compacted log.
    cluster.kill(away);
    cluster.start(away);
    runtime.block_on(converges(&cluster, &client, away));
    assert_eq!(metric(&cluster, away, "raft_snapshots_restored_total"), 0);
    assert_stores_are_equal(&runtime, &client, &mut cluster);
}

/// A crash leaves the old or the new state: the snapshot is received further, or it is restored
/// again.
#[test]
fn kill_during_an_install_leaves_the_old_or_the_new_state() {
    let runtime = runtime();
    // A transfer takes about two seconds.
    let mut cluster = started_with("snapshot_bytes_per_second = \"1MiB\"\n");
    let client = cluster.client();
    let away = runtime.block_on(follower(&cluster, &client));
    let at = runtime.block_on(cluster.until(&client, away, |report| report.leader.is_some()));
    cluster.kill(away);
    runtime.block_on(compact_past(&cluster, &client, at.last_log.index));

    cluster.start(away);
    let snapshots = cluster.data_dir(away).join("snapshots");
    let received = || {
        let files = std::fs::read_dir(&snapshots).ok()?.flatten();
        let mut sizes = files
            .filter(|file| file.path().extension().is_some_and(|name| name == "received"))
            .filter_map(|file| file.metadata().ok());
        sizes.find(|metadata| metadata.len() > 256 << 10).map(drop)
    };
    poll::until_blocking(received, || format!("no snapshot arrives: {}", cluster.log(away)));
    cluster.kill(away);

    cluster.start(away);
    let restores = || cluster.log(away).contains("restoring the state machine").then_some(());
    poll::until_blocking(restores, || format!("nothing is restored: {}", cluster.log(away)));
    cluster.kill(away);

    cluster.start(away);
    assert_stores_are_equal(&runtime, &client, &mut cluster);
}

/// Runs a command of the program against the cluster. Returns its exit code and its output.
fn run(cluster: &Cluster, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(BINARY);
    command.args(arguments).env("RAFT_CLIENT", cluster.path("client.toml"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// A backup that cannot be restored is found when it is made, not when it is needed.
#[test]
fn saved_snapshot_is_verified_and_damage_is_found() {
    let runtime = runtime();
    let cluster = Cluster::started(1);
    let client = cluster.client();
    runtime.block_on(write(&client, "key", 300));
    let path = cluster.path("saved.snapshot");
    let file = path.to_str().unwrap();

    let (code, saved) = run(&cluster, &["snapshot", "save", file, "--output", "json"]);
    assert_eq!(code, Some(0), "{saved}");
    let (code, status) = run(&cluster, &["snapshot", "status", file, "--output", "json"]);
    assert_eq!(code, Some(0), "{status}");
    let report = runtime.block_on(cluster.until(&client, 1, |_| true));
    for expected in [
        format!("\"last_index\":{}", report.applied_index),
        format!("\"cluster\":\"{}\"", cluster.id()),
        "\"keys\":300".to_owned(),
        "\"voters\":[1]".to_owned(),
    ] {
        assert!(status.contains(&expected), "{expected} is not in {status}");
    }
    let crc = saved.split("\"crc32c\":").nth(1).unwrap().split(',').next().unwrap();
    assert!(status.contains(crc), "{crc} is not in {status}");

    let (code, refused) = run(&cluster, &["snapshot", "save", file]);
    assert_eq!(code, Some(1), "{refused}");
    assert!(refused.contains("exists already"), "{refused}");

    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let (code, damaged) = run(&cluster, &["snapshot", "status", file]);
    assert_eq!(code, Some(74), "{damaged}");
    assert!(damaged.contains("checksum"), "{damaged}");
}

#[test]
fn log_is_compacted_on_demand() {
    let runtime = runtime();
    let cluster = Cluster::started(1);
    let client = cluster.client();
    runtime.block_on(write(&client, "key", 50));
    let (code, compacted) = run(&cluster, &["compact-log"]);
    assert_eq!(code, Some(0), "{compacted}");
    let report = runtime.block_on(cluster.until(&client, 1, |_| true));
    assert!(report.first_index > LogIndex(50), "{report:?}");
    assert!(compacted.contains(&format!("begins at entry {}", report.first_index)), "{compacted}");
}

/// A backup is worth what its restore is worth: a new cluster continues from the saved state.
#[test]
fn new_cluster_continues_from_a_saved_snapshot() {
    let runtime = runtime();
    let saved = Cluster::started(1);
    runtime.block_on(write(&saved.client(), "saved", 100));
    let path = saved.path("saved.snapshot");
    let file = path.to_str().unwrap();
    let (code, text) = run(&saved, &["snapshot", "save", file]);
    assert_eq!(code, Some(0), "{text}");

    let mut restored = Cluster::new(3);
    for node in restored.ids() {
        let config = restored.config(node);
        let arguments = ["snapshot", "restore", file, "--config", config.to_str().unwrap()];
        let (code, text) = run(&restored, &arguments);
        assert_eq!(code, Some(0), "{text}");
        let (code, refused) = run(&restored, &arguments);
        assert_eq!(code, Some(78), "{refused}");
        assert!(refused.contains("is not empty"), "{refused}");
    }
    for node in restored.ids() {
        restored.start(node);
    }
    let client = restored.client();
    runtime.block_on(write(&client, "later", 100));
    for name in ["saved/99", "later/99"] {
        let found = runtime.block_on(client.get(Bytes::from_static(name.as_bytes()))).unwrap();
        assert!(found.value.is_some(), "{name} is missing");
    }
    assert_stores_are_equal(&runtime, &client, &mut restored);
}

/// Nodes of the saved cluster could join the new one and undo what it has acknowledged.
#[test]
fn restored_cluster_needs_an_id_of_its_own() {
    let runtime = runtime();
    let saved = Cluster::started(1);
    runtime.block_on(write(&saved.client(), "saved", 10));
    let path = saved.path("saved.snapshot");
    let file = path.to_str().unwrap();
    let (code, text) = run(&saved, &["snapshot", "save", file]);
    assert_eq!(code, Some(0), "{text}");
    let (config, data_dir) = (saved.config(1), saved.path("new"));
    let mut arguments = vec!["snapshot", "restore", file, "--config", config.to_str().unwrap()];
    arguments.extend(["--data-dir", data_dir.to_str().unwrap()]);
    let (code, refused) = run(&saved, &arguments);
    assert_eq!(code, Some(78), "{refused}");
    assert!(refused.contains("set a new cluster_id"), "{refused}");
    arguments.push("--same-cluster-id");
    let (code, text) = run(&saved, &arguments);
    assert_eq!(code, Some(0), "{text}");
}
