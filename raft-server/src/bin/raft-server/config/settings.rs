//! Every setting, declared once: as a key of the file, a flag, an environment variable and an entry
//! of the reference.

use std::path::{Path, PathBuf};

use clap::Args;
use raft_core::{ApplyFailurePolicy, CommitNotification, MEMBERS_MAX, Settings as RaftSettings};
use raft_server::kv::client_api::{
    CONNECTION_RESPONSE_BYTES_MAX_DEFAULT, IDENTITY_RESPONSE_BYTES_MAX_DEFAULT,
};
use raft_server::space::RESERVE_BYTES_DEFAULT;
use serde::Deserialize;

use super::defaults::{
    RUNTIME_THREADS_DEFAULT_MAX, RUNTIME_THREADS_MAX, SHUTDOWN_GRACE, SNAPSHOT_BYTES_PER_SECOND,
};
use super::log::{LogFilter, LogFormat};
use super::member::Members;
use super::quantity::{Size, Span};
use super::setting::{DefaultValue, Group, Kind, Setting};

/// Declares the settings. A key `a_b` is also the flag `--a-b`.
macro_rules! settings {
    ($($group:literal {
        $(
            $(#[doc = $meaning:literal])+
            $(#[arg($($argument:tt)*)])?
            $key:ident: $type:ty, $variable:literal, $kind:ident, $default:expr, $range:expr;
        )+
    })+) => {
        /// The settings of one source: the file, the environment or the command line. Nothing is
        /// required here: the sources are merged first and checked afterwards.
        #[derive(Args, Clone, Default, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct Settings {
            $($(
                #[arg(
                    long,
                    env = $variable,
                    value_name = Kind::$kind.value_name(),
                    help = help(stringify!($key)),
                    help_heading = $group,
                    $($($argument)*)?
                )]
                pub(crate) $key: Option<$type>,
            )+)+
        }

        /// Every key of the configuration file.
        pub(super) const KEYS: &[&str] = &[$($(stringify!($key)),+),+];

        /// The documentation of every setting, in groups.
        pub(super) fn groups() -> Vec<Group> {
            let raft = RaftSettings::default();
            vec![$(
                Group {
                    name: $group,
                    settings: vec![$(
                        Setting {
                            key: stringify!($key),
                            variable: $variable,
                            kind: Kind::$kind,
                            meaning: [$($meaning),+].concat().trim().to_owned(),
                            default: ($default)(&raft),
                            range: ($range).to_string(),
                        }
                    ),+],
                }
            ),+]
        }

        impl Settings {
            /// The settings of `self`, and those of `below` where `self` has none.
            pub(crate) fn or(self, below: Self) -> Self {
                Self { $($($key: self.$key.or(below.$key)),+),+ }
            }
        }
    };
}

settings! {
    "Node" {
        /// The cluster of this node, the same on every node.
        cluster_id: String, "RAFT_SERVER_CLUSTER_ID", ClusterId, required, "32 hexadecimal digits";
        /// The id of this node.
        node_id: u64, "RAFT_SERVER_NODE_ID", Number, required, "an id of `members`";
        /// The directory of the log, the key-value store and the snapshots. The node creates it with mode 0700.
        data_dir: PathBuf, "RAFT_SERVER_DATA_DIR", Directory, required, "-";
        /// Make a node with an empty data directory a member of a new cluster, which consists of
        /// `members`. Set it for the first start of each of these nodes. Without it, such a node
        /// waits until a leader adds it.
        #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        bootstrap: bool, "RAFT_SERVER_BOOTSTRAP", Boolean, value(bool::default()), "-";
        /// The members of a new cluster, this node included; later, addresses to try. The members
        /// of a running cluster are changed with `raft-server members`, not here. In the file each is
        /// a table
        /// `[[members]]` with the keys `id`, `peer` and `client`; in a flag or variable each is
        /// ID=PEER/CLIENT. Peer and client addresses are HOST:PORT (UDP).
        members: Members, "RAFT_SERVER_MEMBERS", Members, required,
            format!("1 to {MEMBERS_MAX} members with distinct ids from 1 and distinct addresses");
    }
    "Network" {
        /// The address to bind for the other nodes (UDP).
        listen_peer: String, "RAFT_SERVER_LISTEN_PEER", Address,
            text("this member's peer address, if that is numeric"), "-";
        /// The address to bind for clients (UDP).
        listen_client: String, "RAFT_SERVER_LISTEN_CLIENT", Address,
            text("this member's client address, if that is numeric"), "differs from `listen_peer`";
        /// The address to bind for probes, metrics and status over HTTP (TCP), or `off`. The port
        /// has no authentication: use a loopback address or a firewall.
        listen_http: String, "RAFT_SERVER_LISTEN_HTTP", Address, value("off"), "an address or `off`";
    }
    "Certificates" {
        /// The certificates of the authorities that issue certificates for nodes and clients (PEM).
        tls_ca: PathBuf, "RAFT_SERVER_TLS_CA", File, required, "-";
        /// The certificate chain of this node (PEM).
        tls_certificate: PathBuf, "RAFT_SERVER_TLS_CERTIFICATE", File, required, "-";
        /// The private key of this node's certificate (PEM).
        tls_key: PathBuf, "RAFT_SERVER_TLS_KEY", File, required, "-";
    }
    "Raft" {
        /// The shortest time without contact with a leader after which a node campaigns. Each
        /// timeout is drawn between this value and twice this value.
        election_timeout: Span, "RAFT_SERVER_ELECTION_TIMEOUT", Duration,
            |raft: &RaftSettings| given(Span(raft.election_timeout_min)),
            "at least three times `heartbeat_interval`";
        /// The time between the heartbeats of a leader.
        heartbeat_interval: Span, "RAFT_SERVER_HEARTBEAT_INTERVAL", Duration,
            |raft: &RaftSettings| given(Span(raft.heartbeat_interval)),
            "above 0, at most a third of `election_timeout`";
        /// The time without progress after which the disk of the log counts as stalled. A leader
        /// with a stalled disk steps down, and the node does not campaign.
        storage_stall_timeout: Span, "RAFT_SERVER_STORAGE_STALL_TIMEOUT", Duration,
            text("five times `election_timeout`"), "at least twice `election_timeout`";
        /// Request pre-votes before the term is raised in an election.
        #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        pre_vote: bool, "RAFT_SERVER_PRE_VOTE", Boolean,
            |raft: &RaftSettings| given(raft.pre_vote), "-";
        /// A leader without contact with a quorum for an election timeout steps down, and nodes with
        /// recent contact with a leader refuse to vote.
        #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        check_quorum: bool, "RAFT_SERVER_CHECK_QUORUM", Boolean,
            |raft: &RaftSettings| given(raft.check_quorum), "-";
        /// Send a new commit index to the followers at once, rather than with the next message.
        #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        commit_at_once: bool, "RAFT_SERVER_COMMIT_AT_ONCE", Boolean,
            |raft: &RaftSettings| {
                given(raft.commit_notification == CommitNotification::Immediate)
            },
            "-";
        /// Retry a command at which the state machine failed. Without it the node stops and marks
        /// its log as broken, until `raft-server log mark-fixed --data-dir DIRECTORY` removes the
        /// mark.
        #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        commands_idempotent: bool, "RAFT_SERVER_COMMANDS_IDEMPOTENT", Boolean,
            |raft: &RaftSettings| given(raft.apply_failure == ApplyFailurePolicy::Retry), "-";
    }
    "Leases" {
        /// Let the leader serve leased reads without messages while no other node can be elected.
        /// Linearizable only as long as the clocks of the nodes keep to `lease_clock_drift_max`. All
        /// nodes need the same setting: change it on a stopped cluster.
        #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        lease: bool, "RAFT_SERVER_LEASE", Boolean, value(bool::default()),
            "needs `check_quorum`, and Linux";
        /// How far the clocks of two nodes may diverge while one of them advances by
        /// `election_timeout`. Leases are shorter by this. Has an effect with `lease` only.
        lease_clock_drift_max: Span, "RAFT_SERVER_LEASE_CLOCK_DRIFT_MAX", Duration,
            text("a tenth of `election_timeout`"),
            "less than `election_timeout` without `heartbeat_interval`";
    }
    "Limits of replication" {
        /// Entries in one append message.
        limit_append_entries: usize, "RAFT_SERVER_LIMIT_APPEND_ENTRIES", Number,
            |raft: &RaftSettings| given(raft.limits.append_entries_max), "1 or more";
        /// Bytes of entries in one append message. A larger entry is sent alone.
        limit_append_bytes: Size, "RAFT_SERVER_LIMIT_APPEND_BYTES", Bytes,
            |raft: &RaftSettings| given(Size(raft.limits.append_bytes_max)),
            "1 or more; an append message must fit into a frame of the transport (16 MiB)";
        /// Append messages with entries to one follower that await a response.
        limit_inflight_appends: usize, "RAFT_SERVER_LIMIT_INFLIGHT_APPENDS", Number,
            |raft: &RaftSettings| given(raft.limits.inflight_appends_max), "1 or more";
        /// Bytes of entries to one follower that await a response.
        limit_inflight_bytes: Size, "RAFT_SERVER_LIMIT_INFLIGHT_BYTES", Bytes,
            |raft: &RaftSettings| given(Size(raft.limits.inflight_bytes_max)), "1 or more";
        /// Bytes of one command in the log.
        limit_command_bytes: Size, "RAFT_SERVER_LIMIT_COMMAND_BYTES", Bytes,
            |raft: &RaftSettings| given(Size(raft.limits.command_bytes_max)),
            "1 or more; must fit into `limit_unapplied_bytes` and into a frame of the transport";
        /// Bytes of commands that a leader has accepted and not applied. It refuses further writes
        /// as `Busy`.
        limit_unapplied_bytes: Size, "RAFT_SERVER_LIMIT_UNAPPLIED_BYTES", Bytes,
            |raft: &RaftSettings| given(Size(raft.limits.unapplied_bytes_max)),
            "at least `limit_command_bytes` and the overhead of an entry";
        /// Bytes of recent durable entries that are kept in memory. Older entries are read from the
        /// disk.
        limit_tail_bytes: Size, "RAFT_SERVER_LIMIT_TAIL_BYTES", Bytes,
            |raft: &RaftSettings| given(Size(raft.limits.tail_bytes_max)), "1 or more";
    }
    "Storage" {
        /// Free space on the disk of the data directory below which a leader refuses writes. Reads,
        /// deletions, compactions and elections continue. Below a quarter of it only compactions are
        /// accepted. 0 disables the check.
        storage_reserve_bytes: Size, "RAFT_SERVER_STORAGE_RESERVE_BYTES", Bytes,
            value(Size(RESERVE_BYTES_DEFAULT)), "0 or more";
    }
    "Compaction and snapshots" {
        /// Entries that the log keeps although they are durable in the key-value store, so that a
        /// node that was away for a short time needs no snapshot. Earlier ones are removed.
        compaction_kept_entries: u64, "RAFT_SERVER_COMPACTION_KEPT_ENTRIES", Number,
            |raft: &RaftSettings| given(raft.compaction.kept_entries_max), "0 or more";
        /// Bytes of such entries; the lower of the two limits applies.
        compaction_kept_bytes: Size, "RAFT_SERVER_COMPACTION_KEPT_BYTES", Bytes,
            |raft: &RaftSettings| given(Size(raft.compaction.kept_bytes_max)), "0 or more";
        /// Bytes of such entries that a leader keeps for a follower that lacks them. A follower that
        /// lacks more gets a snapshot.
        compaction_follower_bytes: Size, "RAFT_SERVER_COMPACTION_FOLLOWER_BYTES", Bytes,
            |raft: &RaftSettings| given(Size(raft.compaction.follower_bytes_max)),
            "at least `compaction_kept_bytes`";
        /// Bytes of such entries that a leader keeps for a follower while that installs a snapshot. A
        /// follower that takes longer needs another snapshot.
        compaction_snapshot_bytes: Size, "RAFT_SERVER_COMPACTION_SNAPSHOT_BYTES", Bytes,
            |raft: &RaftSettings| given(Size(raft.compaction.snapshot_bytes_max)),
            "at least `compaction_follower_bytes`";
        /// Bytes of a snapshot that are sent to a follower in one second. 0 disables the limit.
        snapshot_bytes_per_second: Size, "RAFT_SERVER_SNAPSHOT_BYTES_PER_SECOND", Bytes,
            value(Size(SNAPSHOT_BYTES_PER_SECOND)), "0 or more";
    }
    "Limits of clients" {
        /// Bytes of keys and values in responses of one client connection that are being produced or
        /// that the client has not received. Further requests of the connection wait.
        limit_connection_response_bytes: Size, "RAFT_SERVER_LIMIT_CONNECTION_RESPONSE_BYTES", Bytes,
            value(Size(CONNECTION_RESPONSE_BYTES_MAX_DEFAULT as u64)), "1 or more";
        /// The same for all connections together whose certificates name the same client. Set it to
        /// several times `limit_connection_response_bytes`.
        limit_identity_response_bytes: Size, "RAFT_SERVER_LIMIT_IDENTITY_RESPONSE_BYTES", Bytes,
            value(Size(IDENTITY_RESPONSE_BYTES_MAX_DEFAULT as u64)), "1 or more";
        /// Concurrent reads of single keys that wait for the disk, and as many of ranges.
        limit_disk_reads: usize, "RAFT_SERVER_LIMIT_DISK_READS", Number,
            text("two for each core, at least 4 and at most 64"), "1 or more";
    }
    "Log on stderr" {
        /// The format of log lines.
        log_format: LogFormat, "RAFT_SERVER_LOG_FORMAT", LogFormat, value("text"),
            "`text` or `json`";
        /// The filter of log lines: a level, or a list of levels for modules, such as
        /// `info,raft_transport_quic=debug`.
        log_level: String, "RAFT_SERVER_LOG_LEVEL", LogFilter, value(LogFilter::default()),
            "`error`, `warn`, `info`, `debug`, `trace`, or a list";
    }
    "Process" {
        /// Threads of the asynchronous runtime, which serves the network and the clients.
        runtime_threads: usize, "RAFT_SERVER_RUNTIME_THREADS", Number,
            text(&format!(
                "half the number of cores, at least 1 and at most {RUNTIME_THREADS_DEFAULT_MAX}"
            )),
            format!("1 to {RUNTIME_THREADS_MAX}");
        /// The time limit of an orderly shutdown, and of the wait for background work that follows.
        /// Then the process exits.
        shutdown_grace: Span, "RAFT_SERVER_SHUTDOWN_GRACE", Duration, value(Span(SHUTDOWN_GRACE)),
            "-";
    }
}

const fn required(_: &RaftSettings) -> DefaultValue {
    DefaultValue::Required
}

fn given(value: impl ToString) -> DefaultValue {
    DefaultValue::Value(value.to_string())
}

fn value(value: impl ToString) -> impl Fn(&RaftSettings) -> DefaultValue {
    move |_| DefaultValue::Value(value.to_string())
}

fn text(text: &str) -> impl Fn(&RaftSettings) -> DefaultValue {
    move |_| DefaultValue::Text(text.to_owned())
}

/// The help text of a flag: the meaning and the default.
fn help(key: &str) -> String {
    let setting = groups()
        .into_iter()
        .flat_map(|group| group.settings)
        .find(|setting| setting.key == key)
        .expect("every flag is a setting");
    let meaning = setting.meaning.trim_end_matches('.').replace('`', "");
    match setting.default {
        DefaultValue::Required => meaning,
        DefaultValue::Value(default) | DefaultValue::Text(default) => {
            format!("{meaning} [default: {}]", default.replace('`', ""))
        }
    }
}

impl Settings {
    /// The same settings with paths relative to a directory.
    pub(crate) fn relative_to(mut self, directory: &Path) -> Self {
        let paths =
            [&mut self.data_dir, &mut self.tls_ca, &mut self.tls_certificate, &mut self.tls_key];
        for path in paths.into_iter().flatten() {
            *path = directory.join(&path);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[derive(clap::Parser)]
    struct Probe {
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn every_key_is_a_flag_and_a_variable_of_the_same_name() {
        let command = Probe::command();
        let settings = groups().into_iter().flat_map(|group| group.settings);
        for Setting { key, variable, .. } in settings {
            let argument = command
                .get_arguments()
                .find(|argument| argument.get_id() == key)
                .unwrap_or_else(|| panic!("{key} is no flag"));
            assert_eq!(argument.get_long(), Some(key.replace('_', "-").as_str()));
            let named = argument.get_env().and_then(|name| name.to_str());
            assert_eq!(named, Some(variable));
            assert_eq!(variable, format!("RAFT_SERVER_{}", key.to_uppercase()));
        }
    }

    /// The reference shows the defaults of the types; the check must use the same.
    #[test]
    fn documented_defaults_are_valid_values() {
        let mut text = String::new();
        for setting in groups().into_iter().flat_map(|group| group.settings) {
            if let DefaultValue::Value(default) = setting.default {
                let bare = matches!(setting.kind, Kind::Number | Kind::Boolean);
                let quoted = if bare { default } else { format!("{default:?}") };
                text += &format!("{} = {quoted}\n", setting.key);
            }
        }
        let settings: Settings = toml::from_str(&text).unwrap();
        assert_eq!(
            settings.election_timeout,
            Some(Span(RaftSettings::default().election_timeout_min))
        );
        assert_eq!(settings.storage_reserve_bytes, Some(Size(RESERVE_BYTES_DEFAULT)));
    }
}
