//! A cluster of one node in this process, whose clients read a store that the test has prepared.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft_core::ports::{StateMachine, Transport};
use raft_core::{
    Config, GroupId, Identity, Incarnation, LogId, LogIndex, Membership, NodeId, RoleKind, Term,
};
use raft_server::kv::client::{Client, ClientConfig};
use raft_server::kv::client_api::{ClientApi, ClientApiConfig};
use raft_server::kv::state_machine::{Command, KvOptions, KvStateMachine, Op, Put};
use raft_server::{Node, NodeHandle};
use raft_storage::MemLogStore;
use raft_transport_mem::Hub;
use tempfile::TempDir;

use super::calls::within;
use super::tls::{CLUSTER, Issuer};

const IDENTITY: Identity =
    Identity { cluster: CLUSTER, group: GroupId(0), node: NodeId(1), incarnation: Incarnation(1) };
const KV: KvOptions = KvOptions { block_cache_bytes: 8 << 20, write_buffer_bytes: 8 << 20 };

/// The node, which leads, and its port for clients.
pub(super) struct SingleNode {
    pub(super) issuer: Issuer,
    pub(super) api: ClientApi,
    _node: NodeHandle,
    _read_store: KvStateMachine,
    _data: [TempDir; 2],
}

impl SingleNode {
    /// Starts the node. Its clients read these keys and values from a store that was just opened:
    /// all of it is in table files and none of it in the block cache.
    pub(super) async fn serving(
        kvs: impl IntoIterator<Item = (String, Bytes)>,
        configure: impl FnOnce(&mut ClientApiConfig),
    ) -> Self {
        let data = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let read_store = cold_store(&data[0], kvs);
        let node = leader(KvStateMachine::open(data[1].path(), IDENTITY, &KV).unwrap()).await;
        let issuer = Issuer::new();
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut config = ClientApiConfig::new(listen, CLUSTER, NodeId(1), issuer.node(1));
        configure(&mut config);
        let api = ClientApi::start(config, node.clone(), read_store.reader()).unwrap();
        Self { issuer, api, _node: node, _read_store: read_store, _data: data }
    }

    pub(super) fn client(&self) -> Client {
        let endpoints = vec![self.api.address().to_string()];
        let mut config = ClientConfig::new(endpoints, self.issuer.client());
        config.timeout = Duration::from_secs(20);
        Client::new(config).unwrap()
    }
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

async fn leader(machine: KvStateMachine) -> NodeHandle {
    let hub = Hub::new();
    let node = Node::builder()
        .config(Config::new(IDENTITY, 1))
        .bootstrap(Membership::of_voters([NodeId(1)]))
        .peers(Vec::new())
        .state_machine(machine)
        .store(MemLogStore::default())
        .transport(move |inbox| Ok(Arc::new(hub.join(NodeId(1), inbox)) as Arc<dyn Transport>))
        .start()
        .await
        .unwrap();
    let mut leadership = node.subscribe();
    node.campaign().await;
    within(leadership.wait_for(|now| now.role == RoleKind::Leader)).await.unwrap();
    node
}
