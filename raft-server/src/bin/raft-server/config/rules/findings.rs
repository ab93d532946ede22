//! The problems and warnings of a configuration, each with a message that names the remedy.

use std::net::SocketAddr;
use std::time::Duration;

use raft_core::MEMBERS_MAX;
use raft_transport_quic::FRAME_BYTES_MAX_DEFAULT;

use crate::config::defaults::RUNTIME_THREADS_MAX;
use crate::config::member::AddressFault;

/// All findings of one check.
///
/// Where a required value is missing, the check continues with a placeholder. The placeholder is
/// never used, because a problem is recorded.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
}

impl Findings {
    /// Records a required setting that is not set.
    pub(super) fn missing(&mut self, key: &'static str, remedy: &'static str) {
        self.problems.push(Problem::Missing { key, remedy });
    }
}

/// A rule that a configuration violates.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{key} is not set: {remedy}")]
    Missing { key: &'static str, remedy: &'static str },
    #[error("cluster_id `{0}` is not 32 hexadecimal digits: write the same id on every node")]
    ClusterId(String),
    #[error("node_id 0 is not valid: number the nodes from 1")]
    NodeIdZero,
    #[error(
        "node_id is {node} but members names {known}: add node {node} to members or correct node_id"
    )]
    NotAMember { node: u64, known: String },
    #[error("two members have the id {0}: give each node an id of its own")]
    DuplicateId(u64),
    #[error(
        "{first} and {second} are both {address}: give each node addresses of its own, with a port \
         each for peers and clients"
    )]
    DuplicateAddress { first: String, second: String, address: String },
    #[error("{whose} `{address}` {fault}")]
    Address { whose: String, address: String, fault: AddressFault },
    #[error("{key} `{value}` is not IP:PORT: write a numeric address such as 0.0.0.0:7001")]
    ListenAddress { key: &'static str, value: String },
    #[error(
        "{key} is not set and this member's address `{address}` is a host name: set {key} to the \
         IP:PORT to bind"
    )]
    ListenNeedsNumber { key: &'static str, address: String },
    #[error(
        "listen_peer and listen_client are both {0} (UDP): peers and clients need different ports"
    )]
    SamePort(SocketAddr),
    #[error("members names {0} nodes, but at most {MEMBERS_MAX} are supported")]
    TooMany(usize),
    #[error(
        "heartbeat_interval ({heartbeat:?}) must be above zero and at most a third of election_timeout \
         ({election:?}), so that a lost heartbeat causes no election: raise election_timeout to \
         {needed:?} or lower heartbeat_interval"
    )]
    Heartbeat { heartbeat: Duration, election: Duration, needed: Duration },
    #[error(
        "storage_stall_timeout ({stall:?}) must be at least twice election_timeout ({election:?}): raise it"
    )]
    StallTimeout { stall: Duration, election: Duration },
    #[error("lease is on and check_quorum is off: turn check_quorum on, or lease off")]
    LeaseWithoutCheckQuorum,
    #[error(
        "a lease lasts election_timeout ({election:?}) without lease_clock_drift_max ({drift:?}), \
         which must be more than heartbeat_interval ({heartbeat:?}): raise election_timeout or lower \
         one of the others"
    )]
    LeaseTooShort { drift: Duration, heartbeat: Duration, election: Duration },
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    #[error("runtime_threads is {0}, but must be at most {RUNTIME_THREADS_MAX}")]
    Threads(usize),
    #[error(
        "limit_command_bytes ({command}) needs a limit_unapplied_bytes of at least {needed}, but \
         that is {unapplied}: such a command would always be refused; raise limit_unapplied_bytes \
         or lower limit_command_bytes"
    )]
    CommandAboveBudget { command: u64, needed: u64, unapplied: u64 },
    #[error(
        "{key} ({value}) must be at most {value_max}: longer append messages do not fit into a \
         frame of {FRAME_BYTES_MAX_DEFAULT} bytes between nodes and would be dropped; lower {key}"
    )]
    AboveFrame { key: &'static str, value: u64, value_max: u64 },
    #[error(
        "{key} ({value}) must be at least {lower_key} ({lower}): raise {key} or lower {lower_key}"
    )]
    BelowBudget { key: &'static str, value: u64, lower_key: &'static str, lower: u64 },
    #[error(
        "log_level `{0}` is not a filter: write error, warn, info, debug or trace, or a list such as \
         info,raft_server=debug"
    )]
    LogLevel(String),
    /// A rule of `raft-core` without a message of its own here.
    #[error(transparent)]
    Raft(raft_core::ConfigError),
}

/// A valid setting that is likely a mistake.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Warning {
    #[error(
        "{0} members: an even number tolerates no more failures than {less} and needs a larger \
         quorum; use an odd number", less = .0 - 1
    )]
    Even(usize),
    #[error("a single member: its loss is the loss of all data; use three or more")]
    Single,
    #[error(
        "election_timeout {election:?} is less than five times heartbeat_interval {heartbeat:?}: a \
         short delay may cause an election"
    )]
    ShortElectionTimeout { election: Duration, heartbeat: Duration },
    #[error(
        "listen_http {0} is reachable from other machines: it has no authentication; prefer a \
         loopback address or a firewall"
    )]
    HttpNotLoopback(SocketAddr),
}
