//! Clients that request much and read little.

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;
use raft_server::kv::client_api::{ClientApiMonitor, ClientApiStatus};
use raft_server::kv::protocol::{Consistency, Request, RequestBody, Response, ResponseBody};
use raft_server::kv::state_machine::{KeyRange, QueryResultBody, RangeRequest};

use super::raw_client::{RawClient, frame};
use super::setup::WAIT_MAX;
use super::single::SingleNode;

const MIB: usize = 1 << 20;
/// Keys in the store, each with a value of this size: a range of all of them is one response.
const KEYS: usize = 8;
const VALUE_BYTES: usize = 8 << 10;

async fn node(connection_bytes_max: usize, identity_bytes_max: usize) -> SingleNode {
    let value = Bytes::from(vec![b'v'; VALUE_BYTES]);
    let kvs = (0..KEYS).map(|number| (format!("k{number}"), value.clone()));
    SingleNode::with_cold_store(kvs, |config| {
        config.connection_response_bytes_max = connection_bytes_max;
        config.identity_response_bytes_max = identity_bytes_max;
    })
    .await
}

/// A client that reads responses only when the test requests it.
struct Pipeline(RawClient);

impl Pipeline {
    async fn open(node: &SingleNode) -> Self {
        Self(node.raw_client().await)
    }

    /// Requests everything, once for each id.
    async fn request_all(&mut self, ids: Range<u64>) {
        let mut bytes = Vec::new();
        for id in ids {
            let request = RangeRequest::new(KeyRange::all());
            let body = RequestBody::Range { request, consistency: Consistency::Serializable };
            bytes.extend(frame(&Request { id, body }));
        }
        self.0.send_bytes(&bytes).await;
    }

    /// Reads this many responses. Each must be complete and have its own id.
    async fn take(&mut self, count: usize) {
        let mut ids = BTreeSet::new();
        for _ in 0..count {
            let response: Response = self.0.read().await;
            let ResponseBody::Range { result, .. } = response.body else { panic!("{response:?}") };
            let QueryResultBody::Range(range) = result.body else { panic!("{:?}", result.body) };
            assert_eq!(range.kvs.len(), KEYS);
            assert!(range.kvs.iter().all(|kv| kv.value.len() == VALUE_BYTES));
            assert!(ids.insert(response.id), "response {} came twice", response.id);
        }
    }
}

/// Waits until the counters of the port meet a condition.
async fn until(monitor: &ClientApiMonitor, condition: impl Fn(&ClientApiStatus) -> bool) {
    let reached = tokio::time::timeout(WAIT_MAX, async {
        while !condition(&monitor.status()) {
            tokio::task::yield_now().await;
        }
    });
    assert!(reached.await.is_ok(), "not reached: {:?}", monitor.status());
}

/// Waits until the node has produced many responses that the client does not read, or makes
/// requests wait. How many requests run concurrently depends on the machine.
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
    let node = node(BUDGET, BUDGET).await;
    let monitor = node.api.monitor();
    let mut pipeline = Pipeline::open(&node).await;
    pipeline.request_all(0..REQUESTS as u64).await;
    until_responses_are_unread(&monitor).await;
    pipeline.take(REQUESTS).await;
    until_nothing_is_charged(&monitor).await;
    let peak = monitor.status().response_bytes_peak;
    assert!(peak <= BUDGET as u64, "{peak} bytes were charged");
}

/// A connection that reads nothing uses no more of the identity's budget than its own budget.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_connection_does_not_block_others_of_its_identity() {
    let node = node(4 * MIB, 8 * MIB).await;
    let monitor = node.api.monitor();
    let mut unread = Pipeline::open(&node).await;
    unread.request_all(0..1024).await;
    until_responses_are_unread(&monitor).await;
    let mut other = Pipeline::open(&node).await;
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
    let node = node(4 * MIB, 5 * MIB).await;
    let monitor = node.api.monitor();
    let mut first = Pipeline::open(&node).await;
    let mut second = Pipeline::open(&node).await;
    first.request_all(0..300).await;
    second.request_all(0..300).await;
    tokio::join!(first.take(300), second.take(300));
    until_nothing_is_charged(&monitor).await;
    assert!(monitor.status().response_bytes_peak <= 5 * MIB as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn response_larger_than_the_budget_is_produced_alone() {
    let node = node(KEYS, usize::MAX).await;
    let monitor = node.api.monitor();
    let mut pipeline = Pipeline::open(&node).await;
    pipeline.request_all(0..50).await;
    pipeline.take(50).await;
    until_nothing_is_charged(&monitor).await;
    assert_eq!(monitor.status().response_bytes_peak, KEYS as u64);
}
