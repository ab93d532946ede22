//! Nodes in this process, with a state machine and a store that do what a test tells them.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use raft_core::ports::{
    ApplyError, LogReader, LogStore, PeerAddress, QueryError, StateMachine, StorageFailure,
    StoreError, Transport,
};
use raft_core::{
    ApplyFailurePolicy, ClusterId, Config, GroupId, Identity, Incarnation, LogId, LogIndex,
    Membership, NodeId, Persist, Recovered,
};
use raft_server::{Node, NodeBuilder, NodeHandle, ProposeError, QueueLimits, StartError};
use raft_storage::MemLogStore;
use raft_transport_mem::Hub;
use tokio::sync::watch;

/// No test waits longer than this for anything; none comes near it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for something that must happen.
pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens in time")
}

pub(super) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// How a member is to be set up; the rest is the same everywhere.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) members: u64,
    pub(super) election_timeout_min: Duration,
    pub(super) apply_failure: ApplyFailurePolicy,
    pub(super) queues: QueueLimits,
}

impl Default for Setup {
    /// Elections happen only when a test asks for one.
    fn default() -> Self {
        Self {
            members: 3,
            election_timeout_min: Duration::from_secs(600),
            apply_failure: ApplyFailurePolicy::Halt,
            queues: QueueLimits::default(),
        }
    }
}

impl Setup {
    pub(super) fn alone() -> Self {
        Self { members: 1, ..Self::default() }
    }

    /// With elections by themselves, soon after a leader is gone.
    pub(super) fn lively() -> Self {
        Self { election_timeout_min: Duration::from_millis(150), ..Self::default() }
    }

    pub(super) fn config(&self, node: u64) -> Config {
        let (cluster, group, incarnation) = (ClusterId(1), GroupId(0), Incarnation(1));
        let identity = Identity { cluster, group, node: NodeId(node), incarnation };
        let mut config = Config::new(identity, node);
        config.election_timeout_min = self.election_timeout_min;
        config.heartbeat_interval = Duration::from_millis(20);
        config.apply_failure = self.apply_failure;
        config
    }

    pub(super) fn membership(&self) -> Membership {
        Membership::of_voters((1..=self.members).map(NodeId))
    }
}

/// One node, what is inside it, and how to make it again.
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
            let member = cluster.boot(id, machine, disk).await.expect("the member starts");
            cluster.members.push(member);
        }
        cluster
    }

    /// A cluster whose first member leads and answers reads.
    pub(super) async fn led(setup: Setup) -> Self {
        let cluster = Self::start(setup).await;
        let leader = cluster.leader();
        leader.handle.campaign().await;
        within(leader.known_leader(leader.id)).await;
        // Reads are answered once an entry of the leader's own term is committed.
        within(leader.machine.has_flushed(LogIndex(1))).await;
        cluster
    }

    pub(super) fn leader(&self) -> &Member {
        &self.members[0]
    }

    /// Starts a member with a state machine and a disk that may have seen an earlier life.
    pub(super) async fn boot(
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
    let peers = peers.map(|peer| PeerAddress { node: NodeId(peer), address: String::new() });
    let hub = hub.clone();
    Node::builder()
        .config(setup.config(id))
        .bootstrap(setup.membership())
        .peers(peers.collect())
        .queues(setup.queues)
        .state_machine(MachineLife(Arc::clone(machine)))
        .store(DiskLife::on(disk))
        .transport(move |inbox| Ok(Arc::new(hub.join(NodeId(id), inbox)) as Arc<dyn Transport>))
}

impl Member {
    pub(super) async fn propose(&self, command: &str) -> Result<String, ProposeError> {
        let output = within(self.handle.propose(bytes(command))).await?;
        Ok(String::from_utf8(output.to_vec()).expect("an output in UTF-8"))
    }

    /// Waits until this member's core has taken every request that was made before. Asking a
    /// leader to campaign changes nothing and is answered in turn.
    pub(super) async fn has_taken_requests(&self) {
        within(self.handle.campaign()).await;
    }

    /// Waits until this member knows that `leader` leads.
    pub(super) async fn known_leader(&self, leader: NodeId) {
        let mut leadership = self.handle.subscribe();
        leadership.wait_for(|known| known.leader == Some(leader)).await.expect("it lives");
    }

    /// Waits until this member knows a leader other than `former`, and names it.
    pub(super) async fn another_leader(&self, former: NodeId) -> NodeId {
        let mut leadership = self.handle.subscribe();
        let is_other = |leader: Option<NodeId>| leader.is_some_and(|leader| leader != former);
        let known = leadership.wait_for(|known| is_other(known.leader)).await.expect("it lives");
        known.leader.expect("waited for one")
    }
}

/// A state machine that keeps every command and does what it is told. Its content outlives the
/// node; whether it is durable is for the test to say.
pub(super) struct Machine {
    state: Mutex<MachineState>,
    changed: Condvar,
    /// How far it has flushed.
    pub(super) flushed: watch::Sender<LogIndex>,
    /// Whether a command has begun to wait for [`Machine::release`].
    pub(super) holding: watch::Sender<bool>,
}

#[derive(Default)]
struct MachineState {
    commands: Vec<Bytes>,
    unflushed: Vec<Bytes>,
    /// What it says that it has applied when it is opened.
    durable: LogIndex,
    fails_at: Option<Bytes>,
    flush_fails: bool,
    /// A command that this machine does not know the version of.
    unsupported: Option<Bytes>,
    /// What every command counts for until it is flushed.
    bytes_per_command: u64,
    staged_bytes: u64,
    /// The most commands that one flush wrote.
    unflushed_most: usize,
    panics_at: Option<Bytes>,
    holds_at: Option<Bytes>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            flushed: watch::Sender::new(LogIndex::ZERO),
            holding: watch::Sender::new(false),
        }
    }
}

impl Machine {
    /// One that claims to have applied everything up to here in an earlier life.
    pub(super) fn durable_to(index: LogIndex) -> Self {
        let machine = Self::default();
        machine.state().durable = index;
        machine
    }

    pub(super) fn commands(&self) -> Vec<String> {
        let state = self.state();
        state.commands.iter().map(|command| String::from_utf8_lossy(command).into()).collect()
    }

    /// Fails at this command until [`Machine::mend`].
    pub(super) fn fail_at(&self, command: &str) {
        self.state().fails_at = Some(bytes(command));
    }

    pub(super) fn fail_to_flush(&self) {
        self.state().flush_fails = true;
    }

    /// From now on every command stages this much.
    pub(super) fn stage_per_command(&self, bytes: u64) {
        self.state().bytes_per_command = bytes;
    }

    pub(super) fn unflushed_most(&self) -> usize {
        self.state().unflushed_most
    }

    /// Does not know the version of this command until [`Machine::mend`].
    pub(super) fn not_support(&self, command: &str) {
        self.state().unsupported = Some(bytes(command));
    }

    pub(super) fn mend(&self) {
        let mut state = self.state();
        state.fails_at = None;
        state.flush_fails = false;
        state.unsupported = None;
    }

    pub(super) fn panic_at(&self, command: &str) {
        self.state().panics_at = Some(bytes(command));
    }

    /// Stands still at this command until [`Machine::release`].
    pub(super) fn hold_at(&self, command: &str) {
        self.state().holds_at = Some(bytes(command));
    }

    pub(super) fn release(&self) {
        self.state().holds_at = None;
        self.changed.notify_all();
    }

    pub(super) async fn has_flushed(&self, index: LogIndex) {
        self.flushed.subscribe().wait_for(|&flushed| flushed >= index).await.expect("it lives");
    }

    pub(super) async fn is_holding(&self) {
        self.holding.subscribe().wait_for(|&holding| holding).await.expect("it lives");
    }

    fn state(&self) -> MutexGuard<'_, MachineState> {
        self.state.lock().expect("the rig does not panic under its lock")
    }
}

/// One life of a [`Machine`], inside a node.
struct MachineLife(Arc<Machine>);

impl StateMachine for MachineLife {
    fn applied(&mut self) -> Result<LogIndex, StorageFailure> {
        Ok(self.0.state().durable)
    }

    fn apply(&mut self, _id: LogId, command: &Bytes) -> Result<Bytes, ApplyError> {
        let mut state = self.0.state();
        while state.holds_at.as_ref() == Some(command) {
            self.0.holding.send_replace(true);
            state = self.0.changed.wait(state).expect("the rig does not panic under its lock");
        }
        if state.panics_at.as_ref() == Some(command) {
            drop(state);
            panic!("told to panic");
        }
        if state.fails_at.as_ref() == Some(command) {
            return Err(ApplyError::Command { reason: "told to fail".to_owned() });
        }
        if state.unsupported.as_ref() == Some(command) {
            return Err(ApplyError::Unsupported { reason: "of version 9".to_owned() });
        }
        state.staged_bytes += state.bytes_per_command;
        state.unflushed.push(command.clone());
        Ok((state.commands.len() + state.unflushed.len()).to_string().into())
    }

    fn flush(&mut self, applied: LogId) -> Result<(), StorageFailure> {
        let mut state = self.0.state();
        let unflushed = std::mem::take(&mut state.unflushed);
        state.staged_bytes = 0;
        if state.flush_fails {
            return Err(StorageFailure { reason: "told to fail to flush".to_owned() });
        }
        state.unflushed_most = state.unflushed_most.max(unflushed.len());
        state.commands.extend(unflushed);
        drop(state);
        self.0.flushed.send_replace(applied.index);
        Ok(())
    }

    fn staged_bytes(&self) -> u64 {
        self.0.state().staged_bytes
    }

    fn query(&mut self, query: &Bytes) -> Result<Bytes, QueryError> {
        match query.as_ref() {
            b"count" => Ok(self.0.state().commands.len().to_string().into()),
            b"panic" => panic!("told to panic"),
            _ => Err(QueryError { reason: "no such question".to_owned() }),
        }
    }
}

/// A log in memory that fails or panics on demand and outlives the node.
#[derive(Default)]
pub(super) struct Disk {
    pub(super) log: MemLogStore,
    pub(super) fails: AtomicBool,
    pub(super) panics: AtomicBool,
    /// Whether writes wait until they may go on.
    hangs: Mutex<bool>,
    goes_on: Condvar,
    /// How many nodes have it open.
    pub(super) open: watch::Sender<usize>,
}

/// While this lives, writes to the disk do not end.
pub(super) struct Hanging<'a>(&'a Disk);

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        *self.0.hangs.lock().expect("nothing panics under this lock") = false;
        self.0.goes_on.notify_all();
    }
}

impl Disk {
    pub(super) fn hang(&self) -> Hanging<'_> {
        *self.hangs.lock().expect("nothing panics under this lock") = true;
        Hanging(self)
    }

    pub(super) async fn is_closed(&self) {
        self.open.subscribe().wait_for(|&open| open == 0).await.expect("it lives");
    }
}

/// One life of a [`Disk`], inside a node.
struct DiskLife {
    disk: Arc<Disk>,
    log: MemLogStore,
}

impl DiskLife {
    fn on(disk: &Arc<Disk>) -> Self {
        disk.open.send_modify(|open| *open += 1);
        Self { disk: Arc::clone(disk), log: disk.log.restarted() }
    }

    fn obey(&self) -> Result<(), StoreError> {
        assert!(!self.disk.panics.load(Ordering::SeqCst), "told to panic");
        if self.disk.fails.load(Ordering::SeqCst) {
            let source = Box::new(std::io::Error::other("told to fail"));
            return Err(StoreError::Io { operation: "writing the log".to_owned(), source });
        }
        Ok(())
    }
}

impl LogStore for DiskLife {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        self.obey()?;
        self.log.recover()
    }

    fn persist(&mut self, changes: &[Persist]) -> Result<(), StoreError> {
        let hangs = self.disk.hangs.lock().expect("nothing panics under this lock");
        drop(
            self.disk
                .goes_on
                .wait_while(hangs, |hangs| *hangs)
                .expect("nothing panics under this lock"),
        );
        self.obey()?;
        self.log.persist(changes)
    }

    fn compact(&mut self, up_to: LogId) -> Result<(), StoreError> {
        self.log.compact(up_to)
    }

    fn reader(&self) -> Box<dyn LogReader> {
        self.log.reader()
    }
}

impl Drop for DiskLife {
    fn drop(&mut self) {
        self.disk.open.send_modify(|open| *open -= 1);
    }
}
