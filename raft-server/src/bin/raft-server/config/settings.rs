//! Every setting once: as a key of the file, as a flag and as an environment variable.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::member::Members;
use super::quantity::{Size, Span};

/// Declares the settings. A key `a_b` is the flag `--a-b` and the variable named beside it.
macro_rules! settings {
    ($($(#[$meta:meta])* $key:ident: $type:ty, $variable:literal;)*) => {
        /// What a file, the environment or the command line may say. Nothing is required here:
        /// the layers are merged first and checked afterwards.
        #[derive(Args, Clone, Default, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct Settings {
            $(
                $(#[$meta])*
                #[arg(long, env = $variable, help_heading = "Settings (flag, then variable, then file)")]
                pub(crate) $key: Option<$type>,
            )*
        }

        /// Every key of the configuration file.
        pub(crate) const KEYS: &[&str] = &[$(stringify!($key)),*];

        /// The environment variables, in the order of [`KEYS`].
        #[cfg(test)]
        const VARIABLES: &[&str] = &[$($variable),*];

        impl Settings {
            /// What `self` says, and what `below` says where `self` is silent.
            pub(crate) fn or(self, below: Self) -> Self {
                Self { $($key: self.$key.or(below.$key)),* }
            }
        }
    };
}

settings! {
    /// The cluster this node belongs to: 32 hexadecimal digits, the same on every node
    #[arg(value_name = "HEX")]
    cluster_id: String, "RAFT_SERVER_CLUSTER_ID";
    /// This node's id, from 1, unlike every other member's
    #[arg(value_name = "N")]
    node_id: u64, "RAFT_SERVER_NODE_ID";
    /// The directory of this node's log and data
    #[arg(value_name = "DIRECTORY")]
    data_dir: PathBuf, "RAFT_SERVER_DATA_DIR";
    /// Initialise an empty data directory: say it at a node's first start and never again, because
    /// a node that lost its disk must not come back as if nothing had happened
    #[arg(value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    bootstrap: bool, "RAFT_SERVER_BOOTSTRAP";
    /// All members, this node among them: ID=PEER/CLIENT, separated by commas; in the file one
    /// [[members]] table each with id, peer and client
    #[arg(value_name = "ID=PEER/CLIENT,...")]
    members: Members, "RAFT_SERVER_MEMBERS";
    /// Where to listen for the other nodes (UDP) [default: this member's own peer address]
    #[arg(value_name = "IP:PORT")]
    listen_peer: String, "RAFT_SERVER_LISTEN_PEER";
    /// Where to listen for clients (UDP) [default: this member's own client address]
    #[arg(value_name = "IP:PORT")]
    listen_client: String, "RAFT_SERVER_LISTEN_CLIENT";
    /// Where to serve probes, metrics and status over HTTP (TCP), or `off` [default: off]
    #[arg(value_name = "IP:PORT")]
    listen_http: String, "RAFT_SERVER_LISTEN_HTTP";
    /// The certificates of the authorities that may vouch for nodes and clients (PEM)
    #[arg(value_name = "FILE")]
    tls_ca: PathBuf, "RAFT_SERVER_TLS_CA";
    /// This node's certificate chain (PEM)
    #[arg(value_name = "FILE")]
    tls_certificate: PathBuf, "RAFT_SERVER_TLS_CERTIFICATE";
    /// The private key of this node's certificate (PEM)
    #[arg(value_name = "FILE")]
    tls_key: PathBuf, "RAFT_SERVER_TLS_KEY";
    /// The shortest silence after which a node campaigns [default: 300ms]
    #[arg(value_name = "DURATION")]
    election_timeout: Span, "RAFT_SERVER_ELECTION_TIMEOUT";
    /// How often a leader shows that it lives, at most a third of election_timeout [default: 60ms]
    #[arg(value_name = "DURATION")]
    heartbeat_interval: Span, "RAFT_SERVER_HEARTBEAT_INTERVAL";
    /// How long the disk of the log may make no progress before the node gives up leadership, at
    /// least twice election_timeout [default: five times election_timeout]
    #[arg(value_name = "DURATION")]
    storage_stall_timeout: Span, "RAFT_SERVER_STORAGE_STALL_TIMEOUT";
    /// Ask before raising the term in an election [default: true]
    #[arg(value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pre_vote: bool, "RAFT_SERVER_PRE_VOTE";
    /// A leader that hears from no majority steps down [default: true]
    #[arg(value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    check_quorum: bool, "RAFT_SERVER_CHECK_QUORUM";
    /// Tell followers of every commitment at once rather than with the next message [default: false]
    #[arg(value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    commit_at_once: bool, "RAFT_SERVER_COMMIT_AT_ONCE";
    /// Whether a command at which the state machine failed may be run again. If not, the node
    /// stops and marks its log as broken until `raft-server log mark-fixed` [default: false]
    #[arg(value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    commands_idempotent: bool, "RAFT_SERVER_COMMANDS_IDEMPOTENT";
    /// Entries in one append message [default: 4096]
    #[arg(value_name = "N")]
    limit_append_entries: usize, "RAFT_SERVER_LIMIT_APPEND_ENTRIES";
    /// Bytes in one append message [default: 1MiB]
    #[arg(value_name = "BYTES")]
    limit_append_bytes: Size, "RAFT_SERVER_LIMIT_APPEND_BYTES";
    /// Append messages that one follower may leave unanswered [default: 256]
    #[arg(value_name = "N")]
    limit_inflight_appends: usize, "RAFT_SERVER_LIMIT_INFLIGHT_APPENDS";
    /// Bytes that one follower may leave unanswered [default: 32MiB]
    #[arg(value_name = "BYTES")]
    limit_inflight_bytes: Size, "RAFT_SERVER_LIMIT_INFLIGHT_BYTES";
    /// Bytes of writes that a leader has accepted and not applied yet before clients are told to
    /// slow down [default: 64MiB]
    #[arg(value_name = "BYTES")]
    limit_unapplied_bytes: Size, "RAFT_SERVER_LIMIT_UNAPPLIED_BYTES";
    /// The largest command in the log [default: 2MiB]
    #[arg(value_name = "BYTES")]
    limit_command_bytes: Size, "RAFT_SERVER_LIMIT_COMMAND_BYTES";
    /// Bytes of recent durable log kept in memory; older entries are read back [default: 64MiB]
    #[arg(value_name = "BYTES")]
    limit_tail_bytes: Size, "RAFT_SERVER_LIMIT_TAIL_BYTES";
    /// Free space on the disk of the data directory below which a leader refuses writes, so that
    /// reads, deletions, compactions and elections go on; below a quarter of it only compactions
    /// are accepted; 0 turns the check off [default: 512MiB]
    #[arg(value_name = "BYTES")]
    storage_reserve_bytes: Size, "RAFT_SERVER_STORAGE_RESERVE_BYTES";
    /// Bytes of keys and values in responses of one client connection that are being produced or
    /// not yet taken by the client; further requests of the connection wait [default: 16MiB]
    #[arg(value_name = "BYTES")]
    limit_connection_response_bytes: Size, "RAFT_SERVER_LIMIT_CONNECTION_RESPONSE_BYTES";
    /// The same for all connections together whose clients have the same certificate identity; set
    /// several times limit_connection_response_bytes [default: 128MiB]
    #[arg(value_name = "BYTES")]
    limit_identity_response_bytes: Size, "RAFT_SERVER_LIMIT_IDENTITY_RESPONSE_BYTES";
    /// Reads of single keys, and reads of ranges, that may wait for the disk at a time
    /// [default: two for each core, at least 4 and at most 64]
    #[arg(value_name = "N")]
    limit_disk_reads: usize, "RAFT_SERVER_LIMIT_DISK_READS";
    /// How the log on stderr is written [default: text]
    log_format: LogFormat, "RAFT_SERVER_LOG_FORMAT";
    /// What is logged: error, warn, info, debug, trace, or a list such as
    /// info,raft_transport_quic=debug [default: info]
    #[arg(value_name = "LEVEL")]
    log_level: String, "RAFT_SERVER_LOG_LEVEL";
    /// Threads for network and clients [default: one for two cores, at most 4]
    #[arg(value_name = "N")]
    runtime_threads: usize, "RAFT_SERVER_RUNTIME_THREADS";
    /// How long an orderly shutdown may take before the node leaves anyway [default: 5s]
    #[arg(value_name = "DURATION")]
    shutdown_grace: Span, "RAFT_SERVER_SHUTDOWN_GRACE";
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Settings {
    /// Takes the paths of a file as relative to the directory that the file is in.
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
        for (key, variable) in KEYS.iter().zip(VARIABLES) {
            let argument = command
                .get_arguments()
                .find(|argument| argument.get_id() == key)
                .unwrap_or_else(|| panic!("{key} is no flag"));
            assert_eq!(argument.get_long(), Some(key.replace('_', "-").as_str()));
            let named = argument.get_env().and_then(|name| name.to_str());
            assert_eq!(named, Some(*variable));
            assert_eq!(*variable, format!("RAFT_SERVER_{}", key.to_uppercase()));
        }
        assert_eq!(KEYS.len(), VARIABLES.len());
    }
}
