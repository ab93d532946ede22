//! Nodes whose disks become full: processes on small file systems.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use raft_server::kv::client::{Client, Error};
use raft_server::kv::protocol::StatusReport;
use raft_server::kv::state_machine::{DeleteRange, KeyRange, Put};
use raft_server::space::SpaceLevel;

use super::cluster::{BINARY, Cluster, identity_in};
use super::history::{Acknowledged, History};

/// The directory with the mounts; set in the process that has a mount namespace of its own.
const MOUNTS: &str = "RAFT_TEST_SMALL_FILE_SYSTEMS";
/// Too small for the write-ahead logs that RocksDB allocates in advance, about 70 MiB each, so that
/// every write needs free space.
const SMALL_BYTES: u64 = 64 << 20;
/// Holds the two of a node. An allocation that fails takes all free space for a moment, which a node
/// could sample.
const SPACIOUS_BYTES: u64 = 256 << 20;
/// Exit codes of `raft-server`.
const EXIT_STORAGE: i32 = 74;

/// Runs a test with two small file systems, `a` and `b`, in a directory. They need a mount namespace
/// of their own, in which the test runs itself again. Without the permission to create one it is
/// skipped.
fn with_small_file_systems(test_name: &str, bytes: u64, test: impl FnOnce(&Path)) {
    if let Some(mounts) = std::env::var_os(MOUNTS) {
        return test(Path::new(&mounts));
    }
    let directory = tempfile::tempdir().unwrap();
    let mut refused = String::new();
    for flags in ["-m", "-rm"] {
        let mount = format!(
            "for name in a b; do mkdir -p \"${MOUNTS}/$name\" && \
             mount -t tmpfs -o size={bytes} tmpfs \"${MOUNTS}/$name\" || exit 9; done"
        );
        let unshare = |script: &str, arguments: &[OsString]| {
            let mut command = Command::new("unshare");
            command.args([flags, "sh", "-c", script]).args(arguments);
            command.env(MOUNTS, directory.path()).stdin(Stdio::null());
            command
        };
        match unshare(&mount, &[]).output() {
            Ok(probe) if probe.status.success() => {
                let itself = std::env::current_exe().unwrap().into_os_string();
                let arguments = [itself, test_name.into(), "--exact".into(), "--nocapture".into()];
                let script = format!("{mount}; exec \"$0\" \"$@\"");
                let status = unshare(&script, &arguments).status().unwrap();
                assert!(status.success(), "{test_name} in its own mount namespace: {status}");
                return;
            }
            Ok(probe) => refused += &String::from_utf8_lossy(&probe.stderr),
            Err(error) => refused += &error.to_string(),
        }
    }
    println!("SKIPPED {test_name}: no file system can be mounted here: {}", refused.trim());
}

/// A file that fills a file system.
struct Ballast(PathBuf);

impl Ballast {
    /// Leaves about this many bytes free, and at no time fewer. RocksDB may allocate a write-ahead
    /// log at the same time; then it starts again.
    fn leaving(free_bytes: u64, file_system: &Path) -> Self {
        let path = file_system.join("ballast");
        for _ in 0..1000 {
            let status = rustix::fs::statvfs(file_system).unwrap();
            let Some(bytes) = (status.f_bavail * status.f_frsize).checked_sub(free_bytes) else {
                continue;
            };
            let mut file = File::create(&path).unwrap();
            match std::io::copy(&mut std::io::repeat(0).take(bytes), &mut file) {
                Ok(_) => return Self(path),
                Err(error) if error.kind() == ErrorKind::StorageFull => {
                    fs::remove_file(&path).unwrap();
                }
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
        panic!("the free space of {} does not settle", file_system.display());
    }

    /// Fills the file system again if RocksDB has released space since.
    fn top_up(&self, free_bytes: u64) {
        let status = rustix::fs::statvfs(&self.0).unwrap();
        let more = (status.f_bavail * status.f_frsize).saturating_sub(free_bytes);
        let mut file = File::options().append(true).open(&self.0).unwrap();
        match std::io::copy(&mut std::io::repeat(0).take(more), &mut file) {
            Ok(_) => {}
            // RocksDB allocates at the same time.
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                file.set_len(file.metadata().unwrap().len() / 2).unwrap();
            }
            Err(error) => panic!("{}: {error}", self.0.display()),
        }
    }

    fn remove(self) {
        fs::remove_file(self.0).unwrap();
    }
}

/// Adds the data directory and further keys of the top level to a node's configuration.
fn configure(cluster: &Cluster, node: u64, data_dir: &Path, keys: &str) {
    let text = cluster.config_text(node);
    let plain = format!("data_dir = \"node-{node}\"");
    assert!(text.contains(&plain), "{text}");
    let text = text.replace(&plain, &format!("data_dir = {data_dir:?}"));
    fs::write(cluster.config(node), format!("bootstrap = true\n{keys}\n{text}")).unwrap();
}

async fn write(client: &Client, number: u64, bytes: usize, history: &mut History) {
    let mut value = vec![0; bytes];
    value[..8].copy_from_slice(&number.to_be_bytes());
    let (key, value) = (Bytes::from(format!("key {}", number % 8)), Bytes::from(value));
    let put = Put { key: key.clone(), value: value.clone(), prev_kv: false };
    match tokio::time::timeout(Duration::from_secs(2), client.put(put)).await {
        Ok(Ok(done)) => {
            history.acknowledged.push(Acknowledged { key, value, revision: done.revision });
        }
        Ok(Err(_)) | Err(_) => history.unknown += 1,
    }
}

/// A full disk is not a failure of a command. The node stops with a storage error, its log is not
/// marked broken, and it continues after a restart once there is space.
#[test]
fn node_whose_disk_is_full_stops_with_a_storage_error_and_starts_again() {
    with_small_file_systems(
        "process::full_disk::node_whose_disk_is_full_stops_with_a_storage_error_and_starts_again",
        SMALL_BYTES,
        |mounts| tokio::runtime::Runtime::new().unwrap().block_on(fill_up(mounts)),
    );
}

async fn fill_up(mounts: &Path) {
    let mut cluster = Cluster::new(3);
    // Node 1 has everything on a small disk, node 2 its key-value store alone.
    let data = [mounts.join("a/data"), cluster.data_dir(2), cluster.data_dir(3)];
    fs::create_dir_all(&data[1]).unwrap();
    fs::create_dir_all(mounts.join("b/store")).unwrap();
    std::os::unix::fs::symlink(mounts.join("b/store"), data[1].join("store")).unwrap();
    for (node, data) in (1..).zip(&data) {
        configure(&cluster, node, data, "storage_reserve_bytes = 0");
        cluster.start(node);
    }
    let client = cluster.client();
    cluster.leader(&client).await;
    let mut history = History::default();
    for number in 0..10 {
        write(&client, number, 4 << 10, &mut history).await;
    }
    assert_eq!(history.acknowledged.len(), 10);

    let ballast = ["a", "b"].map(|name| Ballast::leaving(1 << 20, &mounts.join(name)));
    let mut number = 10;
    while [1, 2].iter().any(|node| cluster.is_running(*node)) {
        assert!(number < 200, "the small disks do not become full");
        write(&client, number, 64 << 10, &mut history).await;
        number += 1;
    }
    let codes = [1, 2].map(|node| cluster.ended(node).code());
    println!("{} writes acknowledged, exit codes {codes:?}", history.acknowledged.len());
    assert_eq!(codes, [Some(EXIT_STORAGE); 2], "{}\n{}", cluster.log(1), cluster.log(2));
    for ballast in ballast {
        ballast.remove();
    }
    for data in &data[..2] {
        let mut command = Command::new(BINARY);
        let status = command.args(["log", "status", "--data-dir"]).arg(data).output().unwrap();
        let status = String::from_utf8_lossy(&status.stdout).into_owned();
        assert!(status.lines().any(|line| line == "broken       no"), "{status}");
    }

    for node in [1, 2] {
        cluster.start(node);
    }
    cluster.leader(&client).await;
    write(&client, number, 64, &mut history).await;
    let last = history.acknowledged.last().unwrap();
    assert_eq!(last.value[..8], number.to_be_bytes(), "the cluster does not accept writes");
    let leader = cluster.leader(&client).await;
    let last = cluster.until(&client, leader, |_| true).await.last_log.index;
    for node in cluster.ids() {
        cluster.until(&client, node, |report| report.applied_index >= last).await;
    }
    cluster.stop();
    for (node, data) in (1..).zip(&data) {
        let (missing, _) = history.missing_from(data, identity_in(data));
        assert!(missing.is_empty(), "node {node} lost {} acknowledged writes", missing.len());
    }
}

/// Below the reserve a leader refuses commands that add data, and no others, until there is space
/// again.
#[test]
fn leader_below_its_reserve_refuses_writes_and_nothing_else() {
    with_small_file_systems(
        "process::full_disk::leader_below_its_reserve_refuses_writes_and_nothing_else",
        SPACIOUS_BYTES,
        |mounts| tokio::runtime::Runtime::new().unwrap().block_on(fall_below_the_reserve(mounts)),
    );
}

async fn fall_below_the_reserve(mounts: &Path) {
    const RESERVE_BYTES: u64 = 16 << 20;
    let mut cluster = Cluster::new(3);
    let data = [mounts.join("a/data"), mounts.join("b/data"), cluster.data_dir(3)];
    for (node, data) in (1..).zip(&data) {
        // A busy machine must not move the leadership, to node 3 least of all, which has space.
        let (reserve_bytes, timeout) =
            if node == 3 { (0, "15s") } else { (RESERVE_BYTES, "1500ms") };
        let keys =
            format!("storage_reserve_bytes = {reserve_bytes}\nelection_timeout = \"{timeout}\"");
        configure(&cluster, node, data, &keys);
    }
    // One of the two nodes with small disks is the leader.
    for node in [1, 2] {
        cluster.start(node);
    }
    let client = cluster.client();
    let leader = cluster.leader(&client).await;
    cluster.start(3);
    // RocksDB allocates a write-ahead log with its first write. A node that applies the second
    // command has written the first one to both databases.
    for key in ["a", "b"] {
        client.put(put(key, "1")).await.unwrap();
        let last = cluster.until(&client, leader, |_| true).await.last_log.index;
        for node in [1, 2] {
            cluster.until(&client, node, |report| report.applied_index >= last).await;
        }
    }

    let level = |wanted| {
        move |report: &StatusReport| report.space.is_some_and(|space| space.level == wanted)
    };
    let fill = || ["a", "b"].map(|name| Ballast::leaving(RESERVE_BYTES / 2, &mounts.join(name)));
    let is_short =
        |report: &StatusReport| report.space.is_some_and(|space| space.level != SpaceLevel::Ample);
    let ballast = fill();
    cluster.until(&client, leader, level(SpaceLevel::Low)).await;
    cluster.until(&client, 3 - leader, is_short).await;
    let refused = client.put(put("a", "2")).await;
    assert!(matches!(refused, Err(Error::NoSpace(_))), "{refused:?}");
    println!("{}", refused.unwrap_err());
    let metrics = super::http::get_from(&cluster, leader, "/metrics");
    assert!(metrics.contains("raft_storage_no_space_refusals_total 1\n"), "{metrics}");
    let status = super::http::get_from(&cluster, leader, "/v1/status");
    assert!(status.contains("\"level\":\"low\""), "{status}");
    assert_eq!(client.get("a".into()).await.unwrap().value.unwrap().value, "1");
    let b = DeleteRange { range: KeyRange::Key("b".into()), prev_kv: false };
    let deleted = client.delete(b).await.unwrap();
    assert_eq!(deleted.value.count, 1);
    assert_eq!(client.compact(deleted.revision).await.unwrap(), deleted.revision);

    for ballast in ballast {
        ballast.remove();
    }
    cluster.until(&client, leader, level(SpaceLevel::Ample)).await;
    client.put(put("a", "2")).await.unwrap();

    // Elections work below the reserve, and a node starts below it.
    // RocksDB may use more of what is left meanwhile, and it may release a write-ahead log.
    let ballast = fill();
    for (node, ballast) in (1..).zip(&ballast) {
        let becomes_short = |report: &StatusReport| {
            ballast.top_up(RESERVE_BYTES / 2);
            is_short(report)
        };
        cluster.until(&client, node, becomes_short).await;
    }
    cluster.kill(leader);
    cluster.kill(3);
    cluster.start(leader);
    let other = 3 - leader;
    cluster.until(&client, other, |report| report.leader.is_some_and(|l| l.get() != 3)).await;
    assert_eq!(client.get("a".into()).await.unwrap().value.unwrap().value, "2");
    cluster.stop();
}

fn put(key: &'static str, value: &'static str) -> Put {
    Put { key: key.into(), value: value.into(), prev_kv: false }
}
