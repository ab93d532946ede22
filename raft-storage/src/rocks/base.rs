//! The stored base of the log.

use raft_core::{LogId, LogIndex, Membership};
use serde::{Deserialize, Serialize};

/// What is stored about the prefix that the log does not hold.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct BaseRecord {
    /// The last compacted entry, or the base of the last reset.
    pub(super) base: LogId,
    /// The newest membership at or before it.
    pub(super) membership: Option<(LogIndex, Membership)>,
}
