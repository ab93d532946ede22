//! Real nodes in this process, with their client ports on loopback.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use raft_core::ports::{PeerAddress, Transport};
use raft_core::{
    Config, GroupId, Identity, Incarnation, MemberInfo, Membership, NodeId, RoleKind, Settings,
};
use raft_server::kv::client::{Client, ClientConfig, Error};
use raft_server::kv::client_api::{ClientApi, ClientApiConfig, MemberAddresses};
use raft_server::kv::protocol::{Consistency, Role};
use raft_server::kv::state_machine::{
    DeleteRange, KeyRange, KvOptions, KvStateMachine, Put, RangeRequest, Revision, Txn, TxnOp,
    TxnOpResult,
};
use raft_server::space::{SpaceLevel, SpaceMonitor};
use raft_server::{Node, NodeHandle};
use raft_storage::MemLogStore;
use raft_transport_mem::Hub;
use tempfile::TempDir;

use super::setup::within;
use super::tls::{CLUSTER, Issuer};

const NODES: u64 = 3;
const INCARNATION: Incarnation = Incarnation(1);
/// The most connections of a node in these tests.
pub(super) const CONNECTIONS_MAX: usize = 16;
const KV: KvOptions = KvOptions { block_cache_bytes: 1 << 20, write_buffer_bytes: 1 << 20 };

pub(super) struct Member {
    pub(super) node: NodeHandle,
    pub(super) api: ClientApi,
    disk: Disk,
    _data: TempDir,
}

/// The disk of a member; the test sets its free space.
struct Disk {
    free_bytes: Arc<AtomicU64>,
    monitor: Arc<SpaceMonitor>,
}

impl Disk {
    const RESERVE_BYTES: u64 = 1_000;

    fn with_space() -> Self {
        let free_bytes = Arc::new(AtomicU64::new(u64::MAX));
        let source = Arc::clone(&free_bytes);
        let monitor =
            SpaceMonitor::new(Self::RESERVE_BYTES, move || Ok(source.load(Ordering::Relaxed)));
        Self { free_bytes, monitor: Arc::new(monitor) }
    }

    fn set_free_bytes(&self, bytes: u64) {
        self.free_bytes.store(bytes, Ordering::Relaxed);
        self.monitor.sample().unwrap();
    }
}

pub(super) struct Cluster {
    pub(super) issuer: Issuer,
    pub(super) members: Vec<Member>,
}

impl Cluster {
    /// Three nodes of which the first leads. Elections happen only when a test starts one.
    pub(super) async fn led() -> Self {
        Self::led_with_timeout(Duration::from_secs(600)).await
    }

    /// Three nodes of which the first leads until it is deposed or fails.
    async fn led_with_elections() -> Self {
        Self::led_with_timeout(Duration::from_millis(500)).await
    }

    async fn led_with_timeout(election_timeout_min: Duration) -> Self {
        let issuer = Issuer::new();
        let hub = Hub::new();
        let mut members = Vec::new();
        for node in 1..=NODES {
            members.push(member(&issuer, &hub, node, election_timeout_min).await);
        }
        let addresses = |(node, member): (u64, &Member)| {
            let client = member.api.address().to_string();
            (NodeId(node), MemberAddresses { peer: format!("peer{node}:1"), client })
        };
        let addresses: BTreeMap<_, _> = (1..).zip(&members).map(addresses).collect();
        for member in &members {
            member.api.set_members(addresses.clone());
        }
        let cluster = Self { issuer, members };
        cluster.elect(1).await;
        cluster
    }

    /// Makes a node the leader. Its log must be as up to date as those of a quorum.
    pub(super) async fn elect(&self, node: usize) {
        let handle = &self.members[node - 1].node;
        let mut leadership = handle.subscribe();
        handle.campaign().await;
        let led = leadership.wait_for(|now| now.role == RoleKind::Leader);
        within(led).await.unwrap();
    }

    /// Deposes the leader, and returns the node that leads next.
    async fn change_leader(&self, leader: NodeId) -> NodeId {
        let handle = &self.members[usize::try_from(leader.get()).unwrap() - 1].node;
        let mut leadership = handle.subscribe();
        handle.step_down().await;
        let led = within(leadership.wait_for(|now| now.leader.is_some())).await;
        led.unwrap().leader.unwrap()
    }

    pub(super) fn address(&self, node: usize) -> String {
        self.members[node - 1].api.address().to_string()
    }

    /// A client with this node as its only endpoint.
    fn client(&self, node: usize) -> Client {
        let mut config = ClientConfig::new(vec![self.address(node)], self.issuer.client());
        config.timeout = Duration::from_secs(20);
        Client::new(config).unwrap()
    }
}

/// The incarnations are in it, so that no leader appends them.
fn first_membership() -> Membership {
    let mut membership = Membership::of_voters((1..=NODES).map(NodeId));
    let info = MemberInfo { incarnation: Some(INCARNATION), ..MemberInfo::default() };
    membership.nodes = membership.voters.iter().map(|&node| (node, info.clone())).collect();
    membership
}

async fn member(issuer: &Issuer, hub: &Hub, node: u64, election_timeout_min: Duration) -> Member {
    let data = tempfile::tempdir().unwrap();
    let identity = Identity {
        cluster: CLUSTER,
        group: GroupId(0),
        node: NodeId(node),
        incarnation: INCARNATION,
    };
    let mut settings = Settings::default();
    settings.election_timeout_min = election_timeout_min;
    settings.heartbeat_interval = Duration::from_millis(20);
    let config = Config::new(identity, node, settings).unwrap();
    let machine = KvStateMachine::open(data.path(), identity, &KV).unwrap();
    let reader = machine.reader();
    let peers = (1..=NODES).filter(|&peer| peer != node);
    let peers = peers.map(|peer| PeerAddress::new(NodeId(peer), ""));
    let hub = hub.clone();
    let handle = Node::builder()
        .config(config)
        .bootstrap(first_membership())
        .peers(peers.collect())
        .state_machine(machine)
        .store(MemLogStore::default())
        .transport(move |inbox| Ok(Arc::new(hub.join(NodeId(node), inbox)) as Arc<dyn Transport>))
        .start()
        .await
        .unwrap();
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut config = ClientApiConfig::new(listen, CLUSTER, NodeId(node), issuer.node(node));
    let disk = Disk::with_space();
    config.connections_max = CONNECTIONS_MAX;
    config.space = Some(Arc::clone(&disk.monitor));
    let api = ClientApi::start(config, handle.clone(), reader).unwrap();
    Member { node: handle, api, disk, _data: data }
}

fn put(key: &str, value: &str) -> Put {
    Put { key: key.to_owned().into(), value: value.to_owned().into(), prev_kv: true }
}

/// The only endpoint of the client is a follower.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_reaches_the_leader_through_a_follower() {
    let cluster = Cluster::led().await;
    let client = cluster.client(3);
    let first = within(client.put(put("a", "1"))).await.unwrap();
    assert_eq!((first.revision, first.value), (Revision(1), None));
    let second = within(client.put(put("a", "2"))).await.unwrap();
    assert_eq!(second.value.unwrap().value, "1");

    let got = within(client.get("a".into())).await.unwrap().value.unwrap();
    assert_eq!((&got.value[..], got.version), (&b"2"[..], 2));
    let mut old = RangeRequest::new(KeyRange::all());
    old.revision = Some(Revision(1));
    let old = within(client.range(old, Consistency::Linearizable)).await.unwrap().value;
    assert_eq!(old.kvs[0].value, "1");

    let read = TxnOp::Range(RangeRequest::new(KeyRange::Key("a".into())));
    let txn =
        Txn { compare: vec![], then: vec![TxnOp::Put(put("b", "3")), read], otherwise: vec![] };
    let done = within(client.txn(txn)).await.unwrap();
    assert!(done.value.succeeded);
    assert!(matches!(&done.value.results[1], TxnOpResult::Range(found) if found.count == Some(1)));

    let all = DeleteRange { range: KeyRange::all(), prev_kv: false };
    let deleted = within(client.delete(all)).await.unwrap();
    assert_eq!((deleted.revision, deleted.value.count), (Revision(4), 2));
    assert_eq!(within(client.compact(Revision(3))).await.unwrap(), Revision(4));
    let mut compacted = RangeRequest::new(KeyRange::all());
    compacted.revision = Some(Revision(1));
    let compacted = within(client.range(compacted, Consistency::Linearizable)).await;
    assert!(matches!(compacted, Err(Error::Refused(_))), "{compacted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_is_that_of_the_requested_node() {
    let cluster = Cluster::led().await;
    let client = cluster.client(2);
    let leader = within(client.status_of(&cluster.address(1))).await.unwrap();
    assert_eq!((leader.node, leader.role), (NodeId(1), Role::Leader));
    assert_eq!(leader.followers.len(), 2);
    let follower = within(client.status_of(&cluster.address(2))).await.unwrap();
    assert_eq!((follower.node, follower.role), (NodeId(2), Role::Follower));
    assert_eq!(follower.problem, None);
    let members = within(client.members()).await.unwrap();
    let named: Vec<_> = members.iter().map(|member| (member.node.get(), member.voter)).collect();
    assert_eq!(named, [(1, true), (2, true), (3, true)]);
    assert_eq!(members[2].client_address, Some(cluster.address(3)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_above_a_limit_is_refused_before_it_is_in_the_log() {
    let cluster = Cluster::led().await;
    let client = cluster.client(1);
    within(client.put(put("a", "1"))).await.unwrap();
    let before = cluster.members[0].node.status().await.raft.last_log;
    let long = Bytes::from(vec![b'k'; 9000]);
    let value = Put { key: "a".into(), value: vec![0; 2 << 20].into(), prev_kv: false };
    let key = Put { key: long.clone(), value: Bytes::new(), prev_kv: false };
    for put in [value, key] {
        let refused = within(client.put(put)).await;
        let Err(Error::Invalid { reason }) = refused else { panic!("{refused:?}") };
        assert!(reason.contains("at most"), "{reason}");
    }
    let frame = Put { key: "a".into(), value: vec![0; 5 << 20].into(), prev_kv: false };
    assert!(matches!(within(client.put(frame)).await, Err(Error::Invalid { .. })));
    let range = RangeRequest::new(KeyRange::Key(long));
    let refused = within(client.range(range, Consistency::Serializable)).await;
    assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    assert_eq!(cluster.members[0].node.status().await.raft.last_log, before);
}

/// The leader steps down while many clients write: in sessions, every write is applied once and
/// succeeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_in_sessions_are_applied_once_when_leaders_change() {
    const WRITERS: u64 = 8;
    const WRITES: u64 = 40;
    let cluster = Cluster::led_with_elections().await;
    let client = cluster.client(3);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let client = client.clone();
        writers.spawn(async move {
            for number in 0..WRITES {
                client.put(put(&format!("w{writer}"), &number.to_string())).await.unwrap();
            }
        });
    }
    let mut leader = NodeId(1);
    while !writers.is_empty() {
        within(writers.join_next()).await.unwrap().unwrap();
        leader = cluster.change_leader(leader).await;
    }
    for writer in 0..WRITERS {
        let kv = within(client.get(format!("w{writer}").into())).await.unwrap().value.unwrap();
        assert_eq!(kv.version, WRITES, "writer {writer}");
    }
}

/// The only endpoint of the client is a follower. Writes go on during the transfers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_transferred_to_the_requested_or_another_voter() {
    let cluster = Cluster::led().await;
    let client = cluster.client(3);
    for to in [2, 3, 1] {
        let (written, led) =
            tokio::join!(client.put(put("a", "1")), within(client.transfer(Some(NodeId(to)))));
        assert_eq!(led.unwrap(), NodeId(to));
        written.unwrap();
        let status = within(client.status_of(&cluster.address(usize::try_from(to).unwrap()))).await;
        assert_eq!(status.unwrap().role, Role::Leader);
    }
    let again = within(client.transfer(Some(NodeId(1)))).await;
    assert_eq!(again.unwrap(), NodeId(1), "the target leads already");
    assert_ne!(within(client.transfer(None)).await.unwrap(), NodeId(1));
    let unknown = within(client.transfer(Some(NodeId(9)))).await;
    let Err(Error::NotTransferred { reason }) = unknown else { panic!("{unknown:?}") };
    assert!(reason.contains("node 9 is not another voter"), "{reason}");
}

/// Requests in flight get their responses when the port closes; the next request goes to another
/// node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_port_responds_to_requests_in_flight() {
    let mut cluster = Cluster::led_with_elections().await;
    let client = cluster.client(1);
    within(client.put(put("a", "0"))).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..50 {
        let client = client.clone();
        writers.spawn(async move { client.put(put(&number.to_string(), "v")).await });
    }
    let leader = cluster.members.remove(0);
    leader.api.shutdown(Duration::from_secs(20)).await;
    within(leader.node.shutdown()).await;
    for written in within(writers.join_all()).await {
        written.unwrap();
    }
    let mut count = RangeRequest::new(KeyRange::all());
    count.projection = raft_server::kv::state_machine::Projection::CountOnly;
    let count = within(client.range(count, Consistency::Linearizable)).await.unwrap().value.count;
    assert_eq!(count, Some(51));
}

/// A leader that is short of space refuses commands by what they need. A follower that is short of
/// space redirects clients and acknowledges what the leader replicates.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_refused_by_the_free_space_of_the_leader() {
    let cluster = Cluster::led().await;
    let client = cluster.client(2);
    let [leader, follower, _] = &cluster.members[..] else { panic!("three members") };
    let delete = |key: &str| DeleteRange {
        range: KeyRange::Key(Bytes::copy_from_slice(key.as_bytes())),
        prev_kv: false,
    };
    for key in ["a", "b"] {
        within(client.put(put(key, "1"))).await.unwrap();
    }
    follower.disk.set_free_bytes(0);
    // A new client sends its request to the follower first.
    within(cluster.client(2).put(put("a", "2"))).await.unwrap();

    leader.disk.set_free_bytes(Disk::RESERVE_BYTES - 1);
    let log = leader.node.status().await.raft.last_log;
    let refused = within(client.put(put("a", "3"))).await;
    assert!(matches!(refused, Err(Error::NoSpace(_))), "{refused:?}");
    let putting = Txn { compare: vec![], then: vec![], otherwise: vec![TxnOp::Put(put("c", ""))] };
    let refused = within(client.txn(putting)).await;
    assert!(matches!(refused, Err(Error::NoSpace(_))), "{refused:?}");
    assert_eq!(
        leader.node.status().await.raft.last_log,
        log,
        "a refused command is not in the log"
    );
    assert_eq!(within(client.get("a".into())).await.unwrap().value.unwrap().value, "2");
    within(client.delete(delete("b"))).await.unwrap();
    within(client.compact(Revision(3))).await.unwrap();
    let status = within(client.status_of(&cluster.address(1))).await.unwrap();
    let space = status.space.unwrap();
    assert_eq!((space.level, space.refused), (SpaceLevel::Low, 2));
    assert!(status.problem.unwrap().contains("999 bytes free"));

    leader.disk.set_free_bytes(0);
    let refused = within(client.delete(delete("a"))).await;
    assert!(matches!(refused, Err(Error::NoSpace(_))), "{refused:?}");
    within(client.compact(Revision(4))).await.unwrap();
    assert_eq!(within(client.get("a".into())).await.unwrap().value.unwrap().value, "2");

    leader.disk.set_free_bytes(2 * Disk::RESERVE_BYTES);
    within(client.put(put("a", "3"))).await.unwrap();
    let status = within(client.status_of(&cluster.address(1))).await.unwrap();
    assert_eq!(status.problem, None);
}
