//! A disk that does not finish a write for a while.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use quinn::{Endpoint, RecvStream};
use raft_core::ports::{LogReader, LogStore, Recovered, StoreError, Transport};
use raft_core::{
    Config, GroupId, Identity, Incarnation, LogId, Membership, NodeId, Persist, RoleKind,
};
use raft_server::kv::client::{Client, ClientConfig, Retry};
use raft_server::kv::client_api::{ClientApi, ClientApiConfig};
use raft_server::kv::protocol::{
    ClientHello, FrameReader, Request, RequestBody, Response, ResponseBody, SUPPORTED_VERSIONS,
    ServerHello, read_message, write_frame,
};
use raft_server::kv::state_machine::{Command, KvOptions, KvStateMachine, Op, Put};
use raft_server::{Node, NodeHandle};
use raft_storage::MemLogStore;
use raft_transport_mem::Hub;
use raft_transport_quic::tls::{self, Role, SERVER_NAME};
use tempfile::TempDir;

use super::calls::within;
use super::tls::{CLUSTER, Issuer};

const IDENTITY: Identity =
    Identity { cluster: CLUSTER, group: GroupId(0), node: NodeId(1), incarnation: Incarnation(1) };
const KV: KvOptions = KvOptions { block_cache_bytes: 1 << 20, write_buffer_bytes: 1 << 20 };
/// Requests of one connection that the node reads before it has answered one.
const IN_FLIGHT_MAX: u32 = 4;

/// Whether writes of the log finish.
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

/// A log on such a disk.
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

/// A cluster of one node, which leads.
struct SingleNode {
    issuer: Issuer,
    disk: Disk,
    api: ClientApi,
    _node: NodeHandle,
    _data: TempDir,
}

impl SingleNode {
    async fn led() -> Self {
        let (data, disk) = (tempfile::tempdir().unwrap(), Disk::default());
        let machine = KvStateMachine::open(data.path(), IDENTITY, &KV).unwrap();
        let reader = machine.reader();
        let hub = Hub::new();
        let mut config = Config::new(IDENTITY, 1);
        // A leader whose disk stalls for long steps down; not in this test.
        config.election_timeout_min = Duration::from_secs(600);
        let node = Node::builder()
            .config(config)
            .bootstrap(Membership::of_voters([NodeId(1)]))
            .peers(Vec::new())
            .state_machine(machine)
            .store(StallingStore { store: MemLogStore::default(), disk: disk.clone() })
            .transport(move |inbox| Ok(Arc::new(hub.join(NodeId(1), inbox)) as Arc<dyn Transport>))
            .start()
            .await
            .unwrap();
        let mut leadership = node.subscribe();
        node.campaign().await;
        within(leadership.wait_for(|now| now.role == RoleKind::Leader)).await.unwrap();
        let issuer = Issuer::new();
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut config = ClientApiConfig::new(listen, CLUSTER, NodeId(1), issuer.node(1));
        config.in_flight_max = IN_FLIGHT_MAX;
        let api = ClientApi::start(config, node.clone(), reader).unwrap();
        Self { issuer, disk, api, _node: node, _data: data }
    }
}

impl Drop for SingleNode {
    fn drop(&mut self) {
        // The node's threads end before it is gone.
        self.disk.resume();
    }
}

fn put(key: u64) -> Put {
    Put { key: key.to_string().into(), value: "v".into(), prev_kv: false }
}

/// With every request that a connection may have waiting for the disk, nothing more is read from
/// its stream of requests. Pings must not wait for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_are_answered_while_no_further_request_is_read() {
    let cluster = SingleNode::led().await;
    let endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let config = tls::client_config(&cluster.issuer.client(), Role::Client).unwrap();
    let connecting = endpoint.connect_with(config, cluster.api.address(), SERVER_NAME).unwrap();
    let connection = within(connecting).await.unwrap();
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    let mut out = Vec::new();
    write_frame(&mut out, &ClientHello { versions: SUPPORTED_VERSIONS, cluster: Some(CLUSTER) })
        .unwrap();
    send.write_all(&out).await.unwrap();
    let mut reader = FrameReader::default();
    let welcome: ServerHello = within(read(&mut receive, &mut reader)).await;
    assert_eq!(welcome.in_flight_max, IN_FLIGHT_MAX);
    cluster.disk.stall();
    out.clear();
    for id in 0..=u64::from(IN_FLIGHT_MAX) {
        let body = RequestBody::Command(Command::without_session(Op::Put(put(id))));
        write_frame(&mut out, &Request { id, body }).unwrap();
    }
    send.write_all(&out).await.unwrap();

    let (mut pings, mut responses) = within(connection.open_bi()).await.unwrap();
    for id in 100..103 {
        let mut ping = Vec::new();
        write_frame(&mut ping, &Request { id, body: RequestBody::Ping }).unwrap();
        pings.write_all(&ping).await.unwrap();
        let reply: Response = within(read(&mut responses, &mut FrameReader::default())).await;
        assert_eq!(reply, Response { id, body: ResponseBody::Pong });
    }

    cluster.disk.resume();
    for _ in 0..=IN_FLIGHT_MAX {
        let reply: Response = within(read(&mut receive, &mut reader)).await;
        assert!(matches!(reply.body, ResponseBody::Output(_)), "{reply:?}");
    }
}

/// A write that waits for the disk is not lost, and its outcome does not become unknown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_stalls_for_longer_than_the_silence_timeout_is_waited_for() {
    const SILENCE_TIMEOUT: Duration = Duration::from_millis(100);
    let cluster = SingleNode::led().await;
    let endpoints = vec![cluster.api.address().to_string()];
    let mut config = ClientConfig::new(endpoints, cluster.issuer.client());
    config.timeout = Duration::from_secs(20);
    config.silence_timeout = SILENCE_TIMEOUT;
    config.retry = Retry::WhenSafe;
    let client = Client::new(config).unwrap();
    within(client.put(put(0))).await.unwrap();
    cluster.disk.stall();
    let mut puts = tokio::task::JoinSet::new();
    for key in 1..=u64::from(IN_FLIGHT_MAX) {
        let client = client.clone();
        puts.spawn(async move { client.put(put(key)).await });
    }
    let stalled = tokio::time::timeout(10 * SILENCE_TIMEOUT, puts.join_next()).await;
    assert!(stalled.is_err(), "a write ended while the disk stalled: {stalled:?}");
    cluster.disk.resume();
    for written in within(puts.join_all()).await {
        written.unwrap();
    }
}

async fn read<M: serde::de::DeserializeOwned>(
    receive: &mut RecvStream,
    reader: &mut FrameReader,
) -> M {
    let mut chunk = [0; 4096];
    loop {
        if let Some(frame) = reader.next_frame().unwrap() {
            return read_message(frame).unwrap();
        }
        let bytes = receive.read(&mut chunk).await.unwrap().expect("the node stays");
        reader.extend(&chunk[..bytes]);
    }
}
