//! The rules that a configuration must keep, each with a message that says what to do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use raft_core::wire::ENVELOPE_BYTES_MAX;
use raft_core::{ApplyFailurePolicy, CommitNotification, Entry, Limits, MEMBERS_MAX, NodeId};
use raft_server::space::RESERVE_BYTES_DEFAULT;
use raft_transport_quic::FRAME_BYTES_MAX_DEFAULT;

use super::member::{AddressFault, Member, check_advertised};
use super::settings::Settings;
use super::{ClientSettings, Config, Listen, LogSettings, RaftSettings, TlsFiles};

/// A rule that a configuration breaks.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{key} is not set: {remedy}")]
    Missing { key: &'static str, remedy: &'static str },
    #[error("cluster_id `{0}` is not 32 hexadecimal digits: write the same id on every node")]
    ClusterId(String),
    #[error("node_id 0 is not a name: number the nodes from 1")]
    NodeIdZero,
    #[error(
        "node_id is {node} but members names {known}: add node {node} to members or correct node_id"
    )]
    NotAMember { node: u64, known: String },
    #[error("two members have the id {0}: every node needs its own")]
    DuplicateId(u64),
    #[error(
        "{first} and {second} are both {address}: every node needs its own, and so does each of its ports"
    )]
    DuplicateAddress { first: String, second: String, address: String },
    #[error("{whose} `{address}` {fault}")]
    Address { whose: String, address: String, fault: AddressFault },
    #[error("{key} `{value}` is not IP:PORT: listen addresses are numbers, such as 0.0.0.0:7001")]
    ListenAddress { key: &'static str, value: String },
    #[error(
        "{key} is not set and the member's own address `{address}` is a name: set {key} to the IP:PORT to listen at"
    )]
    ListenNeedsNumber { key: &'static str, address: String },
    #[error("listen_peer and listen_client are both {0} (UDP): peers and clients need a port each")]
    SamePort(SocketAddr),
    #[error("members names {0} nodes, at most {MEMBERS_MAX} are possible")]
    TooMany(usize),
    #[error(
        "heartbeat_interval ({heartbeat:?}) must be above zero and at most a third of election_timeout \
         ({election:?}), so that a lost heartbeat is no election: raise election_timeout to {needed:?} \
         or lower heartbeat_interval"
    )]
    Timing { heartbeat: Duration, election: Duration, needed: Duration },
    #[error(
        "storage_stall_timeout ({stall:?}) must be at least twice election_timeout ({election:?}): raise it"
    )]
    StallTimeout { stall: Duration, election: Duration },
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    #[error("runtime_threads is {0}, at most 256 make sense")]
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
        "log_level `{0}` is no filter: write error, warn, info, debug or trace, or a list such as info,raft_server=debug"
    )]
    LogLevel(String),
}

/// Something that works and is probably not meant.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Warning {
    #[error(
        "{0} members: an even number survives no more failures than {less} and needs one more to \
         agree; use an odd number", less = .0 - 1
    )]
    Even(usize),
    #[error("a single member: nothing survives its loss; use three or more")]
    Single,
    #[error(
        "election_timeout {election:?} is less than five heartbeats of {heartbeat:?}: a short hiccup may cost an election"
    )]
    Hasty { election: Duration, heartbeat: Duration },
    #[error(
        "listen_http {0} is reachable from other machines: it has no authentication; prefer a \
         loopback address or a firewall"
    )]
    HttpInTheOpen(SocketAddr),
}

/// Checks merged settings and fills in the defaults. All problems are found, not the first alone.
pub(super) fn check(settings: Settings) -> Result<(Config, Vec<Warning>), Vec<Problem>> {
    let mut checker = Checker::default();
    let members = checker.members(&settings);
    let node = checker.node(&settings, &members);
    let own = members.iter().find(|member| Some(member.id) == settings.node_id).cloned();
    let listen = checker.listen(&settings, own.as_ref());
    let raft = checker.raft(&settings);
    let clients = checker.clients(&settings);
    let config = Config {
        cluster: checker.cluster(&settings),
        node,
        data_dir: checker.path("data_dir", settings.data_dir),
        bootstrap: settings.bootstrap.unwrap_or(false),
        members,
        listen,
        tls: TlsFiles {
            ca: checker.path("tls_ca", settings.tls_ca),
            certificate: checker.path("tls_certificate", settings.tls_certificate),
            key: checker.path("tls_key", settings.tls_key),
        },
        raft,
        storage_reserve_bytes: settings
            .storage_reserve_bytes
            .map_or(RESERVE_BYTES_DEFAULT, |size| size.0),
        clients,
        log: LogSettings {
            format: settings.log_format.unwrap_or_default(),
            level: checker.log_level(settings.log_level),
        },
        runtime_threads: checker.threads(settings.runtime_threads),
        shutdown_grace: settings.shutdown_grace.map_or(Duration::from_secs(5), |span| span.0),
    };
    if checker.problems.is_empty() { Ok((config, checker.warnings)) } else { Err(checker.problems) }
}

/// Collects what is wrong. Where a value is missing it goes on with a stand-in, which never gets
/// out because a problem was noted.
#[derive(Default)]
struct Checker {
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

impl Checker {
    fn missing(&mut self, key: &'static str) {
        let remedy = match key {
            "cluster_id" => "32 hexadecimal digits of your choice, the same on every node",
            "node_id" => "this node's number among the members, from 1",
            "data_dir" => "the directory for this node's log and data",
            "members" => "all nodes with their id, peer address and client address",
            "tls_ca" => "the PEM file with the authority's certificate",
            "tls_certificate" => "the PEM file with this node's certificate",
            "tls_key" => "the PEM file with this node's private key",
            _ => "it is needed",
        };
        self.problems.push(Problem::Missing { key, remedy });
    }

    fn path(&mut self, key: &'static str, value: Option<PathBuf>) -> PathBuf {
        match value {
            Some(path) if !path.as_os_str().is_empty() => path,
            Some(_) | None => {
                self.missing(key);
                PathBuf::new()
            }
        }
    }

    fn cluster(&mut self, settings: &Settings) -> raft_core::ClusterId {
        let Some(text) = &settings.cluster_id else {
            self.missing("cluster_id");
            return raft_core::ClusterId::default();
        };
        let digits = text.len() == 32 && text.chars().all(|c| c.is_ascii_hexdigit());
        match text.parse() {
            Ok(cluster) if digits => cluster,
            Ok(_) | Err(_) => {
                self.problems.push(Problem::ClusterId(text.clone()));
                raft_core::ClusterId::default()
            }
        }
    }

    fn node(&mut self, settings: &Settings, members: &[Member]) -> NodeId {
        let Some(node) = settings.node_id else {
            self.missing("node_id");
            return NodeId(0);
        };
        if node == 0 {
            self.problems.push(Problem::NodeIdZero);
        } else if !members.is_empty() && members.iter().all(|member| member.id != node) {
            let known: Vec<_> = members.iter().map(|member| member.id.to_string()).collect();
            self.problems.push(Problem::NotAMember { node, known: known.join(", ") });
        }
        NodeId(node)
    }

    fn members(&mut self, settings: &Settings) -> Vec<Member> {
        let mut members = settings.members.clone().unwrap_or_default().0;
        members.sort_by_key(|member| member.id);
        match members.len() {
            0 => self.missing("members"),
            1 => self.warnings.push(Warning::Single),
            count if count > MEMBERS_MAX => self.problems.push(Problem::TooMany(count)),
            count if count % 2 == 0 => self.warnings.push(Warning::Even(count)),
            _ => {}
        }
        if members.iter().any(|member| member.id == 0) {
            self.problems.push(Problem::NodeIdZero);
        }
        for pair in members.windows(2) {
            if let [first, second] = pair
                && first.id == second.id
            {
                self.problems.push(Problem::DuplicateId(first.id));
            }
        }
        self.addresses(&members);
        members
    }

    fn addresses(&mut self, members: &[Member]) {
        let mut seen = BTreeMap::new();
        for member in members {
            for (kind, address) in [("peer", &member.peer), ("client", &member.client)] {
                let whose = format!("member {}'s {kind} address", member.id);
                if let Err(fault) = check_advertised(address) {
                    self.problems.push(Problem::Address { whose, address: address.clone(), fault });
                } else if let Some(first) = seen.insert(address, whose.clone()) {
                    let address = address.clone();
                    self.problems.push(Problem::DuplicateAddress { first, second: whose, address });
                }
            }
        }
    }

    fn listen(&mut self, settings: &Settings, own: Option<&Member>) -> Listen {
        let peer = own.map(|member| member.peer.as_str());
        let client = own.map(|member| member.client.as_str());
        let listen = Listen {
            peer: self.listen_address("listen_peer", settings.listen_peer.as_deref(), peer),
            client: self.listen_address("listen_client", settings.listen_client.as_deref(), client),
            http: match settings.listen_http.as_deref() {
                None | Some("off") => None,
                Some(text) => Some(self.listen_address("listen_http", Some(text), None)),
            },
        };
        if listen.peer == listen.client && listen.peer.port() != 0 {
            self.problems.push(Problem::SamePort(listen.peer));
        }
        if let Some(http) = listen.http
            && !http.ip().is_loopback()
        {
            self.warnings.push(Warning::HttpInTheOpen(http));
        }
        listen
    }

    /// What is set, or the member's own address if that is a number.
    fn listen_address(
        &mut self,
        key: &'static str,
        set: Option<&str>,
        own: Option<&str>,
    ) -> SocketAddr {
        let parsed = set.or(own).and_then(|text| text.parse().ok());
        match (parsed, set, own) {
            (Some(address), _, _) => return address,
            (None, Some(value), _) => {
                self.problems.push(Problem::ListenAddress { key, value: value.to_owned() });
            }
            (None, None, Some(address)) if check_advertised(address).is_ok() => {
                let address = address.to_owned();
                self.problems.push(Problem::ListenNeedsNumber { key, address });
            }
            // The member itself is missing or wrong, which is a problem noted elsewhere.
            (None, None, _) => {}
        }
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    fn raft(&mut self, settings: &Settings) -> RaftSettings {
        let defaults = Limits::default();
        let bytes =
            |size: Option<super::quantity::Size>, default| size.map_or(default, |size| size.0);
        let limits = Limits {
            append_entries_max: settings
                .limit_append_entries
                .unwrap_or(defaults.append_entries_max),
            append_bytes_max: bytes(settings.limit_append_bytes, defaults.append_bytes_max),
            inflight_appends_max: settings
                .limit_inflight_appends
                .unwrap_or(defaults.inflight_appends_max),
            inflight_bytes_max: bytes(settings.limit_inflight_bytes, defaults.inflight_bytes_max),
            command_bytes_max: bytes(settings.limit_command_bytes, defaults.command_bytes_max),
            unapplied_bytes_max: bytes(
                settings.limit_unapplied_bytes,
                defaults.unapplied_bytes_max,
            ),
            tail_bytes_max: bytes(settings.limit_tail_bytes, defaults.tail_bytes_max),
            apply_bytes_max: defaults.apply_bytes_max,
        };
        self.limits(&limits);
        let default_policy = if settings.commands_idempotent.unwrap_or(false) {
            ApplyFailurePolicy::Retry
        } else {
            ApplyFailurePolicy::Halt
        };
        let (election_timeout, heartbeat_interval) = self.timing(settings);
        RaftSettings {
            election_timeout,
            heartbeat_interval,
            storage_stall_timeout: self.storage_stall_timeout(settings, election_timeout),
            pre_vote: settings.pre_vote.unwrap_or(true),
            check_quorum: settings.check_quorum.unwrap_or(true),
            commit_notification: if settings.commit_at_once.unwrap_or(false) {
                CommitNotification::Immediate
            } else {
                CommitNotification::NextMessage
            },
            apply_failure: default_policy,
            limits,
        }
    }

    fn limits(&mut self, limits: &Limits) {
        for (key, value) in [
            ("limit_append_entries", limits.append_entries_max as u64),
            ("limit_append_bytes", limits.append_bytes_max),
            ("limit_inflight_appends", limits.inflight_appends_max as u64),
            ("limit_inflight_bytes", limits.inflight_bytes_max),
            ("limit_command_bytes", limits.command_bytes_max),
            ("limit_unapplied_bytes", limits.unapplied_bytes_max),
            ("limit_tail_bytes", limits.tail_bytes_max),
        ] {
            if value == 0 {
                self.problems.push(Problem::Zero(key));
            }
        }
        let needed = limits.command_weight_max();
        if needed > limits.unapplied_bytes_max {
            self.problems.push(Problem::CommandAboveBudget {
                command: limits.command_bytes_max,
                needed,
                unapplied: limits.unapplied_bytes_max,
            });
        }
        let entries_max = u64::from(FRAME_BYTES_MAX_DEFAULT) - ENVELOPE_BYTES_MAX;
        for (key, value, value_max) in [
            ("limit_append_bytes", limits.append_bytes_max, entries_max),
            (
                "limit_command_bytes",
                limits.command_bytes_max,
                entries_max - Entry::COMMAND_OVERHEAD_BYTES,
            ),
        ] {
            if value > value_max {
                self.problems.push(Problem::AboveFrame { key, value, value_max });
            }
        }
    }

    fn clients(&mut self, settings: &Settings) -> ClientSettings {
        let bytes = |size: super::quantity::Size| usize::try_from(size.0).unwrap_or(usize::MAX);
        let clients = ClientSettings {
            connection_response_bytes_max: settings.limit_connection_response_bytes.map(bytes),
            identity_response_bytes_max: settings.limit_identity_response_bytes.map(bytes),
            disk_reads_max: settings.limit_disk_reads,
        };
        for (key, value) in [
            ("limit_connection_response_bytes", clients.connection_response_bytes_max),
            ("limit_identity_response_bytes", clients.identity_response_bytes_max),
            ("limit_disk_reads", clients.disk_reads_max),
        ] {
            if value == Some(0) {
                self.problems.push(Problem::Zero(key));
            }
        }
        clients
    }

    fn timing(&mut self, settings: &Settings) -> (Duration, Duration) {
        let election = settings.election_timeout.map_or(Duration::from_millis(300), |span| span.0);
        let heartbeat =
            settings.heartbeat_interval.map_or(Duration::from_millis(60), |span| span.0);
        if heartbeat.is_zero() || heartbeat.saturating_mul(3) > election {
            let needed = heartbeat.max(Duration::from_millis(1)).saturating_mul(5);
            self.problems.push(Problem::Timing { heartbeat, election, needed });
        } else if heartbeat.saturating_mul(5) > election {
            self.warnings.push(Warning::Hasty { election, heartbeat });
        }
        (election, heartbeat)
    }

    fn storage_stall_timeout(
        &mut self,
        settings: &Settings,
        election: Duration,
    ) -> Option<Duration> {
        let stall = settings.storage_stall_timeout.map(|span| span.0)?;
        if stall < election.saturating_mul(2) {
            self.problems.push(Problem::StallTimeout { stall, election });
        }
        Some(stall)
    }

    fn threads(&mut self, threads: Option<usize>) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        match threads {
            // The log, the state machine and the readers have threads of their own; what is left
            // is short work that one thread does without waking another.
            None => (cores / 2).clamp(1, 4),
            Some(0) => {
                self.problems.push(Problem::Zero("runtime_threads"));
                1
            }
            Some(many) if many > 256 => {
                self.problems.push(Problem::Threads(many));
                1
            }
            Some(threads) => threads,
        }
    }

    fn log_level(&mut self, level: Option<String>) -> String {
        let level = level.unwrap_or_else(|| "info".to_owned());
        if crate::telemetry::parse_filter(&level).is_err() {
            self.problems.push(Problem::LogLevel(level.clone()));
        }
        level
    }
}
