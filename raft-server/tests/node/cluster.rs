//! Nodes in one process, on state machines and log stores that a test controls.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft_core::ports::{PeerAddress, Transport};
use raft_core::{
    ApplyFailurePolicy, ClusterId, CompactionPolicy, Config, FollowerReads, GroupId, Identity,
    Incarnation, LeaseSettings, LogIndex, MemberInfo, Membership, NodeId, Settings,
};
use raft_server::{
    Consistency, Node, NodeBuilder, NodeHandle, NodeStatus, ProposeError, QueueLimits, ReadOutput,
    SnapshotOptions, StartError,
};
use raft_transport_mem::Hub;

use super::disk::{Disk, DiskStore};
use super::machine::{Machine, MachinePort};

/// Fails a test that would wait forever. No step of a test takes nearly as long.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The default consistency.
pub(super) const LINEARIZABLE: Consistency = Consistency::Linearizable;
/// A state of any age.
pub(super) const LOCAL: Consistency = Consistency::Local { staleness_max: None };

const INCARNATION: Incarnation = Incarnation(1);

/// Waits for something that must happen.
pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT_MAX, future).await.expect("it happens in time")
}

pub(super) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// The result of a linearizable read.
pub(super) fn current(text: &str) -> ReadOutput {
    ReadOutput { output: bytes(text), staleness: Some(Duration::ZERO) }
}

/// The result of a read of a state of any age.
pub(super) fn of_any_age(text: &str) -> ReadOutput {
    ReadOutput { output: bytes(text), staleness: None }
}

/// The settings that differ between tests.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) members: u64,
    pub(super) election_timeout_min: Duration,
    pub(super) apply_failure: ApplyFailurePolicy,
    pub(super) queues: QueueLimits,
    /// With a policy the members have snapshot stores.
    pub(super) compaction: Option<CompactionPolicy>,
    pub(super) follower_reads: FollowerReads,
    pub(super) lease: Option<LeaseSettings>,
}

impl Default for Setup {
    /// Elections happen only when a test starts one.
    fn default() -> Self {
        Self {
            members: 3,
            election_timeout_min: Duration::from_secs(600),
            apply_failure: ApplyFailurePolicy::Halt,
            queues: QueueLimits::default(),
            compaction: None,
            follower_reads: FollowerReads::Redirect,
            lease: None,
        }
    }
}

impl Setup {
    pub(super) fn single_member() -> Self {
        Self { members: 1, ..Self::default() }
    }

    /// Followers campaign soon after they have lost their leader.
    pub(super) fn short_election_timeout() -> Self {
        Self { election_timeout_min: Duration::from_millis(150), ..Self::default() }
    }

    /// Compacts as much as is durable, whatever a follower lacks.
    pub(super) fn nothing_kept(self) -> Self {
        let mut policy = CompactionPolicy::default();
        policy.kept_entries_max = 0;
        policy.kept_bytes_max = 0;
        policy.follower_bytes_max = 0;
        Self { compaction: Some(policy), ..self }
    }

    pub(super) fn config(&self, node: u64) -> Config {
        let (cluster, group, incarnation) = (ClusterId(1), GroupId(0), INCARNATION);
        let identity = Identity { cluster, group, node: NodeId(node), incarnation };
        let mut settings = Settings::default();
        settings.election_timeout_min = self.election_timeout_min;
        settings.heartbeat_interval = Duration::from_millis(20);
        settings.apply_failure = self.apply_failure;
        settings.compaction = self.compaction.unwrap_or_default();
        settings.follower_reads = self.follower_reads;
        settings.lease = self.lease;
        Config::new(identity, node, settings).expect("valid settings")
    }

    pub(super) fn membership(&self) -> Membership {
        let mut membership = Membership::of_voters((1..=self.members).map(NodeId));
        // With the incarnations in the first configuration, no leader appends them.
        let info = MemberInfo { incarnation: Some(INCARNATION), ..MemberInfo::default() };
        membership.nodes = membership.voters.iter().map(|&node| (node, info.clone())).collect();
        membership
    }
}

/// A node with its state machine and its disk.
pub(super) struct Member {
    pub(super) id: NodeId,
    pub(super) handle: NodeHandle,
    pub(super) machine: Arc<Machine>,
    pub(super) disk: Arc<Disk>,
}

/// Members on one hub.
pub(super) struct Cluster {
    pub(super) setup: Setup,
    pub(super) hub: Hub,
    pub(super) members: Vec<Member>,
}

impl Cluster {
    pub(super) async fn start(setup: Setup) -> Self {
        let mut cluster = Self { hub: Hub::new(), members: Vec::new(), setup };
        for id in 1..=cluster.setup.members {
            let (machine, disk) = (Arc::default(), Arc::default());
            let member = cluster.start_member(id, machine, disk).await.expect("the member starts");
            cluster.members.push(member);
        }
        cluster
    }

    /// A cluster whose first member leads and serves reads.
    pub(super) async fn with_leader(setup: Setup) -> Self {
        let cluster = Self::start(setup).await;
        let leader = cluster.leader();
        leader.handle.campaign().await;
        within(leader.known_leader(leader.id)).await;
        // A leader serves reads once an entry of its own term is committed.
        within(leader.machine.has_flushed(LogIndex(1))).await;
        cluster
    }

    pub(super) fn leader(&self) -> &Member {
        &self.members[0]
    }

    /// Starts a member on a state machine and a disk that an earlier node may have used.
    pub(super) async fn start_member(
        &self,
        id: u64,
        machine: Arc<Machine>,
        disk: Arc<Disk>,
    ) -> Result<Member, StartError> {
        let handle = builder(&self.setup, &self.hub, id, &machine, &disk).start().await?;
        Ok(Member { id: NodeId(id), handle, machine, disk })
    }
}

pub(super) fn builder(
    setup: &Setup,
    hub: &Hub,
    id: u64,
    machine: &Arc<Machine>,
    disk: &Arc<Disk>,
) -> NodeBuilder {
    let peers = (1..=setup.members).filter(|&peer| peer != id);
    let peers = peers.map(|peer| PeerAddress::new(NodeId(peer), ""));
    let hub = hub.clone();
    let builder = match setup.compaction {
        Some(_) => Node::builder().snapshots(SnapshotOptions::new(disk.snapshots.restarted())),
        None => Node::builder(),
    };
    builder
        .config(setup.config(id))
        .bootstrap(setup.membership())
        .peers(peers.collect())
        .queues(setup.queues)
        .state_machine(MachinePort(Arc::clone(machine)))
        .store(DiskStore::open(disk))
        .transport(move |inbox| Ok(Arc::new(hub.join(NodeId(id), inbox)) as Arc<dyn Transport>))
}

impl Member {
    pub(super) async fn propose(&self, command: &str) -> Result<String, ProposeError> {
        let output = within(self.handle.propose(bytes(command))).await?;
        Ok(String::from_utf8(output.to_vec()).expect("an output in UTF-8"))
    }

    /// Waits until the driver of this member, a leader, has taken every request that was made
    /// before. The campaign command has no effect at a leader and is processed in turn.
    pub(super) async fn has_taken_requests(&self) {
        within(self.handle.campaign()).await;
    }

    /// Waits until the status of this member fulfils a condition. Each status is a response of its
    /// driver.
    pub(super) async fn status_with(&self, condition: impl Fn(&NodeStatus) -> bool) -> NodeStatus {
        let fulfilled = async {
            loop {
                let status = self.handle.status().await;
                if condition(&status) {
                    return status;
                }
                tokio::task::yield_now().await;
            }
        };
        within(fulfilled).await
    }

    /// Waits until this member knows that `leader` leads.
    pub(super) async fn known_leader(&self, leader: NodeId) {
        let mut leadership = self.handle.subscribe();
        let known = leadership.wait_for(|known| known.leader == Some(leader)).await;
        known.expect("the handle keeps the channel open");
    }

    /// Waits until this member knows a leader other than `former`, and returns it.
    pub(super) async fn another_leader(&self, former: NodeId) -> NodeId {
        let mut leadership = self.handle.subscribe();
        let is_other = |leader: Option<NodeId>| leader.is_some_and(|leader| leader != former);
        let known = leadership.wait_for(|known| is_other(known.leader)).await;
        known.expect("the handle keeps the channel open").leader.expect("a leader is known")
    }
}
