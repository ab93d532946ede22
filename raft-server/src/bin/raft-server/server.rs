//! A whole node: the log and the store on disk, the three ports, and their end.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use raft_core::ports::{PeerAddress, Transport};
use raft_core::{ConfigError, GroupId, Identity, Incarnation, Membership, NodeId};
use raft_server::kv::client_api::{ClientApi, ClientApiConfig, ClientApiError, MemberAddresses};
use raft_server::kv::state_machine::{KvOptions, KvStateMachine, OpenError as StoreOpenError};
use raft_server::space::SpaceMonitor;
use raft_server::{Node, NodeHandle, StartError, StopReason};
use raft_storage::{OpenError, RocksLogStore, RocksOptions};
use raft_transport_quic::tls::TlsIdentity;
use raft_transport_quic::{QuicConfig, QuicTransport, TransportError};

use crate::config::Config;
use crate::data_dir;
use crate::exit::{Exit, Failure};
use crate::http::{About, HttpPort, Watched};
use crate::identity;
use crate::shutdown::Signals;

/// The directory of the log inside the data directory.
pub(crate) const LOG_DIRECTORY: &str = "log";
/// The directory of the key-value store inside the data directory.
const STORE_DIRECTORY: &str = "store";

/// A running node with its ports.
#[derive(Debug)]
pub(crate) struct Server {
    node: NodeHandle,
    transport: Arc<QuicTransport>,
    clients: ClientApi,
    http: Option<Http>,
    space_watch: tokio::task::JoinHandle<()>,
    grace: Duration,
}

impl Server {
    /// Serves the HTTP port, then brings the node up; `None` if a signal asks for the end first.
    pub(crate) async fn start(
        config: Config,
        signals: &mut Signals,
    ) -> Result<Option<Self>, Failure> {
        let tls = identity::load(&config).map_err(|error| Failure::new(Exit::Config, error))?;
        let watched = Arc::<OnceLock<Watched>>::default();
        let http = match config.listen.http {
            Some(address) => {
                let bound = HttpPort::bind(address).await;
                let port = bound.map_err(|error| Failure::new(Exit::Port, error))?;
                Some(Http {
                    address: port.address(),
                    task: tokio::spawn(port.serve(Arc::clone(&watched))),
                })
            }
            None => None,
        };
        // The recovery of a long log takes minutes and cannot be interrupted. In a task of its own
        // it is left behind when the process exits after the grace period, which is no more to the
        // data than a crash.
        let starting = tokio::spawn(Self::bring_up(config, tls, http, watched));
        tokio::select! {
            started = starting => match started {
                Ok(started) => started.map(Some),
                Err(error) => Err(Failure::new(Exit::Halted, format!("the start failed: {error}"))),
            },
            signal = signals.next() => {
                tracing::info!(signal, "ending during the start");
                Ok(None)
            }
        }
    }

    /// Opens the data, takes the ports and starts the node, in this order: a node whose data cannot
    /// be used is never seen by the others.
    async fn bring_up(
        config: Config,
        tls: TlsIdentity,
        http: Option<Http>,
        watched: Arc<OnceLock<Watched>>,
    ) -> Result<Self, Failure> {
        let config = Arc::new(config);
        let opening = Arc::clone(&config);
        let opened = tokio::task::spawn_blocking(move || Opened::open(&opening)).await;
        let opened = opened.map_err(|error| {
            Failure::new(Exit::Halted, format!("the data could not be opened: {error}"))
        })??;
        let config = &*config;
        let identity = opened.identity;
        let reader = opened.store.reader();
        let (node, transport) = start_node(config, opened, &tls).await?;
        let space = space_monitor(config);
        let api = client_api(config, tls.clone(), Arc::clone(&space));
        let clients = match ClientApi::start(api, node.clone(), reader) {
            Ok(clients) => clients,
            Err(error) => {
                node.shutdown().await;
                return Err(client_api_failure(&error));
            }
        };
        tracing::info!(
            node = %config.node, cluster = %config.cluster, incarnation = %identity.incarnation,
            peer = %transport.local_addr(), client = %clients.address(),
            http = ?http.as_ref().map(|http| http.address), data = %config.data_dir.display(), "up"
        );
        let about = About {
            identity,
            members: config.members.clone(),
            data_dir: config.data_dir.clone(),
            certificate_expires: tls.not_after(),
            started: Instant::now(),
        };
        // Nothing else sets it.
        let _ = watched.set(Watched {
            node: node.clone(),
            transport: Arc::clone(&transport),
            space: Arc::clone(&space),
            clients: clients.monitor(),
            about,
        });
        let space_watch = tokio::spawn(space.watch());
        Ok(Self { node, transport, clients, http, space_watch, grace: config.shutdown_grace })
    }

    /// Runs until the node stops by itself or a signal asks for the end.
    pub(crate) async fn run(self, mut signals: Signals) -> Result<(), Failure> {
        let node = self.node.clone();
        tokio::select! {
            reason = node.stopped() => Err(stop_failure(&reason)),
            signal = signals.next() => {
                tracing::info!(signal, grace = ?self.grace, "ending; once more leaves at once");
                signals.next_one_kills();
                self.shut_down().await
            }
        }
    }

    /// Answers what clients have asked, gives up leadership, flushes, leaves.
    async fn shut_down(self) -> Result<(), Failure> {
        let Self { node, transport, clients, http, space_watch, grace } = self;
        space_watch.abort();
        let orderly = async {
            clients.shutdown(grace / 2).await;
            node.step_down().await;
            node.shutdown().await;
            transport.shutdown().await;
        };
        let outcome = tokio::time::timeout(grace, orderly).await;
        if let Some(http) = http {
            http.task.abort();
        }
        if outcome.is_err() {
            let message =
                format!("not down after {grace:?}: leaving; nothing acknowledged is lost");
            return Err(Failure::new(Exit::Failure, message));
        }
        tracing::info!("down");
        Ok(())
    }
}

/// The HTTP port, being served.
#[derive(Debug)]
struct Http {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

/// The data of a node, opened.
struct Opened {
    identity: Identity,
    log: RocksLogStore,
    store: KvStateMachine,
}

impl Opened {
    fn open(config: &Config) -> Result<Self, Failure> {
        let log_dir = config.data_dir.join(LOG_DIRECTORY);
        let found = RocksLogStore::identity_of(&log_dir).map_err(|error| open_failure(&error))?;
        check_bootstrap(config, found.is_some())?;
        if let Some(warning) = data_dir::warning(&config.data_dir) {
            tracing::warn!("{warning}");
        }
        // The first life of this disk. A second one would be another incarnation, which the
        // members have to admit first; until they can, a lost disk is not begun anew.
        let incarnation = found.map_or(Incarnation(1), |found| found.incarnation);
        let identity =
            Identity { cluster: config.cluster, group: GroupId(0), node: config.node, incarnation };
        let log = RocksLogStore::open(&log_dir, identity, RocksOptions::default())
            .map_err(|error| open_failure(&error))?;
        let store_dir = config.data_dir.join(STORE_DIRECTORY);
        let store = KvStateMachine::open(&store_dir, identity, &KvOptions::default())
            .map_err(|error| store_failure(&error))?;
        Ok(Self { identity, log, store })
    }
}

/// An empty data directory is only filled on demand: a node that lost its disk has also forgotten
/// whom it voted for and what it acknowledged, and must not come back as if nothing had happened.
fn check_bootstrap(config: &Config, initialised: bool) -> Result<(), Failure> {
    let directory = config.data_dir.display();
    match (initialised, config.bootstrap) {
        (false, true) => tracing::info!(%directory, "a new data directory"),
        (false, false) => {
            return Err(Failure::new(
                Exit::Config,
                format!(
                    "{directory} holds no data of node {}: if this is the node's first start, add \
                     --bootstrap; if it has run before, its disk is lost, and starting it anew \
                     under the same id could undo acknowledged writes: restore its data directory",
                    config.node
                ),
            ));
        }
        (true, true) => tracing::warn!(
            "bootstrap is set although the data directory is in use already: remove it, so that a \
             lost disk is noticed"
        ),
        (true, false) => {}
    }
    Ok(())
}

async fn start_node(
    config: &Config,
    opened: Opened,
    tls: &TlsIdentity,
) -> Result<(NodeHandle, Arc<QuicTransport>), Failure> {
    let quic = QuicConfig::new(config.cluster, config.node, config.listen.peer, tls.clone());
    let peers = config
        .members
        .iter()
        .map(|member| PeerAddress { node: NodeId(member.id), address: member.peer.clone() })
        .collect();
    let voters = Membership::of_voters(config.members.iter().map(|member| NodeId(member.id)));
    let started: Arc<OnceLock<Arc<QuicTransport>>> = Arc::default();
    let slot = Arc::clone(&started);
    let node = Node::builder()
        .config(config.core(opened.identity, fastrand::u64(..)))
        .bootstrap(voters)
        .peers(peers)
        .store(opened.log)
        .state_machine(opened.store)
        .transport(move |inbox| {
            let transport = QuicTransport::start(quic, inbox)?;
            Ok(Arc::clone(slot.get_or_init(|| transport)) as Arc<dyn Transport>)
        })
        .start()
        .await
        .map_err(|error| start_failure(&error, &config.data_dir))?;
    let transport = started.get().expect("a node that started has made its transport");
    Ok((node, Arc::clone(transport)))
}

/// The monitor of the data directory's disk, with its first sample taken: a node that starts on a
/// full disk refuses writes at once.
fn space_monitor(config: &Config) -> Arc<SpaceMonitor> {
    let data_dir = config.data_dir.clone();
    let monitor = SpaceMonitor::of_file_system(config.storage_reserve_bytes, data_dir);
    if let Err(error) = monitor.sample() {
        tracing::warn!(%error, "the free space of the disk cannot be read");
    }
    Arc::new(monitor)
}

fn client_api(config: &Config, tls: TlsIdentity, space: Arc<SpaceMonitor>) -> ClientApiConfig {
    let mut api = ClientApiConfig::new(config.listen.client, config.cluster, config.node, tls);
    api.space = Some(space);
    let command_bytes_max = usize::try_from(config.raft.limits.command_bytes_max);
    api.limits.command_bytes_max =
        api.limits.command_bytes_max.min(command_bytes_max.unwrap_or(usize::MAX));
    let limits = config.clients;
    for (limit, set) in [
        (&mut api.connection_response_bytes_max, limits.connection_response_bytes_max),
        (&mut api.identity_response_bytes_max, limits.identity_response_bytes_max),
        (&mut api.disk_reads_max, limits.disk_reads_max),
    ] {
        *limit = set.unwrap_or(*limit);
    }
    for member in &config.members {
        let addresses =
            MemberAddresses { peer: member.peer.clone(), client: member.client.clone() };
        api.members.insert(NodeId(member.id), addresses);
    }
    api
}

/// Why a log could not be opened, as the end of a process.
pub(crate) fn open_failure(error: &OpenError) -> Failure {
    let exit = match error {
        OpenError::Locked { .. } => Exit::Locked,
        OpenError::OtherIdentity { .. } | OpenError::NewerFormat { .. } => Exit::Config,
        OpenError::Io { .. }
        | OpenError::Damaged { .. }
        | OpenError::Database { .. }
        | OpenError::Store { .. }
        | _ => Exit::Storage,
    };
    Failure::with_sources(exit, error)
}

fn store_failure(error: &StoreOpenError) -> Failure {
    let exit = match error {
        StoreOpenError::Locked { .. } => Exit::Locked,
        StoreOpenError::OtherIdentity { .. } | StoreOpenError::NewerFormat { .. } => Exit::Config,
        StoreOpenError::File { .. }
        | StoreOpenError::DamagedIdentity { .. }
        | StoreOpenError::Database { .. }
        | StoreOpenError::Read { .. }
        | StoreOpenError::Thread(_) => Exit::Storage,
    };
    Failure::with_sources(exit, error)
}

fn client_api_failure(error: &ClientApiError) -> Failure {
    let exit = match error {
        ClientApiError::Listen { .. } => Exit::Port,
        ClientApiError::Tls(_) => Exit::Config,
        ClientApiError::Thread(_) => Exit::Failure,
    };
    Failure::new(exit, error)
}

fn start_failure(error: &StartError, data_dir: &Path) -> Failure {
    match error {
        StartError::Config(ConfigError::Broken { .. }) => Failure::new(
            Exit::Halted,
            format!("{error}: raft-server log mark-fixed --data-dir {}", data_dir.display()),
        ),
        StartError::Config(_) | StartError::Missing(_) => {
            Failure::with_sources(Exit::Config, error)
        }
        StartError::Transport(source) => match source.downcast_ref::<TransportError>() {
            Some(bind @ TransportError::Bind { .. }) => Failure::new(Exit::Port, bind),
            Some(thread @ TransportError::Thread(_)) => Failure::new(Exit::Failure, thread),
            Some(other) => Failure::new(Exit::Config, other),
            None => Failure::with_sources(Exit::Failure, error),
        },
        StartError::Store(_) | StartError::StateMachine(_) | StartError::Diverged { .. } => {
            Failure::with_sources(Exit::Storage, error)
        }
        StartError::Thread { .. } => Failure::with_sources(Exit::Failure, error),
        StartError::Panicked { .. } => Failure::with_sources(Exit::Halted, error),
    }
}

fn stop_failure(reason: &StopReason) -> Failure {
    let exit = match reason {
        StopReason::Storage(_) | StopReason::StateMachineStorage(_) => Exit::Storage,
        // As with data of a newer format: another release is needed, a restart does not help.
        StopReason::UnsupportedCommand { .. } => Exit::Config,
        StopReason::Halted(_)
        | StopReason::StateMachinePanicked { .. }
        | StopReason::Panicked { .. } => Exit::Halted,
        StopReason::Shutdown | StopReason::RuntimeEnded => Exit::Failure,
    };
    Failure::with_sources(exit, reason).context("the node has stopped")
}
