//! Invalid certificates.

use raft_core::NodeId;
use raft_server::certificates::Validity;
use raft_transport_quic::tls::PeerIdentity;

use super::serve;
use crate::process::cluster::Cluster;

#[test]
fn unreadable_certificate_is_named() {
    let cluster = Cluster::new(3);
    std::fs::remove_file(cluster.path("node-1.pem")).unwrap();
    serve(&cluster, &["--bootstrap"]).expect(78, &["node-1.pem", "No such file"]);
    std::fs::write(cluster.path("node-1.pem"), "no certificate").unwrap();
    serve(&cluster, &["--bootstrap"]).expect(78, &["node-1.pem", "PEM"]);
}

#[test]
fn key_of_another_certificate_is_refused() {
    let cluster = Cluster::new(3);
    let other = cluster.path("node-2.key");
    let flag = format!("--tls-key={}", other.display());
    serve(&cluster, &["--bootstrap", &flag])
        .expect(78, &["node-2.key does not belong to the certificate", "node-1.pem"]);
}

#[test]
fn certificate_of_another_node_is_refused() {
    let cluster = Cluster::new(3);
    let file = |name: &str| cluster.path(name).display().to_string();
    let certificate = format!("--tls-certificate={}", file("node-2.pem"));
    let key = format!("--tls-key={}", file("node-2.key"));
    serve(&cluster, &["--bootstrap", &certificate, &key])
        .expect(78, &["this is node 1", "node-2.pem", "/node/2"]);
}

#[test]
fn expired_certificate_is_refused_with_its_date() {
    let cluster = Cluster::new(3);
    let holder = PeerIdentity::Node { cluster: cluster.id(), node: NodeId(1) };
    cluster.certify("node-1", &holder, Validity { from_year: 2010, to_year: 2011 });
    serve(&cluster, &["--bootstrap"]).expect(78, &["expired on", "2011", "node-1.pem"]);
}

#[test]
fn check_warns_of_a_key_that_other_users_can_read() {
    use std::os::unix::fs::PermissionsExt;

    let cluster = Cluster::new(3);
    let key = cluster.path("node-1.key");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let quiet = super::check(&cluster, &[]);
    assert!(!quiet.output.contains("private key"), "{}", quiet.output);
    let remedy = format!("chmod 600 {}", key.display());
    for mode in [0o640, 0o604, 0o620] {
        std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
        super::check(&cluster, &[]).expect(
            0,
            &["warning: the private key", "node-1.key", &format!("mode 0{mode:o}"), &remedy],
        );
    }
}
