//! What a node waits for: what the core finds, and what only its host knows.

use std::fmt;
use std::time::Duration;

use raft_core::NodeId;

/// What a node waits for at one moment, and why.
///
/// Displayed as the core's lines ([`raft_core::Explanation`]) and one for each finding of the host.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "server", derive(serde::Serialize))]
#[non_exhaustive]
pub struct NodeExplanation {
    /// What the core finds.
    pub raft: raft_core::Explanation,
    /// What the host finds: its threads and queues, and what [`HostInsight`]s add.
    pub host: Vec<HostFinding>,
}

/// One thing that the host of a node knows and its core does not. Displayed in words.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "server", derive(serde::Serialize))]
#[cfg_attr(feature = "server", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum HostFinding {
    /// The node has stopped: what the core finds is its last state.
    Stopped {
        /// Why.
        reason: String,
    },
    /// The driver does not respond: what the core finds is that old.
    DriverSilent {
        /// The age of what the core finds.
        age: Duration,
    },
    /// The log store writes.
    LogWrite {
        /// How long the write in progress has taken.
        elapsed: Duration,
        /// The changes that it makes durable.
        changes: u64,
        /// The bytes of their entries.
        bytes: u64,
    },
    /// A queue in front of the driver is more than half full. What does not fit is refused or
    /// dropped.
    QueueFills {
        /// What the queue holds.
        queue: &'static str,
        /// Its length.
        length: usize,
        /// The length at which it is full.
        length_max: usize,
    },
    /// There is no connection to a peer.
    PeerUnconnected {
        /// The peer.
        node: NodeId,
        /// Why the last connection was lost or the last attempt failed, if that is known.
        last_error: Option<String>,
    },
    /// The disk has little free space: commands that add data are refused.
    SpaceLow {
        /// The free bytes.
        free_bytes: u64,
        /// The bytes that should be free.
        reserve_bytes: u64,
    },
}

/// A part of a host that explains what the node itself cannot know: connections, disk space.
/// Registered with [`NodeHandle::add_insight`](crate::NodeHandle::add_insight); called on the thread
/// of [`NodeHandle::explain`](crate::NodeHandle::explain), must not block, and may be called at any
/// time.
pub trait HostInsight: Send + Sync {
    /// Adds what the part finds now.
    fn explain(&self, findings: &mut Vec<HostFinding>);
}

impl HostFinding {
    /// What it is about, in one word.
    #[must_use]
    pub const fn topic(&self) -> &'static str {
        match self {
            Self::Stopped { .. } | Self::DriverSilent { .. } => "node",
            Self::LogWrite { .. } | Self::SpaceLow { .. } => "disk",
            Self::QueueFills { .. } => "queues",
            Self::PeerUnconnected { .. } => "peers",
        }
    }
}

impl fmt::Display for HostFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped { reason } => write!(f, "the node has stopped: {reason}"),
            Self::DriverSilent { age } => {
                write!(f, "the driver does not respond; this state is {} ms old", age.as_millis())
            }
            Self::LogWrite { elapsed, changes, bytes } => write!(
                f,
                "a write of {changes} changes with {bytes} bytes of entries to the log has taken {} \
                 ms so far",
                elapsed.as_millis()
            ),
            Self::QueueFills { queue, length, length_max } => {
                write!(f, "{length} of at most {length_max} {queue} wait for the driver")
            }
            Self::PeerUnconnected { node, last_error } => {
                write!(f, "no connection to node {node}")?;
                last_error.as_ref().map_or(Ok(()), |error| write!(f, ": {error}"))
            }
            Self::SpaceLow { free_bytes, reserve_bytes } => write!(
                f,
                "{free_bytes} bytes of disk space are free, less than the reserve of {reserve_bytes}: \
                 commands that add data are refused"
            ),
        }
    }
}

impl NodeExplanation {
    /// Every finding in words, with its topic: those of the core first.
    pub fn lines(&self) -> impl Iterator<Item = (&'static str, String)> {
        let core = self.raft.findings.iter().map(|found| (found.topic(), found.to_string()));
        core.chain(self.host.iter().map(|found| (found.topic(), found.to_string())))
    }
}

impl fmt::Display for NodeExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.raft)?;
        self.host.iter().try_for_each(|found| write!(f, "\n  {}: {found}", found.topic()))
    }
}
