//! A disk whose writes do not complete for a while.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use raft_core::ports::{LogReader, LogStore, Recovered, StoreError};
use raft_core::{LogId, Persist};
use raft_server::kv::client::Retry;
use raft_server::kv::protocol::{Request, RequestBody, Response, ResponseBody, ServerHello};
use raft_server::kv::state_machine::{Command, Op, Put};
use raft_storage::MemLogStore;

use super::raw_client::RawClient;
use super::setup::within;
use super::single::SingleNode;

/// The most requests in flight on one connection.
const IN_FLIGHT_MAX: u32 = 4;

/// Whether writes of the log complete.
#[derive(Clone, Default)]
struct Disk(Arc<(Mutex<bool>, Condvar)>);

impl Disk {
    fn stall(&self) {
        *self.0.0.lock().unwrap() = true;
    }

    fn resume(&self) {
        *self.0.0.lock().unwrap() = false;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let (stalled, resumed) = &*self.0;
        drop(resumed.wait_while(stalled.lock().unwrap(), |stalled| *stalled).unwrap());
    }
}

/// A log on a disk that can stall.
struct StallingStore {
    store: MemLogStore,
    disk: Disk,
}

impl LogStore for StallingStore {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        self.store.recover()
    }

    fn persist(&mut self, changes: &[Persist]) -> Result<(), StoreError> {
        self.disk.wait();
        self.store.persist(changes)
    }

    fn compact(&mut self, up_to: LogId) -> Result<(), StoreError> {
        self.store.compact(up_to)
    }

    fn reader(&self) -> Box<dyn LogReader> {
        self.store.reader()
    }
}

/// Lets the writes complete at the end of the test, so that the node can stop.
struct ResumeOnDrop(Disk);

impl Drop for ResumeOnDrop {
    fn drop(&mut self) {
        self.0.resume();
    }
}

/// A node on a disk that can stall. The disk resumes before the node is dropped.
async fn node_on_stalling_disk() -> (SingleNode, ResumeOnDrop) {
    let disk = Disk::default();
    let log = StallingStore { store: MemLogStore::default(), disk: disk.clone() };
    let node = SingleNode::with_log(log, |config| config.in_flight_max = IN_FLIGHT_MAX).await;
    (node, ResumeOnDrop(disk))
}

fn put(key: u64) -> Put {
    Put { key: key.to_string().into(), value: "v".into(), prev_kv: false }
}

/// While the most requests of a connection wait for the disk, the node reads no further requests.
/// Pings must not wait for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_responds_to_pings_while_it_reads_no_requests() {
    let (node, disk) = node_on_stalling_disk().await;
    let (mut requests, server_hello): (_, ServerHello) =
        RawClient::open(node.api.address(), &node.issuer.client()).await;
    assert_eq!(server_hello.in_flight_max, IN_FLIGHT_MAX);
    disk.0.stall();
    for id in 0..=u64::from(IN_FLIGHT_MAX) {
        let body = RequestBody::Command(Command::without_session(Op::Put(put(id))));
        requests.send(&Request { id, body }).await;
    }

    let mut pings = RawClient::on(requests.connection.clone()).await;
    for id in 100..103 {
        pings.send(&Request { id, body: RequestBody::Ping }).await;
        let response: Response = pings.read().await;
        assert_eq!(response, Response { id, body: ResponseBody::Pong, leader: None });
    }

    disk.0.resume();
    for _ in 0..=IN_FLIGHT_MAX {
        let response: Response = requests.read().await;
        assert!(matches!(response.body, ResponseBody::Output(_)), "{response:?}");
    }
}

/// A write that waits for the disk is not lost, and its outcome does not become unknown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_waits_for_a_disk_that_stalls_for_longer_than_the_silence_timeout() {
    const SILENCE_TIMEOUT: Duration = Duration::from_millis(100);
    let (node, disk) = node_on_stalling_disk().await;
    let client = node.client_with(|config| {
        config.silence_timeout = SILENCE_TIMEOUT;
        config.retry = Retry::WhenSafe;
    });
    within(client.put(put(0))).await.unwrap();
    disk.0.stall();
    let mut puts = tokio::task::JoinSet::new();
    for key in 1..=u64::from(IN_FLIGHT_MAX) {
        let client = client.clone();
        puts.spawn(async move { client.put(put(key)).await });
    }
    let stalled = tokio::time::timeout(10 * SILENCE_TIMEOUT, puts.join_next()).await;
    assert!(stalled.is_err(), "a write ended while the disk stalled: {stalled:?}");
    disk.0.resume();
    for written in within(puts.join_all()).await {
        written.unwrap();
    }
}
