//! The configuration of a node: read from a file, the environment and flags, then checked as a
//! whole, so that everything after this module can rely on it.

mod check;
mod file;
mod member;
mod quantity;
mod settings;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use raft_core::{ClusterId, NodeId};

pub(crate) use check::{Problem, Warning};
pub(crate) use member::Member;
pub(crate) use settings::{LogFormat, Settings};

/// The configuration of one node, checked.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The cluster.
    pub(crate) cluster: ClusterId,
    /// This node.
    pub(crate) node: NodeId,
    /// The directory of its log and data.
    pub(crate) data_dir: PathBuf,
    /// Whether an empty data directory may be initialised.
    pub(crate) bootstrap: bool,
    /// All members with distinct ids and addresses, ascending; this node is one of them.
    pub(crate) members: Vec<Member>,
    /// Where to listen.
    pub(crate) listen: Listen,
    /// The files of the node's identity.
    pub(crate) tls: TlsFiles,
    /// Timing, policies and limits of the algorithm. The seed is the caller's business.
    pub(crate) raft: RaftSettings,
    /// Free bytes on the disk below which writes are refused; zero turns that off.
    pub(crate) storage_reserve_bytes: u64,
    /// Limits on what clients make the node do; defaults where `None`.
    pub(crate) clients: ClientSettings,
    /// How to log.
    pub(crate) log: LogSettings,
    /// Threads of the asynchronous runtime.
    pub(crate) runtime_threads: usize,
    /// How long an orderly shutdown may take.
    pub(crate) shutdown_grace: Duration,
}

/// The sockets of a node.
#[derive(Clone, Debug)]
pub(crate) struct Listen {
    /// For peers (UDP).
    pub(crate) peer: SocketAddr,
    /// For clients (UDP).
    pub(crate) client: SocketAddr,
    /// For probes and metrics (TCP); `None` is off.
    pub(crate) http: Option<SocketAddr>,
}

/// The files of a node's identity, all PEM.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    /// The authorities.
    pub(crate) ca: PathBuf,
    /// The chain.
    pub(crate) certificate: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
}

/// Limits on what clients make the node do. `None` leaves one to the client port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientSettings {
    pub(crate) connection_response_bytes_max: Option<usize>,
    pub(crate) identity_response_bytes_max: Option<usize>,
    pub(crate) disk_reads_max: Option<usize>,
}

/// What the core is told.
#[derive(Clone, Debug)]
pub(crate) struct RaftSettings {
    pub(crate) election_timeout: Duration,
    pub(crate) heartbeat_interval: Duration,
    /// The core's default if `None`.
    pub(crate) storage_stall_timeout: Option<Duration>,
    pub(crate) pre_vote: bool,
    pub(crate) check_quorum: bool,
    pub(crate) commit_notification: raft_core::CommitNotification,
    pub(crate) apply_failure: raft_core::ApplyFailurePolicy,
    pub(crate) limits: raft_core::Limits,
}

/// How to log.
#[derive(Clone, Debug)]
pub(crate) struct LogSettings {
    /// Text or JSON.
    pub(crate) format: LogFormat,
    /// The filter.
    pub(crate) level: String,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file.
    #[error(transparent)]
    File(#[from] file::FileError),
    /// The whole makes no sense; every rule that is broken is named.
    #[error("the configuration cannot work:{}", list(.0))]
    Invalid(Vec<Problem>),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  - {problem}")).collect()
}

/// Merges flags and environment (`above`) with a file, if there is one, and the defaults, and
/// checks the result.
pub(crate) fn load(
    above: Settings,
    path: Option<&Path>,
) -> Result<(Config, Vec<Warning>), ConfigError> {
    let file = path.map(file::read).transpose()?.unwrap_or_default();
    check::check(above.or(file)).map_err(ConfigError::Invalid)
}

impl Config {
    /// The core's settings.
    pub(crate) fn core(&self, identity: raft_core::Identity, seed: u64) -> raft_core::Config {
        let raft = &self.raft;
        let mut core = raft_core::Config::new(identity, seed);
        core.election_timeout_min = raft.election_timeout;
        core.heartbeat_interval = raft.heartbeat_interval;
        core.storage_stall_timeout = raft.storage_stall_timeout;
        core.pre_vote = raft.pre_vote;
        core.check_quorum = raft.check_quorum;
        core.commit_notification = raft.commit_notification;
        core.apply_failure = raft.apply_failure;
        core.limits = raft.limits;
        core
    }
}
