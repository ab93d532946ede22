//! What an embedder sets.

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::compaction::CompactionPolicy;
use super::error::ConfigError;
use super::limits::Limits;

/// Timing, policies and limits of a node. `Settings::default()` suits a local network.
/// [`Config::new`](crate::Config::new) checks them.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The shortest time without contact with a leader after which a follower campaigns. Each
    /// timeout is drawn from `[min, 2 * min)` (Raft §5.2). Default: 300 ms.
    pub election_timeout_min: Duration,
    /// The time between the heartbeats of a leader. Above zero, and at most a third of
    /// `election_timeout_min`, so that one lost heartbeat causes no election. Default: 60 ms.
    pub heartbeat_interval: Duration,
    /// How long a persist may be outstanding while none completes before the disk counts as
    /// stalled. A leader with a stalled disk steps down: followers commit without its disk, but it
    /// applies nothing and completes no request. A candidate whose own vote is not durable by then
    /// steps down, and the node starts no election before its disk makes progress. A slow disk that
    /// completes a write within this time does not count as stalled, and a slow state machine has
    /// no effect. At least twice `election_timeout_min`. Default: `None`, five times
    /// `election_timeout_min`.
    pub storage_stall_timeout: Option<Duration>,
    /// Whether a node requests pre-votes before it raises its term (thesis §9.6). Default: `true`.
    pub pre_vote: bool,
    /// Whether a leader without contact with a quorum for an election timeout steps down, and
    /// followers with recent contact with a leader refuse to vote (thesis §6.2, §4.2.3).
    /// Default: `true`.
    pub check_quorum: bool,
    /// What a follower does with reads. Default: it refuses them and names the leader.
    pub follower_reads: FollowerReads,
    /// Leases of leaders (thesis §6.4.1), which permit [`ReadConsistency::Leased`] reads without
    /// messages. They need `check_quorum`. All nodes of a cluster need the same setting: a node
    /// without leases votes too early. [`ClusterSettings`](crate::ClusterSettings) change it at all
    /// nodes safely. Default: `None`, no leases.
    ///
    /// [`ReadConsistency::Leased`]: crate::ReadConsistency::Leased
    pub lease: Option<LeaseSettings>,
    /// When a leader sends a new commit index to its followers. Default: with the next message.
    pub commit_notification: CommitNotification,
    /// What happens when the state machine fails at a command. Default: the node halts.
    pub apply_failure: ApplyFailurePolicy,
    /// How much of the log is kept behind the durably applied entries.
    pub compaction: CompactionPolicy,
    /// Limits in entries and bytes.
    pub limits: Limits,
}

/// The lease of a leader: a time in which no other node can be elected.
///
/// A lease counts from the time at which the leader began a round that a quorum has acknowledged, and
/// lasts `election_timeout_min - clock_drift_max`. A node with contact with a leader grants no vote,
/// and does not campaign, within `election_timeout_min`. Since the contact is lost when it stops,
/// it grants none within `election_timeout_min` of a restart either.
///
/// # What the host must provide
/// - A clock that also advances while the machine is suspended (`CLOCK_BOOTTIME` on Linux) and is
///   never set back. A clock that stands still extends the lease: the node knows no other time.
/// - Between two readings of its clocks at one node, another node's clock advances by at most
///   `clock_drift_max` less or more for each `election_timeout_min`.
/// - The time of a step that carries a read is taken after the host received the read from its
///   caller.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct LeaseSettings {
    /// How far the clocks of two nodes may diverge while one advances by `election_timeout_min`.
    pub clock_drift_max: Duration,
}

/// What a follower does with linearizable reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FollowerReads {
    /// It refuses them and names the leader.
    Redirect,
    /// It requests the read index from the leader, waits until its own state machine has applied
    /// that index, and permits the reads then (thesis §6.4). Reads that arrive meanwhile share the
    /// next request. The seed of the node must differ in each incarnation of its process: it makes
    /// the numbers of the requests unique ([`Config::new`](crate::Config::new)).
    ReadIndex,
}

/// When a leader sends a new commit index to its followers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum CommitNotification {
    /// With the next append or heartbeat.
    NextMessage,
    /// At once, with a heartbeat to each follower.
    Immediate,
}

/// What happens when the state machine fails at a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ApplyFailurePolicy {
    /// Retry the entry. For commands that are idempotent, or that have no effect when they fail.
    /// The first retry is due at once; each further failure doubles the delay, from 50 ms to at
    /// most 5 s. A success resets it.
    Retry,
    /// Mark the log as broken and stop the node. It does not start again before an operator
    /// removes the mark.
    Halt,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            election_timeout_min: Duration::from_millis(300),
            heartbeat_interval: Duration::from_millis(60),
            storage_stall_timeout: None,
            pre_vote: true,
            check_quorum: true,
            follower_reads: FollowerReads::Redirect,
            lease: None,
            commit_notification: CommitNotification::NextMessage,
            apply_failure: ApplyFailurePolicy::Halt,
            compaction: CompactionPolicy::default(),
            limits: Limits::default(),
        }
    }
}

impl Settings {
    /// Every rule that the settings break; empty if they are valid. For a host that reports all
    /// problems of a configuration file at once; [`Config::new`](crate::Config::new) reports the
    /// first.
    #[must_use]
    pub fn violations(&self) -> Vec<ConfigError> {
        let mut violations = Vec::new();
        let (heartbeat, election) = (self.heartbeat_interval, self.election_timeout_min);
        if heartbeat.is_zero() || heartbeat.saturating_mul(3) > election {
            violations.push(ConfigError::HeartbeatIntervalTooLong { heartbeat, election });
        }
        let stall = self.stall_timeout();
        if stall < election.saturating_mul(2) {
            violations.push(ConfigError::StallTimeoutTooShort { stall, election });
        }
        if let Some(LeaseSettings { clock_drift_max }) = self.lease {
            if !self.check_quorum {
                violations.push(ConfigError::LeaseWithoutCheckQuorum);
            }
            if clock_drift_max.saturating_add(heartbeat) >= election {
                let drift = clock_drift_max;
                violations.push(ConfigError::LeaseTooShort { drift, heartbeat, election });
            }
        }
        let zero = self.limits.named().into_iter().filter(|&(_, value)| value == 0);
        violations.extend(zero.map(|(name, _)| ConfigError::ZeroLimit(name)));
        let needed = self.limits.command_weight_max();
        let unapplied = self.limits.unapplied_bytes_max;
        if needed > unapplied {
            let command = self.limits.command_bytes_max;
            violations.push(ConfigError::CommandExceedsBudget { command, needed, unapplied });
        }
        violations
    }

    /// How long a lease lasts; `None` without leases.
    pub(super) fn lease_duration(&self) -> Option<Duration> {
        let LeaseSettings { clock_drift_max } = self.lease?;
        Some(self.election_timeout_min.saturating_sub(clock_drift_max))
    }

    /// How long a node withholds its vote after contact with a leader; `None` without leases.
    pub(super) fn vote_withholding(&self) -> Option<Duration> {
        self.lease.map(|_| self.election_timeout_min)
    }

    /// `storage_stall_timeout`, or its default.
    pub(crate) fn stall_timeout(&self) -> Duration {
        let default = self.election_timeout_min.saturating_mul(5);
        self.storage_stall_timeout.unwrap_or(default)
    }
}
