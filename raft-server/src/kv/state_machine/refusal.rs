//! Why the store refuses a command or a query.

use serde::{Deserialize, Serialize};

use super::types::Revision;

/// Why the store refused a command or a query. Nothing was changed. The refusal of a command is an
/// output: it is the same on every node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum StoreRefusal {
    /// The bytes in the log are not a command.
    #[error("the command does not decode; nothing was changed")]
    Malformed,
    /// The revision is compacted away.
    #[error("the revision was compacted; the oldest that is kept is {compact_revision}")]
    Compacted {
        /// The oldest revision that can be read.
        compact_revision: Revision,
    },
    /// The revision does not exist yet.
    #[error("the revision does not exist yet; the newest is {revision}")]
    FutureRevision {
        /// The newest revision.
        revision: Revision,
    },
    /// The session has applied a later command. Whether this one was applied is not recorded.
    #[error(
        "the session has applied serial {last_serial}; the outputs of earlier commands are not kept"
    )]
    SessionStale {
        /// The serial of the session's last command.
        last_serial: u64,
    },
    /// The session was never opened, or it was evicted. Whether the command was applied before is
    /// not known: open a new session and read the state.
    #[error("the session is unknown or was evicted; open a new one")]
    SessionExpired,
    /// The command would change or return too many bytes.
    #[error("more than {bytes_max} bytes are changed or returned at once; use smaller ranges")]
    TooLarge {
        /// The most that one command may change or return.
        bytes_max: u64,
    },
    /// The command would visit too many keys.
    #[error("more than {keys_max} keys are visited at once; use smaller ranges")]
    TooManyKeys {
        /// The most keys that one command may visit.
        keys_max: u64,
    },
}

impl StoreRefusal {
    /// Whether the session of the refused command is of no further use.
    #[must_use]
    pub const fn ends_session(&self) -> bool {
        match self {
            Self::SessionExpired | Self::SessionStale { .. } => true,
            Self::Malformed
            | Self::Compacted { .. }
            | Self::FutureRevision { .. }
            | Self::TooLarge { .. }
            | Self::TooManyKeys { .. } => false,
        }
    }
}
