//! How fresh the result of a read must be, and how fresh it is.

use std::time::Duration;

use bytes::Bytes;
use raft_core::{LogIndex, ReadConsistency};

/// How fresh the result of a read must be. [`Settings::follower_reads`] decides whether a node that
/// does not lead serves the linearizable kinds.
///
/// [`Settings::follower_reads`]: raft_core::Settings::follower_reads
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Consistency {
    /// It contains every write that was acknowledged before the read began. The leader confirms
    /// with a round of messages that it still leads (thesis §6.4).
    #[default]
    Linearizable,
    /// Linearizable as long as the clocks of all nodes keep to the bound of
    /// [`LeaseSettings`](raft_core::LeaseSettings). A leader with a lease needs no messages (thesis
    /// §6.4.1); otherwise the read is like [`Consistency::Linearizable`].
    Leased,
    /// It is of the node's own state.
    Local {
        /// How old the state may be ([`ReadConsistency::Local`]). With `None` it may have any age,
        /// and no node refuses the read.
        staleness_max: Option<Duration>,
    },
}

/// The state that a read may be executed on: that of this node from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Freshness {
    /// The node has applied every entry up to here.
    pub index: LogIndex,
    /// The state contains every write that was acknowledged at least this long before the read
    /// began; zero if the read is linearizable.
    pub staleness: Duration,
}

/// The result of a read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadOutput {
    /// What the state machine returned.
    pub output: Bytes,
    /// How old the state may have been when the read began; zero if the read is linearizable.
    /// `None` if the read permitted any age.
    pub staleness: Option<Duration>,
}

impl Consistency {
    /// How the core confirms such a read; `None` if it need not.
    pub(super) const fn confirmation(self) -> Option<ReadConsistency> {
        match self {
            Self::Linearizable => Some(ReadConsistency::Linearizable),
            Self::Leased => Some(ReadConsistency::Leased),
            Self::Local { staleness_max: Some(staleness_max) } => {
                Some(ReadConsistency::Local { staleness_max })
            }
            Self::Local { staleness_max: None } => None,
        }
    }
}
