//! The rules of a configuration, as errors.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::limit_name::LimitName;

/// A rule that a configuration breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The node id is zero.
    #[error("0 is not a node id; use 1 or more")]
    ZeroNodeId,
    /// The heartbeat interval is zero, or so long that one lost heartbeat causes an election.
    #[error(
        "heartbeat_interval is {heartbeat:?} but must be above zero and at most a third of \
         election_timeout_min ({election:?}): raise the timeout or lower the interval"
    )]
    HeartbeatIntervalTooLong {
        /// `heartbeat_interval`.
        heartbeat: Duration,
        /// `election_timeout_min`.
        election: Duration,
    },
    /// A disk would count as stalled during a write of ordinary length.
    #[error(
        "storage_stall_timeout is {stall:?} but must be at least twice election_timeout_min \
         ({election:?}): raise it"
    )]
    StallTimeoutTooShort {
        /// `storage_stall_timeout`.
        stall: Duration,
        /// `election_timeout_min`.
        election: Duration,
    },
    /// A lease depends on voters that refuse to vote while they have contact with the leader.
    #[error("lease needs check_quorum: turn it on, or turn the lease off")]
    LeaseWithoutCheckQuorum,
    /// A lease would end before the next heartbeat can renew it.
    #[error(
        "a lease lasts election_timeout_min ({election:?}) minus clock_drift_max ({drift:?}), which \
         must be more than heartbeat_interval ({heartbeat:?}): raise the timeout or lower one of the \
         others"
    )]
    LeaseTooShort {
        /// `clock_drift_max`.
        drift: Duration,
        /// `heartbeat_interval`.
        heartbeat: Duration,
        /// `election_timeout_min`.
        election: Duration,
    },
    /// A limit is zero.
    #[error("{0} must be at least 1")]
    ZeroLimit(LimitName),
    /// A command of the permitted size can never be accepted.
    #[error(
        "a command of command_bytes_max ({command} bytes) takes {needed} bytes in the log but \
         unapplied_bytes_max is {unapplied}, so that it would always be refused: raise \
         unapplied_bytes_max to {needed} or lower command_bytes_max"
    )]
    CommandExceedsBudget {
        /// `command_bytes_max`.
        command: u64,
        /// The weight of such a command.
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
        /// The longest append message that the limits permit.
        message: u64,
        /// `append_bytes_max`.
        append: u64,
        /// `command_bytes_max`.
        command: u64,
        /// The longest message that the transport delivers.
        transport: u64,
    },
}
