//! Ports in use.

use std::net::{TcpListener, UdpSocket};

use super::serve;
use crate::process::cluster::Cluster;

#[test]
fn peer_port_in_use_is_named_with_its_protocol() {
    let cluster = Cluster::new(1);
    let address = cluster.ports(1).peer;
    let _bound = UdpSocket::bind(address).unwrap();
    serve(&cluster, &["--bootstrap"]).expect(69, &["UDP", &address.to_string(), "in use"]);
}

#[test]
fn client_port_in_use_is_named_with_its_protocol() {
    let cluster = Cluster::new(1);
    let address = cluster.ports(1).client;
    let _bound = UdpSocket::bind(address).unwrap();
    serve(&cluster, &["--bootstrap"]).expect(69, &["UDP", &address.to_string(), "in use"]);
}

#[test]
fn http_port_in_use_is_named_with_its_protocol() {
    let cluster = Cluster::new(1);
    let address = cluster.ports(1).http;
    let _bound = TcpListener::bind(address).unwrap();
    serve(&cluster, &["--bootstrap"])
        .expect(69, &["TCP", &address.to_string(), "in use", "listen_http"]);
}
