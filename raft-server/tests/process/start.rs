//! A node during its start.

use std::os::unix::fs::PermissionsExt;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;

use super::cluster::Cluster;
use super::http::get;

/// The recovery of a long log takes minutes. Here the first read of the data blocks, because the
/// file is a pipe without a writer.
#[test]
fn node_serves_probes_and_handles_signals_while_it_opens_its_data() {
    let mut cluster = Cluster::new(1);
    let log = cluster.data_dir(1).join("log");
    std::fs::create_dir_all(&log).unwrap();
    mknodat(CWD, log.join("IDENTITY"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    // The process exits after this time although the recovery blocks.
    let text = cluster.config_text(1);
    std::fs::write(cluster.config(1), format!("shutdown_grace = \"200ms\"\n{text}")).unwrap();
    cluster.start(1);
    assert!(get(&cluster, "/livez").starts_with("HTTP/1.1 200"));
    for path in ["/readyz", "/metrics", "/v1/status"] {
        let response = get(&cluster, path);
        assert!(response.starts_with("HTTP/1.1 503"), "{response}");
        assert!(response.contains("starting"), "{response}");
    }
    cluster.signal(1, Signal::TERM);
    assert_eq!(cluster.ended(1).code(), Some(0), "{}", cluster.log(1));
    assert!(cluster.log(1).contains("shutting down during the start"), "{}", cluster.log(1));
}

#[test]
fn data_directory_is_closed_to_other_users() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut cluster = Cluster::started(1);
    runtime.block_on(cluster.leader(&cluster.client()));
    let data_dir = cluster.data_dir(1);
    let mode = || std::fs::metadata(&data_dir).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o700);
    cluster.stop();
    let warning = "other users of this machine have access to the data directory";
    assert!(!cluster.log(1).contains(warning), "{}", cluster.log(1));

    std::fs::set_permissions(&data_dir, PermissionsExt::from_mode(0o750)).unwrap();
    cluster.start(1);
    runtime.block_on(cluster.leader(&cluster.client()));
    cluster.stop();
    assert_eq!(mode(), 0o750, "the node does not change the mode");
    assert!(cluster.log(1).contains(warning), "{}", cluster.log(1));
}
