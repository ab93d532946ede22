//! What can be set.

use core::time::Duration;

use crate::entry::Entry;
use crate::types::Identity;
use crate::wire::ENVELOPE_BYTES_MAX;

/// Settings of one node. `Config::new` gives defaults for a local network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Who this node is.
    pub identity: Identity,
    /// Where randomness comes from: two nodes must not share it. With the same seed and the same
    /// inputs a node does the same, to the bit.
    pub seed: u64,
    /// The shortest time without a leader after which a follower campaigns; each wait is drawn
    /// anew from `[min, 2 * min)` (Raft §5.2).
    pub election_timeout_min: Duration,
    /// How often a leader shows that it lives. At most a third of `election_timeout_min`.
    pub heartbeat_interval: Duration,
    /// How long a disk may make no progress (a persist is outstanding and none completes) before
    /// the node counts it as stalled. A leader then steps down: followers commit without its disk,
    /// but it applies and answers nothing. A candidate whose own vote is not durable by then gives
    /// up, and no election starts here before the disk makes progress. A disk that is slow but
    /// completes a write more often than that is not affected, nor is a slow state machine.
    /// At least twice `election_timeout_min`; `None` means five times.
    pub storage_stall_timeout: Option<Duration>,
    /// Whether a node asks before it raises its term (thesis §9.6).
    pub pre_vote: bool,
    /// Whether a leader that hears from no quorum for an election timeout steps down, and
    /// followers that hear from a leader refuse to vote (thesis §6.2, §4.2.3).
    pub check_quorum: bool,
    /// When followers learn how far the leader has committed.
    pub commit_notification: CommitNotification,
    /// Whether a command at which the state machine failed may be tried again.
    pub apply_failure: ApplyFailurePolicy,
    /// Limits.
    pub limits: Limits,
}

/// When followers learn of a commitment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommitNotification {
    /// With the next append or heartbeat that goes out anyway.
    NextMessage,
    /// At once, with an append of its own if there is nothing else to send.
    Immediate,
}

/// What happens when the state machine fails at a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ApplyFailurePolicy {
    /// Commands are idempotent, or a failed one leaves nothing behind: keep the entry and retry.
    /// The first retry is due at once; each further failure doubles the delay, from 50 ms to at
    /// most 5 s. An entry that succeeds resets it.
    Retry,
    /// Stop the node and mark its log as broken until an operator says that it is fixed.
    Halt,
}

/// Budgets, in entries and bytes ([`Entry::weight_bytes`](crate::Entry::weight_bytes)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Entries in one append message.
    pub append_entries_max: usize,
    /// Bytes in one append message; a single larger entry still goes, alone.
    pub append_bytes_max: u64,
    /// Append messages with entries that may be unanswered by one follower.
    pub inflight_appends_max: usize,
    /// Bytes that may be unanswered by one follower.
    pub inflight_bytes_max: u64,
    /// The largest command.
    pub command_bytes_max: u64,
    /// Bytes of commands that were proposed at this node and are not yet committed, durable and
    /// applied here; a leader refuses more as `Busy`. A slow disk or state machine of the leader
    /// counts as much as slow followers. Bounds what waits for the leader's disk, too.
    pub unapplied_bytes_max: u64,
    /// Bytes of recent entries that the core keeps in memory once they are durable; older ones are
    /// read back from the store when a follower or the state machine needs them. Entries that are
    /// not durable yet are held in addition.
    pub tail_bytes_max: u64,
    /// Bytes of entries handed to the state machine and not yet applied; a single larger entry
    /// still goes, alone.
    pub apply_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            append_entries_max: 4096,
            append_bytes_max: MIB,
            inflight_appends_max: 256,
            inflight_bytes_max: 32 * MIB,
            command_bytes_max: 2 * MIB,
            unapplied_bytes_max: 64 * MIB,
            tail_bytes_max: 64 * MIB,
            apply_bytes_max: 16 * MIB,
        }
    }
}

impl Limits {
    /// What the largest command weighs as an entry ([`Entry::weight_bytes`]).
    #[must_use]
    pub const fn command_weight_max(&self) -> u64 {
        self.command_bytes_max.saturating_add(Entry::COMMAND_OVERHEAD_BYTES)
    }

    /// The most bytes that an encoded append message takes: one that is filled up to
    /// `append_bytes_max`, or one with a single command that is larger.
    #[must_use]
    pub const fn message_bytes_max(&self) -> u64 {
        // The encoded form of an entry is shorter than what the entry weighs.
        let entry = self.command_weight_max();
        let entries = if entry > self.append_bytes_max { entry } else { self.append_bytes_max };
        entries.saturating_add(ENVELOPE_BYTES_MAX)
    }
}

/// Why a configuration cannot work.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// The heartbeat leaves no room for a lost message.
    #[error(
        "heartbeat_interval is {heartbeat:?} but must be above zero and at most a third of \
         election_timeout_min ({election:?}): raise the timeout or lower the interval"
    )]
    HeartbeatIntervalTooLong {
        /// The interval that was set.
        heartbeat: Duration,
        /// The timeout that was set.
        election: Duration,
    },
    /// A disk would count as stalled while an ordinary slow write is under way.
    #[error(
        "storage_stall_timeout is {stall:?} but must be at least twice election_timeout_min \
         ({election:?}): raise it"
    )]
    StallTimeoutTooShort {
        /// The stall timeout that was set.
        stall: Duration,
        /// The election timeout that was set.
        election: Duration,
    },
    /// A limit is zero.
    #[error("{0} must be at least 1")]
    ZeroLimit(&'static str),
    /// A command of the permitted size can never be accepted.
    #[error(
        "a command of command_bytes_max ({command} bytes) takes {needed} bytes in the log but \
         unapplied_bytes_max is {unapplied}, so that it would always be refused: raise \
         unapplied_bytes_max to {needed} or lower command_bytes_max"
    )]
    CommandExceedsBudget {
        /// `command_bytes_max`.
        command: u64,
        /// What such a command weighs.
        needed: u64,
        /// `unapplied_bytes_max`.
        unapplied: u64,
    },
    /// The transport drops messages that the limits permit.
    #[error(
        "an append message may take {message} bytes (append_bytes_max is {append}, \
         command_bytes_max is {command}) but the transport drops messages of more than \
         {transport} bytes: lower the limits or raise the transport's"
    )]
    MessageExceedsTransport {
        /// What a message may take.
        message: u64,
        /// `append_bytes_max`.
        append: u64,
        /// `command_bytes_max`.
        command: u64,
        /// What the transport delivers.
        transport: u64,
    },
    /// Node ids start at 1.
    #[error("node id 0 is not a name; use 1 or more")]
    ZeroNodeId,
    /// The log carries a mark of an earlier failure of the state machine.
    #[error(
        "the log is marked broken since the state machine failed at entry {index} ({reason}); \
         mend the cause and mark it fixed before starting this node"
    )]
    Broken {
        /// The entry that failed.
        index: crate::types::LogIndex,
        /// What the state machine said.
        reason: alloc::string::String,
    },
    /// What was recovered contradicts itself.
    #[error("the recovered state contradicts itself: {0}")]
    Recovered(&'static str),
    /// The configuration in the log is no configuration.
    #[error(transparent)]
    Membership(#[from] crate::membership::MembershipError),
}

impl Config {
    /// Defaults: elections after 300 to 600 ms of silence, a heartbeat every 60 ms, a disk counts
    /// as stalled after 1.5 s without progress.
    #[must_use]
    pub fn new(identity: Identity, seed: u64) -> Self {
        Self {
            identity,
            seed,
            election_timeout_min: Duration::from_millis(300),
            heartbeat_interval: Duration::from_millis(60),
            storage_stall_timeout: None,
            pre_vote: true,
            check_quorum: true,
            commit_notification: CommitNotification::NextMessage,
            apply_failure: ApplyFailurePolicy::Halt,
            limits: Limits::default(),
        }
    }

    /// How long a disk may make no progress before it counts as stalled.
    pub(crate) fn stall_timeout(&self) -> Duration {
        let default = self.election_timeout_min.saturating_mul(5);
        self.storage_stall_timeout.unwrap_or(default)
    }

    /// Says whether these settings can work.
    ///
    /// # Errors
    /// The first rule that they break.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.identity.node.get() == 0 {
            return Err(ConfigError::ZeroNodeId);
        }
        let heartbeat = self.heartbeat_interval;
        if heartbeat.is_zero() || heartbeat.saturating_mul(3) > self.election_timeout_min {
            return Err(ConfigError::HeartbeatIntervalTooLong {
                heartbeat,
                election: self.election_timeout_min,
            });
        }
        let stall = self.stall_timeout();
        if stall < self.election_timeout_min.saturating_mul(2) {
            let election = self.election_timeout_min;
            return Err(ConfigError::StallTimeoutTooShort { stall, election });
        }
        let limits = &self.limits;
        for (name, value) in [
            ("append_entries_max", limits.append_entries_max as u64),
            ("append_bytes_max", limits.append_bytes_max),
            ("inflight_appends_max", limits.inflight_appends_max as u64),
            ("inflight_bytes_max", limits.inflight_bytes_max),
            ("command_bytes_max", limits.command_bytes_max),
            ("unapplied_bytes_max", limits.unapplied_bytes_max),
            ("tail_bytes_max", limits.tail_bytes_max),
            ("apply_bytes_max", limits.apply_bytes_max),
        ] {
            if value == 0 {
                return Err(ConfigError::ZeroLimit(name));
            }
        }
        let (needed, unapplied) = (limits.command_weight_max(), limits.unapplied_bytes_max);
        if needed > unapplied {
            let command = limits.command_bytes_max;
            return Err(ConfigError::CommandExceedsBudget { command, needed, unapplied });
        }
        Ok(())
    }

    /// Says whether a transport delivers every message that these settings permit, given the
    /// longest encoded message that it delivers, in bytes.
    ///
    /// # Errors
    /// When it does not: such a message would be dropped each time it is sent.
    pub fn check_transport(&self, message_bytes_max: u64) -> Result<(), ConfigError> {
        let message = self.limits.message_bytes_max();
        if message > message_bytes_max {
            return Err(ConfigError::MessageExceedsTransport {
                message,
                append: self.limits.append_bytes_max,
                command: self.limits.command_bytes_max,
                transport: message_bytes_max,
            });
        }
        Ok(())
    }
}
