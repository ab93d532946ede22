//! Starts a node: the HTTP port first, then the data, the transport, the node and the client port.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use raft_core::ports::{PeerAddress, Transport};
use raft_core::{Incarnation, NodeId};
use raft_server::kv::client_api::{ClientApi, ClientApiConfig, MemberAddresses};
use raft_server::space::SpaceMonitor;
use raft_server::{Node, NodeHandle};
use raft_transport_quic::tls::TlsIdentity;
use raft_transport_quic::{QuicConfig, QuicTransport};

use super::failure::{client_api_failure, start_failure};
use super::open::Opened;
use super::run::{Http, Server};
use super::{insights, snapshots};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::http::{About, HttpPort, Watched};
use crate::identity;
use crate::signals::Signals;

/// Serves the HTTP port, then starts the node. Returns `None` if a signal arrives first.
pub(crate) async fn start(
    config: Config,
    signals: &mut Signals,
) -> Result<Option<Server>, Failure> {
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
    // The recovery of a long log takes minutes and cannot be interrupted. It runs in a task of its
    // own, which ends with the process after the grace period. For the data that is a crash.
    let starting = tokio::spawn(bring_up(config, tls, http, watched));
    tokio::select! {
        started = starting => match started {
            Ok(started) => started.map(Some),
            Err(error) => Err(Failure::new(Exit::Halted, format!("the start failed: {error}"))),
        },
        signal = signals.next() => {
            tracing::info!(signal, "shutting down during the start");
            Ok(None)
        }
    }
}

/// Opens the data, binds the ports and starts the node, in this order: a node whose data cannot be
/// used never connects to the others.
async fn bring_up(
    config: Config,
    tls: TlsIdentity,
    http: Option<Http>,
    watched: Arc<OnceLock<Watched>>,
) -> Result<Server, Failure> {
    let config = Arc::new(config);
    let opening = Arc::clone(&config);
    let opened = tokio::task::spawn_blocking(move || Opened::open(&opening)).await;
    let opened = opened.map_err(|error| {
        Failure::new(Exit::Halted, format!("the data could not be opened: {error}"))
    })??;
    let config = &*config;
    let identity = opened.record.identity;
    let waits = opened.log.membership().is_none();
    let reader = opened.store.reader();
    let (node, transport) = start_node(config, opened, &tls).await?;
    let space = space_monitor(config);
    insights::add(&node, &transport, &space);
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
        http = ?http.as_ref().map(|http| http.address), data = %config.data_dir.display(), "started"
    );
    if waits {
        tracing::warn!("{}", waiting(config, identity.incarnation));
    }
    let about = About {
        identity,
        members: config.members.clone(),
        data_dir: config.data_dir.clone(),
        certificate_expires: tls.not_after(),
        started: Instant::now(),
    };
    // Only this function sets it.
    let _ = watched.set(Watched {
        node: node.clone(),
        transport: Arc::clone(&transport),
        space: Arc::clone(&space),
        clients: clients.monitor(),
        about,
    });
    let space_watch = tokio::spawn(space.watch());
    Ok(Server {
        node,
        transport,
        clients,
        http,
        space_watch,
        identity,
        grace: config.shutdown_grace,
    })
}

async fn start_node(
    config: &Config,
    opened: Opened,
    tls: &TlsIdentity,
) -> Result<(NodeHandle, Arc<QuicTransport>), Failure> {
    let mut quic = QuicConfig::new(config.cluster, config.node, config.listen.peer, tls.clone());
    quic.incarnation = Some(opened.record.identity.incarnation);
    quic.bootstrap_fingerprint = opened.record.fingerprint();
    let peers = config
        .members
        .iter()
        .map(|member| PeerAddress::new(NodeId(member.id), member.peer.clone()))
        .collect();
    let started: Arc<OnceLock<Arc<QuicTransport>>> = Arc::default();
    let slot = Arc::clone(&started);
    let core = raft_core::Config::new(opened.record.identity, random_seed(), config.raft.clone())
        .map_err(|error| Failure::new(Exit::Config, error))?;
    let node = Node::builder()
        .config(core)
        .peers(peers)
        .store(opened.log)
        .state_machine(opened.store)
        .snapshots(snapshots::options(config, opened.snapshots))
        .transport(move |inbox| {
            let transport = QuicTransport::start(quic, inbox)?;
            Ok(Arc::clone(slot.get_or_init(|| transport)) as Arc<dyn Transport>)
        })
        .start()
        .await
        .map_err(|error| start_failure(&error, &config.data_dir))?;
    let transport = started.get().expect("a started node has a transport");
    Ok((node, Arc::clone(transport)))
}

/// What an operator does about a node that has no membership.
fn waiting(config: &Config, incarnation: Incarnation) -> String {
    let node = config.node;
    let own = config.members.iter().find(|member| member.id == node.get());
    let own = own.map_or_else(|| node.to_string(), ToString::to_string);
    format!(
        "this node has no membership and waits for a leader that admits it: run `raft-server members \
         add {own}` or, if it is a member that has lost its data, `raft-server \
         members replace {node} --incarnation {incarnation}`; for the first start of a new cluster, \
         remove the data directory and start with --bootstrap"
    )
}

/// A seed that differs with each start of the node: it makes the numbers of its requests for read
/// indexes unique. The operating system provides the random keys of this hasher.
fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The monitor of the data directory's disk. Its first sample is taken, so that a node that starts
/// on a full disk refuses writes at once.
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
