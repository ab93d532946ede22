//! Why a node does not start from what its store recovered.

use alloc::string::String;

use crate::membership::MembershipError;
use crate::types::LogIndex;

/// Why [`Node::new`](crate::Node::new) does not start a node from what its store recovered.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// The log carries the mark of an earlier failure of the state machine.
    #[error(
        "the log is marked broken because the state machine failed at entry {index} ({reason}); \
         correct the cause and remove the mark before starting this node"
    )]
    Broken {
        /// The entry that failed.
        index: LogIndex,
        /// The state machine's error.
        reason: String,
    },
    /// The recovered state contradicts itself.
    #[error("the recovered state contradicts itself: {0}")]
    Inconsistent(&'static str),
    /// A configuration in the log is invalid.
    #[error(transparent)]
    Membership(#[from] MembershipError),
}
