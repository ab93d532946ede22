//! What followers need, and what blocks a change of the membership.

use core::fmt;
use core::time::Duration;

use serde::Serialize;

use super::words::Span;
use crate::types::{LogId, LogIndex, NodeId};

/// What a follower needs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FollowerFinding {
    /// A follower does not hold the whole log.
    Behind {
        /// The follower.
        node: NodeId,
        /// The last entry that is known to be durable there.
        match_index: LogIndex,
        /// The leader's last entry.
        last_index: LogIndex,
        /// Why.
        need: FollowerNeed,
    },
    /// A follower has lost entries that it had acknowledged. It must be replaced.
    LostEntries {
        /// The follower.
        node: NodeId,
    },
}

/// Why a follower does not hold the whole log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FollowerNeed {
    /// It does not respond.
    Unreachable {
        /// The time since its last response.
        since_contact: Duration,
    },
    /// It is not known where the logs agree.
    Probing {
        /// The entry before which they are compared.
        next_index: LogIndex,
    },
    /// It needs a snapshot first, which is being taken, or an earlier transfer has not ended.
    SnapshotWaiting,
    /// It needs a snapshot first, which is being sent.
    SnapshotSending {
        /// The last entry of the snapshot.
        last: LogId,
    },
    /// It has received a snapshot and installs it.
    SnapshotInstalling {
        /// The last entry of the snapshot.
        last: LogId,
    },
    /// It needs a snapshot first, and the last attempt to send one failed.
    SnapshotFailed {
        /// The time until the next attempt.
        retry_in: Duration,
    },
    /// The leader reads the entries from its store.
    Fetching,
    /// The leader's store did not return the entries; the read is repeated.
    FetchFailed,
    /// More entries are to be sent.
    Sending {
        /// Appends without a response.
        inflight_appends: usize,
    },
    /// Everything is sent, and the follower responds, but has not acknowledged it: its disk is
    /// slow, or responses are lost.
    Unacknowledged {
        /// Appends without a response.
        inflight_appends: usize,
    },
}

/// What blocks a change of the membership.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MembershipFinding {
    /// The configuration in force is not final and committed: no other change begins.
    ChangeInProgress {
        /// The index of its entry.
        version: LogIndex,
        /// Whether it is joint (thesis §4.3).
        is_joint: bool,
        /// The last committed entry.
        commit_index: LogIndex,
    },
    /// A learner lags: it is not promoted before it keeps up (thesis §4.2.1).
    LearnerLags {
        /// The learner.
        node: NodeId,
        /// The last entry that it has acknowledged.
        match_index: LogIndex,
        /// The leader's last entry.
        last_index: LogIndex,
        /// The rounds of catching up that it has completed.
        rounds: u64,
        /// The time that the last of them took, if there was one.
        last_round: Option<Duration>,
        /// The time that a round may take.
        round_max: Duration,
    },
    /// A requested promotion waits for its learner. It is refused after this many rounds.
    PromotionWaits {
        /// The learner.
        node: NodeId,
        /// The rounds that have passed since the request.
        rounds: u64,
        /// The most that it waits.
        rounds_max: u64,
    },
    /// A removed member does not know of its removal yet.
    RemovalUnknown {
        /// The member.
        node: NodeId,
    },
}

impl fmt::Display for FollowerFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Behind { node, match_index, last_index, need } => {
                write!(
                    f,
                    "node {node} has acknowledged entry {match_index} of {last_index}: {need}"
                )
            }
            Self::LostEntries { node } => {
                write!(f, "node {node} has lost entries that it had acknowledged: replace it")
            }
        }
    }
}

impl fmt::Display for FollowerNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { since_contact } => {
                write!(f, "it does not respond, the last response was {} ago", Span(*since_contact))
            }
            Self::Probing { next_index } => {
                write!(f, "it is probed before entry {next_index} to find where the logs agree")
            }
            Self::SnapshotWaiting => f.write_str(
                "it needs a snapshot, which is being taken, or an earlier transfer has not ended",
            ),
            Self::SnapshotSending { last } => {
                write!(f, "the snapshot of entry {} is being sent to it", last.index)
            }
            Self::SnapshotInstalling { last } => {
                write!(f, "it installs the snapshot of entry {}", last.index)
            }
            Self::SnapshotFailed { retry_in } => {
                write!(f, "its snapshot failed; the next attempt is in {}", Span(*retry_in))
            }
            Self::Fetching => f.write_str("the entries are being read from this node's store"),
            Self::FetchFailed => f.write_str(
                "the store of this node did not return the entries; the read is repeated",
            ),
            Self::Sending { inflight_appends } => {
                write!(f, "entries are being sent, {inflight_appends} appends are in flight")
            }
            Self::Unacknowledged { inflight_appends } => write!(
                f,
                "everything is sent and it responds, but {inflight_appends} appends are not \
                 acknowledged: its disk is slow, or responses are lost"
            ),
        }
    }
}

impl fmt::Display for MembershipFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChangeInProgress { version, is_joint, commit_index } => {
                let joint = if *is_joint { "joint " } else { "" };
                write!(f, "the {joint}membership of entry {version} is in force, and ")?;
                write!(f, "{commit_index} is committed: other changes are refused until it is ")?;
                f.write_str(if *is_joint { "final and committed" } else { "committed" })
            }
            Self::LearnerLags { node, match_index, last_index, rounds, last_round, round_max } => {
                write!(f, "learner {node} has acknowledged entry {match_index} of {last_index}, ")?;
                write!(f, "it is not promoted before a round of catching up takes less than ")?;
                write!(f, "{}; {rounds} rounds are completed", Span(*round_max))?;
                last_round.map_or(Ok(()), |last| write!(f, ", the last took {}", Span(last)))
            }
            Self::PromotionWaits { node, rounds, rounds_max } => write!(
                f,
                "the promotion of {node} waits until it has caught up: {rounds} of {rounds_max} \
                 rounds have passed"
            ),
            Self::RemovalUnknown { node } => {
                write!(f, "node {node} is removed and has not acknowledged that")
            }
        }
    }
}
