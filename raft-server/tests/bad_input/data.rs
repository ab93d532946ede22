//! Data directories that a node cannot use.

use std::os::unix::fs::PermissionsExt;

use raft_core::ports::LogStore;
use raft_core::{BrokenMark, LogIndex, Persist, PersistId};
use raft_storage::{RocksLogStore, RocksOptions};

use super::{block_on, check, run, serve};
use crate::process::cluster::{BINARY, Cluster};

/// A cluster whose node 1 has data and is not running.
fn with_data() -> Cluster {
    let mut cluster = Cluster::started(1);
    block_on(async { cluster.leader(&cluster.client()).await });
    cluster.stop();
    cluster
}

#[test]
fn directory_in_use_is_refused_with_the_id_of_the_process() {
    let cluster = Cluster::started(1);
    block_on(async { cluster.leader(&cluster.client()).await });
    let pid = cluster.pid(1).to_string();
    serve(&cluster, &["--listen-http=off"])
        .expect(75, &["is in use by", &pid, "stop that one first"]);
}

#[test]
fn data_of_another_node_is_refused() {
    let cluster = Cluster::new(3);
    let data = with_data();
    let flag = format!("--data-dir={}", data.data_dir(1).display());
    serve(&cluster, &[&flag]).expect(78, &["holds the log of", "node 1"]);
    let mut command = cluster.serve(2);
    command.arg(flag);
    run(command, b"").expect(78, &["node 1", "node 2"]);
}

#[test]
fn directory_that_is_not_writable_is_named() {
    let cluster = Cluster::new(1);
    // Not even root can create a file below a regular file.
    std::fs::write(cluster.path("in-the-way"), "").unwrap();
    let flag = format!("--data-dir={}", cluster.path("in-the-way").display());
    serve(&cluster, &["--bootstrap", &flag]).expect(74, &["in-the-way", "Not a directory"]);
}

#[test]
fn broken_mark_stays_until_an_operator_removes_it() {
    let mut cluster = with_data();
    let log = cluster.data_dir(1).join("log");
    let mut store =
        RocksLogStore::open(&log, cluster.identity(1), RocksOptions::default()).unwrap();
    store.recover().unwrap();
    let broken = BrokenMark { index: LogIndex(2), reason: "injected fault".to_owned() };
    let mark = Persist {
        id: PersistId(1),
        hard_state: None,
        reset: None,
        truncate_from: None,
        entries: Vec::new(),
        broken: Some(broken),
    };
    store.persist(&[mark]).unwrap();
    drop(store);

    let on_log = |verb: &str| {
        let mut command = std::process::Command::new(BINARY);
        command.args(["log", verb, "--data-dir"]).arg(cluster.data_dir(1));
        run(command, b"")
    };
    for _ in 0..2 {
        serve(&cluster, &[])
            .expect(70, &["entry 2", "injected fault", "raft-server log mark-fixed --data-dir"]);
    }
    on_log("status").expect(0, &["broken       at entry 2: injected fault"]);
    on_log("mark-fixed").expect(0, &["marked fixed", "entry 2"]);
    on_log("mark-fixed").expect(0, &["was not marked broken"]);
    on_log("status").expect(0, &["broken       no"]);
    cluster.start(1);
    block_on(async { cluster.leader(&cluster.client()).await });
    cluster.stop();
}

#[test]
fn start_warns_of_a_key_that_other_users_can_read() {
    let mut cluster = Cluster::new(1);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(cluster.path("node-1.key"), open).unwrap();
    cluster.start(1);
    block_on(async { cluster.leader(&cluster.client()).await });
    cluster.stop();
    assert!(cluster.log(1).contains("WARN"), "{}", cluster.log(1));
    assert!(cluster.log(1).contains("node-1.key"), "{}", cluster.log(1));
}

#[test]
fn check_warns_of_a_data_directory_that_other_users_can_access() {
    let cluster = with_data();
    let directory = cluster.data_dir(1);
    assert!(!check(&cluster, &[]).output.contains("data directory"));
    std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o750)).unwrap();
    let remedy = format!("chmod 700 {}", directory.display());
    check(&cluster, &[]).expect(0, &["warning: ", "data directory", "0750", &remedy]);
}
