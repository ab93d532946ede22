//! Data directories that a node cannot use.

use std::os::unix::fs::PermissionsExt;

use raft_core::ports::LogStore;
use raft_core::{BrokenMark, LogIndex, Persist, PersistId};
use raft_storage::{FORMAT, RocksLogStore, RocksOptions};

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
fn log_of_another_release_is_refused_with_both_formats_and_what_to_do() {
    let cluster = with_data();
    let path = cluster.data_dir(1).join("log/IDENTITY");
    let text = std::fs::read_to_string(&path).unwrap();
    let found = format!("raft-log {FORMAT}");
    for format in [FORMAT - 1, FORMAT + 1] {
        let other = text.replacen(&found, &format!("raft-log {format}"), 1);
        std::fs::write(&path, other).unwrap();
        let numbers = [format!("format {format}"), format!("format {FORMAT}")];
        let refused = serve(&cluster, &[]);
        refused.expect(78, &[&numbers[0], &numbers[1], "run the release that wrote it"]);
        assert!(!refused.output.contains("damaged"), "{}", refused.output);
    }
}

/// A log that was removed held a vote and acknowledged entries.
#[test]
fn data_directory_without_its_log_is_refused() {
    let cluster = with_data();
    std::fs::remove_dir_all(cluster.data_dir(1).join("log")).unwrap();
    for flags in [&[][..], &["--bootstrap"]] {
        serve(&cluster, flags).expect(74, &["the log is missing", "join as a new incarnation"]);
    }
}

#[test]
fn data_directory_without_its_identity_is_refused() {
    let cluster = with_data();
    std::fs::remove_file(cluster.data_dir(1).join("IDENTITY")).unwrap();
    serve(&cluster, &[]).expect(74, &["there is a log, but no identity file"]);
}

/// The identity file states what the first start intended; nothing was written after it.
#[test]
fn interrupted_first_start_is_completed_only_with_the_same_list() {
    let mut cluster = with_data();
    let identity = cluster.data_dir(1).join("IDENTITY");
    let written = std::fs::read_to_string(&identity).unwrap();
    std::fs::remove_dir_all(cluster.data_dir(1)).unwrap();
    std::fs::create_dir(cluster.data_dir(1)).unwrap();
    let body = written.split("crc32c").next().unwrap().replace("state ready", "state creating");
    let crc = crc32c::crc32c(body.as_bytes());
    std::fs::write(&identity, format!("{body}crc32c {crc:08x}\n")).unwrap();
    serve(&cluster, &[]).expect(78, &["the first start of this node was interrupted", "remove"]);

    let config = cluster.config_text(1);
    std::fs::write(cluster.config(1), format!("bootstrap = true\n{config}")).unwrap();
    cluster.start(1);
    block_on(async { cluster.leader(&cluster.client()).await });
    cluster.stop();
    let completed = std::fs::read_to_string(&identity).unwrap();
    assert_eq!(completed, written, "with the incarnation of the first start");
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
    let mut by_config = std::process::Command::new(BINARY);
    by_config.args(["log", "mark-fixed", "--config"]).arg(cluster.config(1));
    run(by_config, b"").expect(0, &["was not marked broken"]);
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
