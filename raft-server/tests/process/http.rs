//! The HTTP port, with the requests of probes, scrapers and unknown clients.

use std::io::{Read, Write};
use std::net::TcpStream;

use raft_core::LogIndex;

use super::cluster::Cluster;
use super::poll::{self, PATIENCE};

/// Sends a request to node 1 and returns the whole response.
fn send(cluster: &Cluster, request: &str) -> String {
    send_to(cluster, 1, request)
}

fn send_to(cluster: &Cluster, node: u64, request: &str) -> String {
    let address = cluster.ports(node).http;
    // A process that has just been started has not bound the port yet.
    let mut stream = poll::until_blocking(
        || TcpStream::connect(address).ok(),
        || format!("node {node} does not accept connections at {address}"),
    );
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A node that refuses a request may close before it has read everything.
    let _ = stream.write_all(request.as_bytes());
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response);
    String::from_utf8_lossy(&response).into_owned()
}

pub(super) fn get(cluster: &Cluster, path: &str) -> String {
    get_from(cluster, 1, path)
}

/// A page of one node, with its head.
pub(super) fn get_from(cluster: &Cluster, node: u64, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    send_to(cluster, node, &request)
}

#[test]
fn pages_distinguish_a_ready_node_from_one_without_a_leader() {
    let mut cluster = Cluster::started(3);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let client = cluster.client();
    runtime.block_on(cluster.leader(&client));
    // A node that has applied nothing is not ready, although it knows the leader.
    runtime.block_on(cluster.until(&client, 1, |report| {
        report.leader.is_some() && report.applied_index > LogIndex::ZERO
    }));
    assert!(get(&cluster, "/livez").starts_with("HTTP/1.1 200"));
    assert!(get(&cluster, "/readyz").starts_with("HTTP/1.1 200"));
    let metrics = get(&cluster, "/metrics");
    for line in [
        "etcd_server_has_leader 1",
        "# TYPE etcd_server_leader_changes_seen counter",
        "etcd_server_proposals_committed_total ",
        "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"+Inf\"}",
        "etcd_network_peer_sent_bytes_total{To=\"2\"}",
        "etcd_network_peer_received_bytes_total{From=\"2\"}",
        "raft_peer_port_handshakes_total ",
        "raft_client_response_waits_total ",
        "process_cpu_seconds_total ",
    ] {
        assert!(metrics.contains(line), "`{line}` is not in {metrics}");
    }
    let explained = get(&cluster, "/explain");
    assert!(explained.contains("\r\n\r\nnode 1: "), "{explained}");
    let explained = get(&cluster, "/v1/explain");
    assert!(explained.contains("{\"raft\":{\"node\":1,\"role\":"), "{explained}");
    let status = get(&cluster, "/v1/status");
    let body = status.split("\r\n\r\n").nth(1).unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["node_id"], 1);
    assert_eq!(body["membership"]["voters"], serde_json::json!([1, 2, 3]));
    assert_eq!(body["peers"]["2"]["connected"], true);

    cluster.kill(2);
    cluster.kill(3);
    runtime.block_on(cluster.until(&client, 1, |report| report.leader.is_none()));
    assert!(get(&cluster, "/livez").starts_with("HTTP/1.1 200"));
    let not_ready = get(&cluster, "/readyz");
    assert!(not_ready.starts_with("HTTP/1.1 503"), "{not_ready}");
    assert!(not_ready.contains("no leader is known"), "{not_ready}");
    // The last messages of the others are recent for some hundred milliseconds.
    for part in
        ["2 of 3 voters are needed, contact with 1 only", "peers: no connection to node 2: "]
    {
        poll::until_blocking(
            || get(&cluster, "/explain").contains(part).then_some(()),
            || format!("`{part}` is not in {}", get(&cluster, "/explain")),
        );
    }
}

#[test]
fn invalid_requests_are_refused() {
    let mut cluster = Cluster::started(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(cluster.leader(&cluster.client()));
    let foreign = "GET /v1/status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert!(send(&cluster, foreign).starts_with("HTTP/1.1 403"));
    let post = "POST /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                Content-Length: 2\r\n\r\n{}";
    assert!(send(&cluster, post).starts_with("HTTP/1.1 405"));
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let refused = send(&cluster, &long);
    assert!(refused.starts_with("HTTP/1.1 431") || refused.is_empty(), "{refused}");
    assert!(send(&cluster, "\x16\x03\x01 this is no HTTP\r\n\r\n").starts_with("HTTP/1.1 400"));
    assert!(get(&cluster, "/../etc/passwd").starts_with("HTTP/1.1 404"));
    assert!(get(&cluster, "/livez").starts_with("HTTP/1.1 200"));
    cluster.stop();
}
