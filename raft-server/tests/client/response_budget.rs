//! Clients that ask for much and take little.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

use bytes::Bytes;
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use raft_server::kv::client_api::{ClientApiMonitor, ClientApiStatus};
use raft_server::kv::protocol::{
    ClientHello, Consistency, FrameReader, Request, RequestBody, Response, ResponseBody,
    SUPPORTED_VERSIONS, ServerHello, read_message, write_frame,
};
use raft_server::kv::state_machine::{KeyRange, QueryResultBody, RangeRequest};
use raft_transport_quic::tls::{self, Role, SERVER_NAME};

use super::calls::{PATIENCE, within};
use super::single::SingleNode;
use super::tls::CLUSTER;

const MIB: usize = 1 << 20;
/// Keys in the store, each with a value of this size: a range of all of them is one response.
const KEYS: usize = 8;
const VALUE_BYTES: usize = 8 << 10;

async fn single(connection_bytes_max: usize, identity_bytes_max: usize) -> SingleNode {
    let value = Bytes::from(vec![b'v'; VALUE_BYTES]);
    let kvs = (0..KEYS).map(|number| (format!("k{number}"), value.clone()));
    SingleNode::serving(kvs, |config| {
        config.connection_response_bytes_max = connection_bytes_max;
        config.identity_response_bytes_max = identity_bytes_max;
    })
    .await
}

/// A client's connection that reads only when it is told to.
struct Pipeline {
    _connection: Connection,
    send: SendStream,
    receive: RecvStream,
    reader: FrameReader,
}

impl Pipeline {
    async fn open(single: &SingleNode) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let endpoint = Endpoint::client(any).unwrap();
        let config = tls::client_config(&single.issuer.client(), Role::Client).unwrap();
        let connecting = endpoint.connect_with(config, single.api.address(), SERVER_NAME).unwrap();
        let connection = within(connecting).await.unwrap();
        let (send, receive) = connection.open_bi().await.unwrap();
        let reader = FrameReader::default();
        let mut pipeline = Self { _connection: connection, send, receive, reader };
        let hello = ClientHello { versions: SUPPORTED_VERSIONS, cluster: Some(CLUSTER) };
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &hello).unwrap();
        pipeline.send.write_all(&bytes).await.unwrap();
        let _: ServerHello = pipeline.read().await;
        pipeline
    }

    /// Requests everything, once for each id.
    async fn request_all(&mut self, ids: Range<u64>) {
        let mut bytes = Vec::new();
        for id in ids {
            let request = RangeRequest::new(KeyRange::all());
            let body = RequestBody::Range { request, consistency: Consistency::Serializable };
            write_frame(&mut bytes, &Request { id, body }).unwrap();
        }
        within(self.send.write_all(&bytes)).await.unwrap();
    }

    /// Reads this many responses and checks that each is whole and none comes twice.
    async fn take(&mut self, count: usize) {
        let mut ids = BTreeSet::new();
        for _ in 0..count {
            let reply: Response = within(self.read()).await;
            let ResponseBody::Range(answer) = reply.body else { panic!("{reply:?}") };
            let QueryResultBody::Range(result) = answer.body else { panic!("{:?}", answer.body) };
            assert_eq!(result.kvs.len(), KEYS);
            assert!(result.kvs.iter().all(|kv| kv.value.len() == VALUE_BYTES));
            assert!(ids.insert(reply.id), "response {} came twice", reply.id);
        }
    }

    async fn read<M: serde::de::DeserializeOwned>(&mut self) -> M {
        let mut chunk = vec![0; 64 << 10];
        loop {
            if let Some(frame) = self.reader.next_frame().unwrap() {
                return read_message(frame).unwrap();
            }
            let bytes = self.receive.read(&mut chunk).await.unwrap().expect("the node stays");
            self.reader.extend(&chunk[..bytes]);
        }
    }
}

/// Waits until the numbers of the port are as the test needs them.
async fn until(monitor: &ClientApiMonitor, condition: impl Fn(&ClientApiStatus) -> bool) {
    let reached = tokio::time::timeout(PATIENCE, async {
        while !condition(&monitor.status()) {
            tokio::task::yield_now().await;
        }
    });
    assert!(reached.await.is_ok(), "not reached: {:?}", monitor.status());
}

/// Waits until the node has produced many responses that the client does not read, or holds
/// requests back. How many requests are executed side by side depends on the machine.
async fn until_responses_are_unread(monitor: &ClientApiMonitor) {
    const RESPONSES: u64 = 16;
    until(monitor, |status| status.response_waits > 0 || status.disk_reads >= RESPONSES).await;
}

async fn until_nothing_is_charged(monitor: &ClientApiMonitor) {
    until(monitor, |status| status.response_bytes == 0).await;
}

/// Requests of 20 bytes each must not make a node hold a large response for each of them: without
/// a budget, up to 2 GiB are charged here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_that_a_client_does_not_read_stay_within_its_budget() {
    const REQUESTS: usize = 1024;
    const BUDGET: usize = 4 * MIB;
    let single = single(BUDGET, BUDGET).await;
    let monitor = single.api.monitor();
    let mut pipeline = Pipeline::open(&single).await;
    pipeline.request_all(0..REQUESTS as u64).await;
    until_responses_are_unread(&monitor).await;
    pipeline.take(REQUESTS).await;
    until_nothing_is_charged(&monitor).await;
    let peak = monitor.status().response_bytes_peak;
    assert!(peak <= BUDGET as u64, "{peak} bytes were charged");
}

/// A connection that takes nothing holds no more than its own budget of what its identity has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_not_read_does_not_hold_up_others_of_its_identity() {
    let single = single(4 * MIB, 8 * MIB).await;
    let monitor = single.api.monitor();
    let mut unread = Pipeline::open(&single).await;
    unread.request_all(0..1024).await;
    until_responses_are_unread(&monitor).await;
    let mut other = Pipeline::open(&single).await;
    for round in 0..20 {
        other.request_all(round * 10..round * 10 + 10).await;
        other.take(10).await;
    }
    assert!(monitor.status().response_bytes_peak <= 8 * MIB as u64);
    drop(unread);
    until_nothing_is_charged(&monitor).await;
}

/// The connections of one identity share its budget, which is less than those of both together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_an_identity_stay_within_its_budget() {
    let single = single(4 * MIB, 5 * MIB).await;
    let monitor = single.api.monitor();
    let mut first = Pipeline::open(&single).await;
    let mut second = Pipeline::open(&single).await;
    first.request_all(0..300).await;
    second.request_all(0..300).await;
    tokio::join!(first.take(300), second.take(300));
    until_nothing_is_charged(&monitor).await;
    assert!(monitor.status().response_bytes_peak <= 5 * MIB as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_larger_than_the_budget_is_produced_alone() {
    let single = single(KEYS, usize::MAX).await;
    let monitor = single.api.monitor();
    let mut pipeline = Pipeline::open(&single).await;
    pipeline.request_all(0..50).await;
    pipeline.take(50).await;
    until_nothing_is_charged(&monitor).await;
    assert_eq!(monitor.status().response_bytes_peak, KEYS as u64);
}
