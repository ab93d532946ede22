//! Starts the parts of a node.

use std::sync::Arc;

use raft_core::ports::{
    Inbox, LogReader, LogStore, PeerAddress, StateMachine, StorageFailure, StoreError, Transport,
};
use raft_core::{Config, FetchEntries, LogIndex, Membership, NodeId, Persist, Recovered};
use tokio::sync::oneshot;

use super::applier::{Applier, ApplierTask};
use super::arrivals::ApplierReport;
use super::clock::Clock;
use super::counters::Counters;
use super::error::{BoxError, StartError, StopReason};
use super::inbox::NodeInbox;
use super::log_reader;
use super::mailbox::Mailbox;
use super::persister::Persister;
use super::queue_limits::QueueLimits;
use super::threads::Threads;
use super::work_queue::WorkQueue;
use super::worker::Worker;

/// Starts the transport with the inbox for what it receives.
pub(super) type StartTransport =
    Box<dyn FnOnce(Arc<dyn Inbox>) -> Result<Arc<dyn Transport>, BoxError> + Send>;
type OpenedStore = Result<(Recovered, Box<dyn LogReader>), StoreError>;
type OpenedStateMachine = Result<LogIndex, StorageFailure>;

/// Starts the parts of one node.
pub(super) struct Starter {
    /// The beginning of the names of its threads.
    thread_prefix: String,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) counters: Arc<Counters>,
}

/// The content of the log store and of the state machine.
pub(super) struct Opened {
    recovered: Recovered,
    applied: LogIndex,
}

impl Starter {
    pub(super) fn new(node: NodeId, queues: QueueLimits) -> Self {
        Self {
            thread_prefix: format!("raft-{node}"),
            mailbox: Arc::new(Mailbox::new(queues)),
            counters: Arc::default(),
        }
    }

    /// Starts the threads. The log store and the state machine are opened on their threads, at the
    /// same time.
    pub(super) async fn start_threads(
        &self,
        store: Box<dyn LogStore>,
        state_machine: Box<dyn StateMachine>,
    ) -> Result<(Threads, Opened), StartError> {
        let (mut persister, recovered) = self.start_persister(store)?;
        let (mut applier, applied) = self.start_applier(state_machine)?;
        let recovered = recovered.await;
        let applied = applied.await;
        let opened = opened(recovered).and_then(|(recovered, reader)| {
            let applied = opened(applied)?;
            Ok((self.start_log_reader(reader)?, Opened { recovered, applied }))
        });
        match opened {
            Ok((log_reader, opened)) => Ok((Threads::new(persister, log_reader, applier), opened)),
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

    /// Creates the core. Its first input reports the applied index of the state machine.
    pub(super) fn create_core(
        &self,
        config: Config,
        opened: Opened,
        bootstrap: Membership,
        clock: Clock,
    ) -> Result<raft_core::Node, StartError> {
        let Opened { mut recovered, applied } = opened;
        let (base, last) = (recovered.base.index, recovered.terms.last().index);
        if applied < base || last < applied {
            return Err(StartError::Diverged { applied, first: base.next(), last });
        }
        if recovered.memberships.is_empty() {
            recovered.memberships.push((LogIndex::ZERO, bootstrap));
        }
        let core = raft_core::Node::new(config, recovered, clock.now())?;
        if applied > LogIndex::ZERO {
            let report = ApplierReport::Applied { last: applied, outputs: Vec::new() };
            self.mailbox.post(|arrivals| arrivals.applier_reports.push(report));
        }
        Ok(core)
    }

    pub(super) fn start_transport(
        &self,
        start: StartTransport,
        config: &Config,
        peers: &[PeerAddress],
    ) -> Result<Arc<dyn Transport>, StartError> {
        let inbox =
            NodeInbox { mailbox: Arc::clone(&self.mailbox), counters: Arc::clone(&self.counters) };
        let transport = start(Arc::new(inbox)).map_err(StartError::Transport)?;
        if let Some(message_bytes_max) = transport.message_bytes_max() {
            config.check_transport(message_bytes_max)?;
        }
        transport.set_peers(peers);
        Ok(transport)
    }

    fn start_persister(
        &self,
        mut store: Box<dyn LogStore>,
    ) -> Result<(Worker<Persist>, oneshot::Receiver<OpenedStore>), StartError> {
        let (opened, receiver) = oneshot::channel();
        let (mailbox, counters) = (Arc::clone(&self.mailbox), Arc::clone(&self.counters));
        let worker = self.start_worker("log store", "log", move |queue| {
            let recovered = store.recover().map(|recovered| (recovered, store.reader()));
            // If the start was cancelled, the queue is closed and empty.
            let _ = opened.send(recovered);
            Persister { store, mailbox, counters }.run(queue);
        })?;
        Ok((worker, receiver))
    }

    fn start_applier(
        &self,
        mut state_machine: Box<dyn StateMachine>,
    ) -> Result<(Worker<ApplierTask>, oneshot::Receiver<OpenedStateMachine>), StartError> {
        let (opened, receiver) = oneshot::channel();
        let (mailbox, counters) = (Arc::clone(&self.mailbox), Arc::clone(&self.counters));
        let worker = self.start_worker("state machine", "apply", move |queue| {
            let _ = opened.send(state_machine.applied());
            Applier::new(state_machine, mailbox, counters).run(queue);
        })?;
        Ok((worker, receiver))
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

/// The result that a thread sent for its port. A thread that sent none has panicked.
fn opened<T, E: Into<StartError>>(
    received: Result<Result<T, E>, oneshot::error::RecvError>,
) -> Result<T, StartError> {
    received
        .map_err(|_| StartError::Panicked { part: "port", message: "no message".to_owned() })?
        .map_err(Into::into)
}
