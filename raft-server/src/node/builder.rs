//! Puts a node together and starts it.

use std::fmt;
use std::sync::{Arc, Mutex};

use raft_core::ports::{
    Inbox, LogReader, LogStore, PeerAddress, StateMachine, StorageFailure, StoreError, Transport,
};
use raft_core::{Config, ConfigError, FetchEntries, LogIndex, Membership, Persist, Recovered};
use tokio::sync::{oneshot, watch};
use tracing::Instrument;

use super::applier::{Applier, Job, Report};
use super::driver::{Clock, Driver, Pace};
use super::error::{BoxError, StartError, StopReason};
use super::executor::{Executor, Workers};
use super::handle::{NodeHandle, Shared};
use super::inbox::NodeInbox;
use super::log_reader;
use super::mailbox::{Mailbox, QueueLimits};
use super::persister::Persister;
use super::status::{Counters, Leadership};
use super::work_queue::WorkQueue;
use super::worker::Worker;

type BuildTransport =
    Box<dyn FnOnce(Arc<dyn Inbox>) -> Result<Arc<dyn Transport>, BoxError> + Send>;
type OpenedStore = Result<(Recovered, Box<dyn LogReader>), StoreError>;
type OpenedStateMachine = Result<LogIndex, StorageFailure>;

/// Describes a node; [`NodeBuilder::start`] brings it up.
#[derive(Default)]
pub struct NodeBuilder {
    config: Option<Config>,
    bootstrap: Option<Membership>,
    peers: Vec<PeerAddress>,
    queues: QueueLimits,
    state_machine: Option<Box<dyn StateMachine>>,
    store: Option<Box<dyn LogStore>>,
    transport: Option<BuildTransport>,
}

impl NodeBuilder {
    /// Who the node is, its timeouts, its limits, its seed. Needed.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// The configuration that an empty log starts from: the same at every first member. A log
    /// with entries goes by the configuration that it holds. Needed.
    #[must_use]
    pub fn bootstrap(mut self, membership: Membership) -> Self {
        self.bootstrap = Some(membership);
        self
    }

    /// Where the other members are, for the transport. Empty if the transport knows by itself.
    #[must_use]
    pub fn peers(mut self, peers: Vec<PeerAddress>) -> Self {
        self.peers = peers;
        self
    }

    /// Bounds of the queues in front of the node.
    #[must_use]
    pub fn queues(mut self, queues: QueueLimits) -> Self {
        self.queues = queues;
        self
    }

    /// What the cluster replicates. Needed. It is called on a thread of its own.
    #[must_use]
    pub fn state_machine(mut self, state_machine: impl StateMachine) -> Self {
        self.state_machine = Some(Box::new(state_machine));
        self
    }

    /// Where the log is kept. Needed. It is called on a thread of its own.
    #[must_use]
    pub fn store(mut self, store: impl LogStore) -> Self {
        self.store = Some(Box::new(store));
        self
    }

    /// Makes the transport, once the node is ready to receive: called at the start, on the
    /// runtime, with the place for what arrives. Needed.
    #[must_use]
    pub fn transport(
        mut self,
        build: impl FnOnce(Arc<dyn Inbox>) -> Result<Arc<dyn Transport>, BoxError> + Send + 'static,
    ) -> Self {
        self.transport = Some(Box::new(build));
        self
    }

    /// Recovers the log, asks the state machine how far it has applied, and brings the node up as
    /// a follower, on the Tokio runtime that this is called on. If that runtime is dropped before
    /// the node has stopped, the drop waits for what the store and the state machine are at.
    ///
    /// # Errors
    /// When something is missing or contradictory, or a port fails. Nothing is left running then.
    pub async fn start(self) -> Result<NodeHandle, StartError> {
        let config = self.config.ok_or(StartError::Missing("a config"))?;
        let membership = self.bootstrap.ok_or(StartError::Missing("a bootstrap membership"))?;
        let store = self.store.ok_or(StartError::Missing("a log store"))?;
        let state_machine = self.state_machine.ok_or(StartError::Missing("a state machine"))?;
        let transport = self.transport.ok_or(StartError::Missing("a transport"))?;
        config.check()?;
        membership.check().map_err(ConfigError::from)?;

        let span = tracing::info_span!(parent: None, "raft", node = %config.identity.node);
        let base = Base {
            name: format!("raft-{}", config.identity.node),
            mailbox: Arc::new(Mailbox::new(self.queues)),
            counters: Arc::default(),
        };
        let (mut workers, found) = base.start_workers(store, state_machine).await?;
        let brought_up = span.in_scope(|| {
            let clock = Clock::start();
            let core = bring_up(config.clone(), found, membership, clock, &base.mailbox)?;
            let transport = base.start_transport(transport, &config, &self.peers)?;
            Ok((clock, core, transport))
        });
        let (clock, core, transport) = match brought_up {
            Ok(brought_up) => brought_up,
            Err(error) => {
                workers.finish().await;
                return Err(error);
            }
        };
        let executor = Executor::new(transport, workers, Arc::clone(&base.counters));
        let shared = Arc::new(base.share(core));
        let pace = Pace {
            waiting_max: self.queues.waiting_max,
            waiting_bytes_max: self.queues.waiting_bytes_max,
            drain_time_max: config.election_timeout_min.saturating_mul(2),
        };
        let driver = Driver::new(Arc::clone(&shared), executor, clock, pace);
        tokio::spawn(driver.run().instrument(span));
        Ok(NodeHandle::new(shared))
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

/// What the parts of one node have in common.
struct Base {
    /// Begins the names of its threads.
    name: String,
    mailbox: Arc<Mailbox>,
    counters: Arc<Counters>,
}

/// What the ports held when they were opened.
struct Found {
    recovered: Recovered,
    applied: LogIndex,
}

impl Base {
    /// Starts the threads; the store and the state machine are opened on theirs, side by side.
    async fn start_workers(
        &self,
        store: Box<dyn LogStore>,
        state_machine: Box<dyn StateMachine>,
    ) -> Result<(Workers, Found), StartError> {
        let (mut persister, recovered) = self.start_persister(store)?;
        let (mut applier, applied) = self.start_applier(state_machine)?;
        let recovered = recovered.await;
        let applied = applied.await;
        let opened = opened(recovered).and_then(|(recovered, reader)| {
            let applied = opened(applied)?;
            Ok((self.start_log_reader(reader)?, Found { recovered, applied }))
        });
        match opened {
            Ok((log_reader, found)) => Ok((Workers { persister, log_reader, applier }, found)),
            Err(error) => {
                persister.finish().await;
                applier.finish().await;
                // A thread that panicked has said so by now, and why.
                match self.mailbox.close().failure {
                    Some(StopReason::Panicked { part, message }) => {
                        Err(StartError::Panicked { part, message })
                    }
                    Some(_) | None => Err(error),
                }
            }
        }
    }

    fn start_persister(
        &self,
        mut store: Box<dyn LogStore>,
    ) -> Result<(Worker<Persist>, oneshot::Receiver<OpenedStore>), StartError> {
        let (tell, told) = oneshot::channel();
        let (mailbox, counters) = (Arc::clone(&self.mailbox), Arc::clone(&self.counters));
        let worker = self.start_worker("log store", "log", move |queue| {
            let recovered = store.recover().map(|recovered| (recovered, store.reader()));
            // A start that was given up wants nothing persisted: its queue is closed and empty.
            let _ = tell.send(recovered);
            Persister { store, mailbox, counters }.run(queue);
        })?;
        Ok((worker, told))
    }

    fn start_applier(
        &self,
        mut state_machine: Box<dyn StateMachine>,
    ) -> Result<(Worker<Job>, oneshot::Receiver<OpenedStateMachine>), StartError> {
        let (tell, told) = oneshot::channel();
        let (mailbox, counters) = (Arc::clone(&self.mailbox), Arc::clone(&self.counters));
        let worker = self.start_worker("state machine", "apply", move |queue| {
            let _ = tell.send(state_machine.applied());
            Applier::new(state_machine, mailbox, counters).run(queue);
        })?;
        Ok((worker, told))
    }

    fn start_log_reader(
        &self,
        reader: Box<dyn LogReader>,
    ) -> Result<Worker<FetchEntries>, StartError> {
        let mailbox = Arc::clone(&self.mailbox);
        self.start_worker("log reader", "read", move |queue| {
            log_reader::run(reader, &mailbox, queue);
        })
    }

    fn start_worker<T: Send + 'static>(
        &self,
        part: &'static str,
        suffix: &str,
        work: impl FnOnce(&WorkQueue<T>) + Send + 'static,
    ) -> Result<Worker<T>, StartError> {
        let name = format!("{}-{suffix}", self.name);
        Worker::start(name, part, Arc::clone(&self.mailbox), work)
            .map_err(|source| StartError::Thread { part, source })
    }

    fn start_transport(
        &self,
        build: BuildTransport,
        config: &Config,
        peers: &[PeerAddress],
    ) -> Result<Arc<dyn Transport>, StartError> {
        let inbox =
            NodeInbox { mailbox: Arc::clone(&self.mailbox), counters: Arc::clone(&self.counters) };
        let transport = build(Arc::new(inbox)).map_err(StartError::Transport)?;
        if let Some(message_bytes_max) = transport.message_bytes_max() {
            config.check_transport(message_bytes_max)?;
        }
        transport.set_peers(peers);
        Ok(transport)
    }

    fn share(self, core: raft_core::Node) -> Shared {
        let status = core.status();
        let leadership = Leadership { term: status.term, role: status.role, leader: status.leader };
        Shared {
            mailbox: self.mailbox,
            counters: self.counters,
            core: Mutex::new(core),
            leadership: watch::Sender::new(leadership),
            stopped: watch::Sender::new(None),
        }
    }
}

/// Makes the core from what the ports held. The first thing that it hears is how far the state
/// machine is.
fn bring_up(
    config: Config,
    found: Found,
    membership: Membership,
    clock: Clock,
    mailbox: &Mailbox,
) -> Result<raft_core::Node, StartError> {
    let Found { recovered, applied } = found;
    let (base, last) = (recovered.base.index, recovered.terms.last().index);
    if applied < base || last < applied {
        return Err(StartError::Diverged { applied, first: base.next(), last });
    }
    let core = raft_core::Node::new(config, recovered, membership, clock.now())?;
    if applied > LogIndex::ZERO {
        let report = Report::Applied { last: applied, outputs: Vec::new() };
        mailbox.post(|arrivals| arrivals.reports.push(report));
    }
    Ok(core)
}

/// What a thread told of its port. One that went away without a word has panicked.
fn opened<T, E: Into<StartError>>(
    told: Result<Result<T, E>, oneshot::error::RecvError>,
) -> Result<T, StartError> {
    told.map_err(|_| StartError::Panicked { part: "port", message: "no message".to_owned() })?
        .map_err(Into::into)
}
