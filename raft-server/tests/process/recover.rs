//! Recovery of a cluster that has lost its quorum.

use std::process::Command;

use bytes::Bytes;
use raft_core::LogIndex;
use raft_server::kv::client::Client;
use raft_server::kv::state_machine::Put;
use tokio::runtime::Runtime;

use super::cluster::{BINARY, Cluster};
use super::membership::{succeed, until_logged};

/// One runtime for a whole test: the connections of a client end with theirs.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Runs the command on the data directory of a node; returns its exit code and what it printed.
fn recover(cluster: &Cluster, node: u64, flags: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(BINARY);
    let command = command.arg("recover").arg("--config").arg(cluster.config(node)).args(flags);
    let output = command.output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(printed).unwrap())
}

#[track_caller]
fn expect(finished: &(Option<i32>, String), code: i32, parts: &[&str]) {
    let (found, printed) = finished;
    assert_eq!(*found, Some(code), "{printed}");
    for part in parts {
        assert!(printed.contains(part), "`{part}` is not in the output: {printed}");
    }
}

async fn put(client: &Client, number: u64) {
    let key = Bytes::from(format!("key {number:03}"));
    client.put(Put { key, value: Bytes::from_static(b"value"), prev_kv: false }).await.unwrap();
}

async fn expect_written(client: &Client, number: u64) {
    let read = client.get(Bytes::from(format!("key {number:03}"))).await.unwrap();
    assert!(read.value.is_some(), "key {number} is lost");
}

/// Two of three nodes are lost for good. The third one continues alone, with every write that was
/// acknowledged, and refuses a member of the old cluster that returns.
#[test]
fn last_node_of_three_continues_with_all_acknowledged_writes() {
    const WRITES: u64 = 20;
    let mut cluster = Cluster::started(3);
    let (runtime, client) = (runtime(), cluster.client());
    runtime.block_on(async {
        cluster.leader(&client).await;
        for number in 0..WRITES {
            put(&client, number).await;
        }
        // The entries before the writes are empty, or memberships.
        cluster.until(&client, 3, |report| report.applied_index > LogIndex(WRITES)).await;
    });
    for node in cluster.ids() {
        cluster.kill(node);
    }
    let planned = [
        "plan: epoch 1, voters 3",
        "nodes 1, 2 are not inspected",
        "nothing is changed without --apply",
    ];
    expect(&recover(&cluster, 3, &[]), 0, &planned);
    expect(&recover(&cluster, 3, &["--apply"]), 0, &["epoch 1", "applied."]);
    expect(&recover(&cluster, 3, &[]), 0, &["epoch        1", "voters 3, outgoing none"]);

    cluster.start(3);
    runtime.block_on(async {
        cluster.leader(&client).await;
        for number in 0..WRITES {
            expect_written(&client, number).await;
        }
        put(&client, WRITES).await;
        expect_written(&client, WRITES).await;
    });

    cluster.start(1);
    until_logged(&cluster, 1, "this node is not a member of the cluster");
    // With its old data it is refused even once it is to be a member again: it may hold entries that
    // the recovery has replaced.
    let ports = cluster.ports(1);
    let member = format!("1={}/{}", ports.peer, ports.client);
    succeed(&cluster, &["members", "add", &member]);
    until_logged(&cluster, 1, "the cluster was recovered without one of them");
    runtime.block_on(expect_written(&client, WRITES));
    assert!(cluster.is_running(3), "{}", cluster.log(3));
}

/// A node that is not the most up to date would lose entries, and one of a cluster that has a
/// majority needs no recovery.
#[test]
fn recovery_is_refused_if_it_would_lose_what_is_left() {
    let mut cluster = Cluster::started(3);
    let (runtime, client) = (runtime(), cluster.client());
    runtime.block_on(async {
        cluster.leader(&client).await;
        put(&client, 1).await;
        cluster.until(&client, 1, |report| report.applied_index > LogIndex(1)).await;
        cluster.until(&client, 2, |report| report.applied_index > LogIndex(1)).await;
    });
    cluster.kill(1);
    runtime.block_on(async {
        cluster.leader(&client).await;
        put(&client, 2).await;
    });
    expect(&recover(&cluster, 2, &[]), 75, &["in use by process"]);
    cluster.kill(2);
    cluster.kill(3);
    let (_, printed) = recover(&cluster, 2, &["--output", "json"]);
    let report = cluster.path("node-2.json");
    std::fs::write(&report, printed).unwrap();
    let report = format!("--report={}", report.display());
    let refused = recover(&cluster, 1, &[&report, "--apply"]);
    expect(&refused, 78, &["2 of 3 voters have their data"]);
    let (_, printed) = recover(&cluster, 1, &[]);
    assert!(printed.contains("epoch        0"), "nothing was written: {printed}");
}
