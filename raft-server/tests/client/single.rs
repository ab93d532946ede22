//! A cluster of one node in this process, which leads.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft_core::ports::{LogStore, StateMachine, Transport};
use raft_core::{
    Config, GroupId, Identity, Incarnation, LogId, LogIndex, Membership, NodeId, RoleKind,
    Settings, Term,
};
use raft_server::kv::client::{Client, ClientConfig};
use raft_server::kv::client_api::{ClientApi, ClientApiConfig};
use raft_server::kv::state_machine::{Command, KvOptions, KvReader, KvStateMachine, Op, Put};
use raft_server::{Node, NodeHandle};
use raft_storage::MemLogStore;
use raft_transport_mem::Hub;
use tempfile::TempDir;

use super::raw_client::RawClient;
use super::setup::within;
use super::tls::{CLUSTER, Issuer};

const IDENTITY: Identity =
    Identity { cluster: CLUSTER, group: GroupId(0), node: NodeId(1), incarnation: Incarnation(1) };
const KV: KvOptions = KvOptions { block_cache_bytes: 8 << 20, write_buffer_bytes: 8 << 20 };

/// The node and its client port.
pub(super) struct SingleNode {
    pub(super) issuer: Issuer,
    pub(super) api: ClientApi,
    _node: NodeHandle,
    /// The store that clients read, if it is not the one of the node.
    _read_store: Option<KvStateMachine>,
    _data: Vec<TempDir>,
}

impl SingleNode {
    /// Starts the node with this log. Its clients read what it applies.
    pub(super) async fn with_log(
        log: impl LogStore + 'static,
        configure: impl FnOnce(&mut ClientApiConfig),
    ) -> Self {
        let data = tempfile::tempdir().unwrap();
        let machine = KvStateMachine::open(data.path(), IDENTITY, &KV).unwrap();
        let reader = machine.reader();
        let node = leader(machine, log).await;
        let (issuer, api) = client_port(&node, reader, configure);
        Self { issuer, api, _node: node, _read_store: None, _data: vec![data] }
    }

    /// Starts the node. Its clients read these keys and values from a store that was just opened:
    /// all of it is in table files and none of it in the block cache.
    pub(super) async fn with_cold_store(
        kvs: impl IntoIterator<Item = (String, Bytes)>,
        configure: impl FnOnce(&mut ClientApiConfig),
    ) -> Self {
        let data = vec![tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let read_store = cold_store(&data[0], kvs);
        let machine = KvStateMachine::open(data[1].path(), IDENTITY, &KV).unwrap();
        let node = leader(machine, MemLogStore::default()).await;
        let (issuer, api) = client_port(&node, read_store.reader(), configure);
        Self { issuer, api, _node: node, _read_store: Some(read_store), _data: data }
    }

    pub(super) fn client(&self) -> Client {
        self.client_with(|_| {})
    }

    pub(super) fn client_with(&self, configure: impl FnOnce(&mut ClientConfig)) -> Client {
        let endpoints = vec![self.api.address().to_string()];
        let mut config = ClientConfig::new(endpoints, self.issuer.client());
        config.timeout = Duration::from_secs(20);
        configure(&mut config);
        Client::new(config).unwrap()
    }

    /// A raw client after the hello exchange.
    pub(super) async fn raw_client(&self) -> RawClient {
        RawClient::open(self.api.address(), &self.issuer.client()).await.0
    }
}

fn client_port(
    node: &NodeHandle,
    reader: KvReader,
    configure: impl FnOnce(&mut ClientApiConfig),
) -> (Issuer, ClientApi) {
    let issuer = Issuer::new();
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut config = ClientApiConfig::new(listen, CLUSTER, NodeId(1), issuer.node(1));
    configure(&mut config);
    let api = ClientApi::start(config, node.clone(), reader).unwrap();
    (issuer, api)
}

fn cold_store(dir: &TempDir, kvs: impl IntoIterator<Item = (String, Bytes)>) -> KvStateMachine {
    let mut store = KvStateMachine::open(dir.path(), IDENTITY, &KV).unwrap();
    for ((key, value), index) in kvs.into_iter().zip(1..) {
        let put = Op::Put(Put { key: key.into(), value, prev_kv: false });
        let id = LogId::new(Term(1), LogIndex(index));
        store.apply(id, &Command::without_session(put).encode()).unwrap();
        store.flush(id).unwrap();
    }
    drop(store);
    KvStateMachine::open(dir.path(), IDENTITY, &KV).unwrap()
}

async fn leader(machine: KvStateMachine, log: impl LogStore + 'static) -> NodeHandle {
    let hub = Hub::new();
    let mut settings = Settings::default();
    // A leader whose disk stalls for long steps down; in these tests it must not.
    settings.election_timeout_min = Duration::from_secs(600);
    let config = Config::new(IDENTITY, 1, settings).unwrap();
    let node = Node::builder()
        .config(config)
        .bootstrap(Membership::of_voters([NodeId(1)]))
        .peers(Vec::new())
        .state_machine(machine)
        .store(log)
        .transport(move |inbox| Ok(Arc::new(hub.join(NodeId(1), inbox)) as Arc<dyn Transport>))
        .start()
        .await
        .unwrap();
    let mut leadership = node.subscribe();
    node.campaign().await;
    within(leadership.wait_for(|now| now.role == RoleKind::Leader)).await.unwrap();
    node
}
