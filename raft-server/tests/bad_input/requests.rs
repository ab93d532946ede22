//! Requests of the command line that are refused.

use std::fmt::Write;
use std::process::Command;

use super::{Finished, block_on, run};
use crate::process::cluster::{BINARY, Cluster};

fn verb(cluster: &Cluster, arguments: &[&str], stdin: &[u8]) -> Finished {
    let mut command = Command::new(BINARY);
    command.args(arguments).env("RAFT_CLIENT", cluster.path("client.toml"));
    run(command, stdin)
}

#[test]
fn request_above_a_limit_is_refused_and_the_cluster_continues() {
    let mut cluster = Cluster::started(1);
    block_on(async { cluster.leader(&cluster.client()).await });
    verb(&cluster, &["put", &"k".repeat(8193), "v"], b"")
        .expect(4, &["the key has 8193 bytes but at most 8192 are allowed"]);
    verb(&cluster, &["put", "key"], &vec![b'v'; 2 << 20])
        .expect(4, &["the value has", "split it over several keys"]);
    let mut many = String::new();
    for key in 0..200 {
        writeln!(many, "put key-{key} value").unwrap();
    }
    verb(&cluster, &["txn"], many.as_bytes()).expect(4, &["200", "at most 128 are allowed"]);
    verb(&cluster, &["put", "key", "value"], b"").expect(0, &["revision 1"]);
    cluster.stop();
}

#[test]
fn missing_client_file_is_reported_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(BINARY);
    command.args(["get", "key"]).env_remove("RAFT_CLIENT").current_dir(directory.path());
    run(command, b"").expect(1, &["raft-server dev", "--endpoints"]);
}
