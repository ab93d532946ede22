//! Starts the parts of a node.

use std::sync::Arc;

use raft_core::ports::{Inbox, LogReader, LogStore, StateMachine, StoreError, Transport};
use raft_core::{
    CompactionPolicy, Config, FetchEntries, HardState, LogId, LogIndex, Membership, Persist,
    Recovered, SnapshotTaken, TermRuns,
};
use tokio::sync::oneshot;

use super::applier::{Applier, ApplierTask};
use super::arrivals::ApplierReport;
use super::clock::Clock;
use super::counters::Counters;
use super::error::{BoxError, StartError, StopReason};
use super::inbox::NodeInbox;
use super::log_reader;
use super::mailbox::Mailbox;
use super::peer_refusals::PeerRefusals;
use super::persister::{LogTask, Persister};
use super::queue_limits::QueueLimits;
use super::snapshots::recovery::{self, Position};
use super::snapshots::report::SnapshotReport;
use super::snapshots::writer::{self, SnapshotTask};
use super::snapshots::{SnapshotOptions, Snapshots};
use super::threads::Threads;
use super::work_queue::WorkQueue;
use super::worker::Worker;

/// Starts the transport with the inbox for what it receives.
pub(super) type StartTransport =
    Box<dyn FnOnce(Arc<dyn Inbox>) -> Result<Arc<dyn Transport>, BoxError> + Send>;
type OpenedStore = Result<(Recovered, Box<dyn LogReader>), StoreError>;
type OpenedStateMachine = Result<Position, StartError>;

/// The thread of the state machine. It waits for the terms of the log, and then sends the position
/// of the state machine in it.
type StartedApplier =
    (Worker<ApplierTask>, oneshot::Sender<TermRuns>, oneshot::Receiver<OpenedStateMachine>);

/// Starts the parts of one node.
pub(super) struct Starter {
    /// The beginning of the names of its threads.
    thread_prefix: String,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) counters: Arc<Counters>,
    pub(super) refusals: Arc<PeerRefusals>,
    /// `None` in a node without a snapshot store.
    pub(super) snapshots: Option<Arc<Snapshots>>,
    compaction: CompactionPolicy,
}

/// The content of the log store and of the state machine.
pub(super) struct Opened {
    recovered: Recovered,
    position: Position,
}

impl Starter {
    pub(super) fn new(
        config: &Config,
        queues: QueueLimits,
        snapshots: Option<SnapshotOptions>,
    ) -> Self {
        let mailbox = Arc::new(Mailbox::new(queues));
        let counters = Arc::<Counters>::default();
        let snapshots = snapshots
            .map(|options| Snapshots::new(options, Arc::clone(&mailbox), Arc::clone(&counters)));
        Self {
            thread_prefix: format!("raft-{}", config.identity().node),
            mailbox,
            counters,
            refusals: Arc::default(),
            snapshots: snapshots.map(Arc::new),
            compaction: config.compaction,
        }
    }

    /// Starts the threads. The log store and the state machine are opened on their threads, at the
    /// same time; an empty store is bootstrapped. Then the state machine is restored to a snapshot if
    /// it is behind the log.
    pub(super) async fn start_threads(
        &self,
        store: Box<dyn LogStore>,
        bootstrap: Option<Membership>,
        state_machine: Box<dyn StateMachine>,
    ) -> Result<(Threads, Opened), StartError> {
        let (mut persister, recovered) = self.start_persister(store, bootstrap)?;
        let (mut applier, terms, position) = self.start_applier(state_machine)?;
        let opened = async {
            let (recovered, reader) = opened(recovered.await)?;
            // The receiver is dropped by a thread that has failed, which reports the failure.
            let _ = terms.send(recovered.terms.clone());
            let position = opened(position.await)?;
            let workers = (self.start_log_reader(reader)?, self.start_snapshot_writer()?);
            Ok((workers, Opened { recovered, position }))
        };
        match opened.await {
            Ok(((log_reader, writer), opened)) => {
                Ok((Threads::new(persister, log_reader, applier, writer), opened))
            }
            Err(error) => {
                persister.finish().await;
                applier.finish().await;
                // A thread that panicked has reported the panic by now.
                match self.mailbox.close().failure {
                    Some(StopReason::Panicked { part, message }) => {
                        Err(StartError::Panicked { part, message })
                    }
                    Some(_) | None => Err(error),
                }
            }
        }
    }

    /// Creates the core. Its first inputs report the applied index of the state machine, and what is
    /// durable outside of the log.
    pub(super) fn create_core(
        &self,
        config: Config,
        opened: Opened,
        clock: Clock,
    ) -> Result<raft_core::Node, StartError> {
        let Opened { recovered, position } = opened;
        let core = raft_core::Node::new(config, recovered, clock.now())?;
        self.report(&position);
        Ok(core)
    }

    fn report(&self, position: &Position) {
        let (last, durable) = (position.applied.index, position.durable);
        self.mailbox.post(|arrivals| {
            if last > LogIndex::ZERO {
                let applied = ApplierReport::Applied { last, outputs: Vec::new() };
                arrivals.applier_reports.push(applied);
            }
            if durable > LogIndex::ZERO {
                arrivals.applier_reports.push(ApplierReport::Durable(durable));
            }
            if let Some(last) = position.snapshot {
                let taken = SnapshotTaken::Durable { last };
                arrivals.snapshot_reports.push(SnapshotReport::Taken(taken));
            }
        });
    }

    pub(super) fn start_transport(
        &self,
        start: StartTransport,
        config: &Config,
    ) -> Result<Arc<dyn Transport>, StartError> {
        let (mailbox, counters) = (Arc::clone(&self.mailbox), Arc::clone(&self.counters));
        let (refusals, snapshots) = (Arc::clone(&self.refusals), self.snapshots.clone());
        let inbox = NodeInbox { mailbox, counters, refusals, snapshots };
        let transport = start(Arc::new(inbox)).map_err(StartError::Transport)?;
        if let Some(message_bytes_max) = transport.message_bytes_max() {
            config.check_transport(message_bytes_max)?;
        }
        Ok(transport)
    }

    fn start_persister(
        &self,
        mut store: Box<dyn LogStore>,
        bootstrap: Option<Membership>,
    ) -> Result<(Worker<LogTask>, oneshot::Receiver<OpenedStore>), StartError> {
        let (opened, receiver) = oneshot::channel();
        let (mailbox, counters) = (Arc::clone(&self.mailbox), Arc::clone(&self.counters));
        let worker = self.start_worker("log store", "log", move |queue| {
            let recovered = recover(store.as_mut(), bootstrap);
            let recovered = recovered.map(|recovered| (recovered, store.reader()));
            // If the start was cancelled, the queue is closed and empty.
            let _ = opened.send(recovered);
            Persister { store, mailbox, counters }.run(queue);
        })?;
        Ok((worker, receiver))
    }

    fn start_applier(
        &self,
        mut state_machine: Box<dyn StateMachine>,
    ) -> Result<StartedApplier, StartError> {
        let (opened, receiver) = oneshot::channel();
        let (terms_sender, terms) = oneshot::channel::<TermRuns>();
        let (mailbox, counters) = (Arc::clone(&self.mailbox), Arc::clone(&self.counters));
        let (snapshots, compaction) = (self.snapshots.clone(), self.compaction);
        let worker = self.start_worker("state machine", "apply", move |queue| {
            let applied = state_machine.applied();
            // Without the log the start has failed or was cancelled.
            let Ok(terms) = terms.blocking_recv() else { return };
            let position = applied.map_err(StartError::from).and_then(|applied| {
                recovery::recover(applied, &terms, snapshots.as_deref(), &mut *state_machine)
            });
            let found = position.as_ref().ok().copied();
            let _ = opened.send(position);
            if let Some(position) = found {
                let applier = Applier::new(
                    state_machine,
                    &position,
                    snapshots,
                    &compaction,
                    mailbox,
                    counters,
                );
                applier.run(queue);
            }
        })?;
        Ok((worker, terms_sender, receiver))
    }

    fn start_snapshot_writer(&self) -> Result<Option<Worker<SnapshotTask>>, StartError> {
        let Some(snapshots) = self.snapshots.clone() else { return Ok(None) };
        let work = move |queue: &WorkQueue<SnapshotTask>| writer::run(&snapshots, queue);
        self.start_worker("snapshot store", "snapshot", work).map(Some)
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
        let name = format!("{}-{suffix}", self.thread_prefix);
        Worker::start(name, part, Arc::clone(&self.mailbox), work)
            .map_err(|source| StartError::Thread { part, source })
    }
}

/// Recovers a store. An empty one is bootstrapped with a configuration, if there is one.
fn recover(
    store: &mut dyn LogStore,
    bootstrap: Option<Membership>,
) -> Result<Recovered, StoreError> {
    let mut recovered = store.recover()?;
    if let Some(membership) = bootstrap
        && is_empty(&recovered)
    {
        store.persist(&[Persist::bootstrap(membership.clone())])?;
        recovered.memberships.push((LogIndex::ZERO, membership));
    }
    Ok(recovered)
}

/// Whether nothing was ever written to the store. A store with a vote is not empty: it is that of a
/// node that waits for a leader, or of one that has run with a configuration.
fn is_empty(recovered: &Recovered) -> bool {
    recovered.memberships.is_empty()
        && recovered.terms.last() == LogId::ORIGIN
        && recovered.hard_state == HardState::default()
}

/// The result that a thread sent for its port. A thread that sent none has panicked.
fn opened<T, E: Into<StartError>>(
    received: Result<Result<T, E>, oneshot::error::RecvError>,
) -> Result<T, StartError> {
    received
        .map_err(|_| StartError::Panicked { part: "port", message: "no message".to_owned() })?
        .map_err(Into::into)
}
