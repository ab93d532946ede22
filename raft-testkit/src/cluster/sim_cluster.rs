//! The cluster and its construction.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use raft_core::ports::{LogStore, StateMachine};
use raft_core::{
    ClusterId, Config, Effect, GroupId, Identity, Incarnation, LogIndex, MemberInfo, Membership,
    Node, NodeId, Persist, PersistId, Recovered, Timestamp,
};
use raft_storage::MemLogStore;

use super::requests::Clients;
use super::settings::{NodeFactory, Settings, Timers};
use super::snapshot_counts::SnapshotCounts;
use crate::check::Checker;
use crate::counter::Counter;
use crate::network::{Network, slot_of};
use crate::node_clock::NodeClock;
use crate::recorder::Recorder;
use crate::sim_node::{Completion, SimNode};
use crate::snapshot::SnapshotStore;
use crate::trace::record::{Liveness, RecordKind, Side};

/// A cluster of real [`raft_core::Node`]s in one thread and virtual time.
///
/// Nothing happens unless the test calls an action. Messages wait in the outbox of their sender,
/// then on the wire. Timers fire only with [`Timers::On`]. Disk writes and state machines complete
/// at once unless the test controls them ([`Cluster::disk_by_hand`], [`Cluster::apply_by_hand`]).
///
/// The nodes are 1, 2, 3, ... up to the size. After every event all rules are checked (see
/// [`Rule`](crate::Rule)); a violation panics with a report.
///
/// The first action starts the nodes; [`Cluster::start`] does so explicitly. Options such as
/// [`Cluster::seed`] come before it.
pub struct Cluster<M: StateMachine = Counter, S: LogStore = MemLogStore> {
    pub(crate) factory: NodeFactory<M, S>,
    pub(crate) settings: Settings,
    /// The configuration with which the stores of its members are bootstrapped.
    pub(crate) membership: Membership,
    pub(crate) nodes: Vec<SimNode<M, S>>,
    pub(crate) network: Network,
    pub(crate) clients: Clients,
    pub(crate) checker: Checker,
    pub(crate) recorder: Recorder,
    pub(crate) now: Timestamp,
    /// The number of inputs given to the nodes.
    pub(crate) events: u64,
    pub(crate) snapshot_counts: SnapshotCounts,
    /// Reused from step to step.
    pub(super) effects: Vec<Effect>,
}

impl Cluster {
    /// A cluster of `size` voters, each with a [`Counter`] and a store in memory.
    ///
    /// # Panics
    /// If `size` is zero.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self::with(size, |_| Counter::default(), |_| MemLogStore::new())
            .reopening(|_, store| store.restarted())
    }
}

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// A cluster of `size` voters with your state machine and your store. Both functions get the id
    /// of the node. `machine` is called again at every restart; the store is kept, see
    /// [`Cluster::reopening`].
    ///
    /// Stores and state machines must be empty when the cluster starts.
    ///
    /// # Panics
    /// If `size` is zero.
    #[must_use]
    pub fn with(
        size: usize,
        machine: impl Fn(u64) -> M + Send + Sync + 'static,
        store: impl Fn(u64) -> S + Send + Sync + 'static,
    ) -> Self {
        assert!(size > 0, "a cluster has at least one node");
        let ids: Vec<NodeId> = (1..=size as u64).map(NodeId).collect();
        let membership = pinned_voters(&ids);
        let factory = NodeFactory {
            machine: Arc::new(machine),
            store: Arc::new(store),
            reopen: Arc::new(|_, store| store),
        };
        Self {
            factory,
            settings: Settings::default(),
            nodes: Vec::new(),
            network: Network::new(size),
            clients: Clients::default(),
            checker: Checker::new(size, &membership),
            membership,
            recorder: Recorder::new(ids),
            now: Timestamp(0),
            events: 0,
            snapshot_counts: SnapshotCounts::default(),
            effects: Vec::new(),
        }
    }

    /// The number of nodes.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.recorder.header.nodes.len()
    }

    /// Starts all nodes, if they are not started. The first action does so, too.
    ///
    /// # Panics
    /// If a store or a state machine cannot be opened or is not empty, or the settings of
    /// [`Cluster::config`] are invalid.
    pub fn start(&mut self) {
        if !self.nodes.is_empty() {
            return;
        }
        for at in 0..self.size() {
            let node = self.build(at);
            self.nodes.push(node);
        }
        for at in 0..self.size() {
            self.record_at(at, RecordKind::Started, None);
        }
    }

    fn build(&self, at: usize) -> SimNode<M, S> {
        let id = NodeId(at as u64 + 1);
        let config = self.config_of(id, FIRST_INCARNATION);
        let mut store = (self.factory.store)(id.get());
        let mut machine = (self.factory.machine)(id.get());
        let recovered = store.recover().expect("a new store opens");
        assert!(recovered == Recovered::default(), "a cluster begins with empty stores");
        let applied = machine.applied().expect("a new state machine opens");
        assert!(applied == LogIndex::ZERO, "a cluster begins with empty state machines");
        let recovered = if self.membership.contains(id) {
            let bootstrap = Persist::bootstrap(self.membership.clone());
            store.persist(&[bootstrap]).expect("a new store is bootstrapped");
            store.recover().expect("a new store opens")
        } else {
            recovered
        };
        let core = Node::new(config.clone(), recovered, self.now)
            .expect("a new store and these settings let a node start");
        let status = core.status();
        SimNode {
            id,
            config,
            clock: NodeClock::default(),
            recorded_role: status.role,
            status,
            core: Some(core),
            store: Some(store),
            machine,
            liveness: Liveness::Up,
            side: Side::Majority,
            disk_completion: Completion::Immediate,
            write_time: None,
            slow_write: None,
            apply_completion: Completion::Immediate,
            persists: VecDeque::new(),
            unreported: None,
            last_reported: PersistId(0),
            fetches: VecDeque::new(),
            applies: VecDeque::new(),
            snapshots: SnapshotStore::new(),
            captures: VecDeque::new(),
            capture_completion: Completion::Immediate,
            transfer_reports: VecDeque::new(),
            starts: 1,
            command_fault: None,
            write_fault: false,
            read_fault: false,
        }
    }

    pub(super) fn config_of(&self, id: NodeId, incarnation: Incarnation) -> Config {
        let identity = Identity {
            cluster: ClusterId(u128::from(self.settings.seed) + 1),
            group: GroupId(1),
            node: id,
            incarnation,
        };
        let seed = self.settings.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(id.get());
        let mut settings = raft_core::Settings::default();
        settings.check_quorum = self.settings.timers == Timers::On;
        if self.settings.timers == Timers::Off {
            settings.storage_stall_timeout = Some(Duration::MAX);
        }
        for adjust in &self.settings.config_changes {
            adjust(&mut settings);
        }
        Config::new(identity, seed, settings).expect("the settings are valid")
    }

    /// The position of a node in the list. Starts the cluster if it is not started.
    pub(crate) fn slot(&mut self, node: u64) -> usize {
        self.start();
        let at = slot_of(NodeId(node));
        assert!(at < self.nodes.len(), "there is no node {node} in a cluster of {}", self.size());
        at
    }
}

/// The incarnation with which every node starts.
const FIRST_INCARNATION: Incarnation = Incarnation(1);

/// Voters whose first incarnations are pinned, so that no leader appends a configuration only to pin
/// them.
fn pinned_voters(ids: &[NodeId]) -> Membership {
    let mut membership = Membership::of_voters(ids.iter().copied());
    for &id in ids {
        let incarnation = Some(FIRST_INCARNATION);
        membership.nodes.insert(id, MemberInfo { incarnation, ..MemberInfo::default() });
    }
    membership
}

impl<M: StateMachine + Clone, S: LogStore + Clone> Cluster<M, S> {
    /// A copy of the cluster. Both continue independently.
    #[must_use]
    pub fn fork(&self) -> Self {
        let mut recorder = self.recorder.clone();
        recorder.header.scenario.push_str("_fork");
        if !recorder.header.title.is_empty() {
            recorder.header.title.push_str(", the other way");
        }
        Self {
            factory: self.factory.clone(),
            settings: self.settings.clone(),
            membership: self.membership.clone(),
            nodes: self.nodes.clone(),
            network: self.network.clone(),
            clients: self.clients.clone(),
            checker: self.checker.clone(),
            recorder,
            now: self.now,
            events: self.events,
            snapshot_counts: self.snapshot_counts,
            effects: Vec::new(),
        }
    }
}

impl<M: StateMachine, S: LogStore> fmt::Debug for Cluster<M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("nodes", &self.nodes)
            .field("now", &self.now)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}
