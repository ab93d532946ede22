//! Why reads wait.

use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;

use super::words::Nodes;
use crate::types::{LogIndex, NodeId};

/// Why reads wait.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReadFinding {
    /// Reads wait until a quorum has confirmed the leadership.
    Unconfirmed {
        /// The number of reads, those of other nodes included.
        reads: usize,
        /// The voters without a response to the round that confirms them.
        pending: Vec<NodeId>,
    },
    /// Reads wait for the leader's read index.
    AtLeader {
        /// The number of reads.
        reads: usize,
    },
    /// Confirmed reads wait until the state machine has applied an entry.
    Unapplied {
        /// The number of reads.
        reads: usize,
        /// The first index that is waited for.
        read_index: LogIndex,
        /// The last entry that is applied.
        applied_index: LogIndex,
    },
}

impl fmt::Display for ReadFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unconfirmed { reads, pending } => write!(
                f,
                "{reads} wait until a quorum confirms the leadership; no response of {} yet",
                Nodes(pending)
            ),
            Self::AtLeader { reads } => write!(f, "{reads} wait for the read index of the leader"),
            Self::Unapplied { reads, read_index, applied_index } => {
                write!(f, "{reads} wait until entry {read_index} is applied; {applied_index} is")
            }
        }
    }
}
