//! Builds and starts a node.

use std::fmt;
use std::sync::Arc;

use raft_core::ports::{Inbox, LogStore, PeerAddress, StateMachine, Transport};
use raft_core::{Config, Membership, RecoveryError};
use tracing::Instrument;

use super::clock::Clock;
use super::driver::Driver;
use super::error::{BoxError, StartError};
use super::handle::NodeHandle;
use super::peer_set::{Connections, PeerSet};
use super::pending_requests::PendingRequests;
use super::queue_limits::QueueLimits;
use super::shared::Shared;
use super::snapshots::SnapshotOptions;
use super::start::{StartTransport, Starter};

/// The entry point: [`Node::builder`] describes a node, [`NodeBuilder::start`] starts it, and a
/// [`NodeHandle`] uses it.
#[derive(Debug)]
pub enum Node {}

impl Node {
    /// A builder without any settings.
    ///
    /// ```no_run
    /// # use std::sync::Arc;
    /// # use raft_core::ports::{Inbox, LogStore, StateMachine, Transport};
    /// # use raft_core::{ClusterId, Config, GroupId, Identity, Incarnation, Membership, NodeId};
    /// # use raft_core::Settings;
    /// # use raft_server::{BoxError, Node, NodeHandle};
    /// # async fn example(
    /// #     store: impl LogStore,
    /// #     state_machine: impl StateMachine,
    /// #     connect: fn(Arc<dyn Inbox>) -> Result<Arc<dyn Transport>, BoxError>,
    /// # ) -> Result<(), BoxError> {
    /// let identity = Identity {
    ///     cluster: ClusterId(7),
    ///     group: GroupId(0),
    ///     node: NodeId(1),
    ///     incarnation: Incarnation(1),
    /// };
    /// let node: NodeHandle = Node::builder()
    ///     .config(Config::new(identity, 42, Settings::default())?)
    ///     .bootstrap(Membership::of_voters([NodeId(1), NodeId(2), NodeId(3)]))
    ///     .store(store)
    ///     .state_machine(state_machine)
    ///     .transport(connect)
    ///     .start()
    ///     .await?;
    /// let output = node.propose("add 1".into()).await?;
    /// # drop(output);
    /// node.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Tasks and threads
    ///
    /// [`NodeBuilder::start`] spawns one task on the current Tokio runtime, which must have timers
    /// enabled: the driver, which owns the core and calls the transport. It also starts three
    /// threads, named `raft-<node>-log`, `raft-<node>-read` and `raft-<node>-apply`. The first one
    /// calls the [`LogStore`], the second one its [`LogReader`](raft_core::ports::LogReader), and
    /// the third one the [`StateMachine`]. With a snapshot store there is a fourth one,
    /// `raft-<node>-snapshot`, which writes snapshots. These ports may block; a slow one delays neither the
    /// others nor the runtime. [`Transport::send`] must not block.
    ///
    /// # Back-pressure
    ///
    /// Every queue has a bound. A node refuses a request that exceeds one with
    /// [`Refusal::Busy`](raft_core::Refusal::Busy), and the caller retries after a pause. The
    /// bounds are [`QueueLimits`] for requests, and
    /// [`Limits::unapplied_bytes_max`](raft_core::Limits::unapplied_bytes_max) for the commands
    /// that a leader has accepted and not yet applied: it covers slow followers, a slow disk and a
    /// slow state machine.
    ///
    /// # Failures
    ///
    /// A node that cannot continue safely stops: its log store fails, its state machine fails or
    /// panics, or an assertion of the core is broken. The process continues.
    /// [`NodeHandle::stopped`] returns the reason; the embedder starts a new node or exits. A
    /// failed write is not retried: only a restart reads what the disk holds.
    ///
    /// # Shutdown
    ///
    /// [`NodeHandle::shutdown`] waits for pending requests, threads and ports. Dropping the last
    /// handle starts the same without waiting for it. If the runtime is dropped first, that drop
    /// blocks until the threads have finished the call that they are in.
    #[must_use]
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }
}

/// Describes a node; [`NodeBuilder::start`] starts it. See [`Node::builder`].
#[derive(Default)]
pub struct NodeBuilder {
    config: Option<Config>,
    bootstrap: Option<Membership>,
    peers: Vec<PeerAddress>,
    queues: QueueLimits,
    state_machine: Option<Box<dyn StateMachine>>,
    store: Option<Box<dyn LogStore>>,
    snapshots: Option<SnapshotOptions>,
    transport: Option<StartTransport>,
}

impl NodeBuilder {
    /// The identity of the node, its seed, its timeouts and its limits. Required.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// Makes an empty log store that of a member of a new cluster, whose first configuration is this
    /// one: the same at every initial member ([`Persist::bootstrap`](raft_core::Persist::bootstrap)).
    /// A store that holds anything is not changed: the configuration in the log counts.
    ///
    /// Without this, a node with an empty store waits for a leader that adds it. The store of a node
    /// that has lost its data is empty, too: it needs a later incarnation, which the members admit.
    #[must_use]
    pub fn bootstrap(mut self, membership: Membership) -> Self {
        self.bootstrap = Some(membership);
        self
    }

    /// Nodes to connect to while the log holds no configuration, and the addresses of members to
    /// which the configuration gives none. The default is none, for a transport that needs no
    /// addresses.
    ///
    /// Otherwise the peers are the members, under the incarnation that the configuration pins
    /// ([`Transport::set_peers`]).
    #[must_use]
    pub fn peers(mut self, peers: Vec<PeerAddress>) -> Self {
        self.peers = peers;
        self
    }

    /// Bounds of the queues and of pending requests. The default is [`QueueLimits::default`].
    #[must_use]
    pub fn queues(mut self, queues: QueueLimits) -> Self {
        self.queues = queues;
        self
    }

    /// The state machine, which the cluster replicates. Required. It is called on its own thread
    /// and dropped there.
    #[must_use]
    pub fn state_machine(mut self, state_machine: impl StateMachine) -> Self {
        self.state_machine = Some(Box::new(state_machine));
        self
    }

    /// The log store. Required. It is called on its own thread and dropped there.
    #[must_use]
    pub fn store(mut self, store: impl LogStore) -> Self {
        self.store = Some(Box::new(store));
        self
    }

    /// Where the node keeps snapshots. Without it, which is the default, the node compacts no log and
    /// neither sends nor receives snapshots: every member keeps its whole log.
    ///
    /// A state machine that is not durable itself is captured whenever the log exceeds what its
    /// [`CompactionPolicy`](raft_core::CompactionPolicy) keeps, and restored at the start. For small
    /// machines in tests a store in memory suffices; a log on a disk needs snapshots on a disk.
    #[must_use]
    pub fn snapshots(mut self, options: SnapshotOptions) -> Self {
        self.snapshots = Some(options);
        self
    }

    /// Starts the transport. Required. `start` is called on the runtime once the log has been
    /// recovered, so that a node whose data cannot be used never becomes visible to its peers. Its
    /// argument receives the messages of the peers.
    #[must_use]
    pub fn transport(
        mut self,
        start: impl FnOnce(Arc<dyn Inbox>) -> Result<Arc<dyn Transport>, BoxError> + Send + 'static,
    ) -> Self {
        self.transport = Some(Box::new(start));
        self
    }

    /// Recovers the log, reads the applied index of the state machine, and starts the node as a
    /// follower on the current Tokio runtime. The recovery of a long log takes time and cannot be
    /// interrupted: dropping this future blocks until it has finished.
    ///
    /// # Errors
    /// When a required part is missing, the parts contradict each other, or a port fails.
    /// [`StartError`] lists the causes.
    ///
    /// # Panics
    /// Outside of a Tokio runtime, and on one without timers.
    pub async fn start(self) -> Result<NodeHandle, StartError> {
        let config = self.config.ok_or(StartError::Missing("a config"))?;
        let store = self.store.ok_or(StartError::Missing("a log store"))?;
        let state_machine = self.state_machine.ok_or(StartError::Missing("a state machine"))?;
        let transport = self.transport.ok_or(StartError::Missing("a transport"))?;
        if let Some(bootstrap) = &self.bootstrap {
            bootstrap.check().map_err(RecoveryError::from)?;
        }

        if config.lease.is_some() && !Clock::COUNTS_SUSPENSION {
            return Err(StartError::LeaseWithoutClock);
        }
        let span = tracing::info_span!(parent: None, "raft", node = %config.identity().node);
        let starter = Starter::new(&config, self.queues, self.snapshots);
        let (mut threads, opened) =
            starter.start_threads(store, self.bootstrap, state_machine).await?;
        let started = span.in_scope(|| {
            let clock = Clock::start();
            let mut core = starter.create_core(config.clone(), opened, clock)?;
            let transport = starter.start_transport(transport, &config)?;
            if let Some(message_bytes_max) = transport.message_bytes_max() {
                core.limit_messages(message_bytes_max);
            }
            Ok((core, clock, transport))
        });
        let (core, clock, transport) = match started {
            Ok(started) => started,
            Err(error) => {
                threads.finish().await;
                return Err(error);
            }
        };
        let Starter { mailbox, counters, snapshots, refusals, .. } = starter;
        let requests = PendingRequests::new(self.queues, Arc::clone(&counters));
        let shared = Arc::new(Shared::new(mailbox, counters, snapshots, refusals, &core));
        let own = config.identity().node;
        let membership = shared.membership.clone();
        let peers = PeerSet::new(Arc::clone(&transport), own, self.peers, membership);
        let drain_time_max = config.election_timeout_min.saturating_mul(2);
        let handle = NodeHandle::new(Arc::clone(&shared));
        let connections = Connections { transport, peers };
        let driver =
            Driver::new(shared, core, clock, connections, threads, requests, drain_time_max);
        tokio::spawn(driver.run().instrument(span));
        Ok(handle)
    }
}

impl fmt::Debug for NodeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeBuilder")
            .field("config", &self.config)
            .field("bootstrap", &self.bootstrap)
            .field("peers", &self.peers)
            .field("queues", &self.queues)
            .finish_non_exhaustive()
    }
}
