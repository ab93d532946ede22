//! Why a call failed.

use raft_core::LogIndex;
use raft_transport_quic::tls::TlsError;

use crate::kv::state_machine::StoreRefusal;
use crate::space::NoSpace;

/// Why a call failed, and whether the write was applied: after [`Error::Unknown`] it may have been
/// or may yet be; after [`Error::Failed`] it is committed; after [`Error::OutputNotKept`] it was
/// applied; after every other error it was not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration is invalid.
    #[error("{0}")]
    Config(String),
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No node accepted the request in time. It was not applied. A retry is safe.
    #[error("no node of the cluster accepted the request: {reason}")]
    Unavailable {
        /// The failure of the last attempt.
        reason: String,
    },
    /// The request exceeds a limit or is malformed. It was not applied. A retry does not help.
    #[error("{reason}")]
    Invalid {
        /// What is wrong and what to do.
        reason: String,
    },
    /// The leader has too little disk space for the command. It was not applied. A retry helps only
    /// after keys are deleted and compacted, or space is added.
    #[error(transparent)]
    NoSpace(NoSpace),
    /// The leadership was not transferred to the requested node. A retry is safe.
    #[error("{reason}")]
    NotTransferred {
        /// Why not, and what to do.
        reason: String,
    },
    /// The learner lags too far behind to become a voter. Nothing was changed; retry later.
    #[error("{reason}")]
    Lagging {
        /// The lag as a text.
        reason: String,
        /// The last entry that the learner has acknowledged.
        match_index: LogIndex,
        /// The last entry of the leader.
        last_index: LogIndex,
    },
    /// The membership cannot be changed as requested. Nothing was changed.
    #[error("{reason}")]
    MembershipNotChanged {
        /// Why not, and what to do.
        reason: String,
    },
    /// The store refused the request. It was not applied.
    #[error("{0}")]
    Refused(StoreRefusal),
    /// The response was lost: the write may have been applied, may be applied later, or never. Read
    /// the state to find out, or use [`Retry::ExactlyOnce`](super::Retry::ExactlyOnce).
    #[error("the outcome is unknown, the write may or may not be applied: {reason}")]
    Unknown {
        /// How the response was lost.
        reason: String,
    },
    /// The write is committed, but the state machine of the responding node failed to apply it.
    #[error("{reason}")]
    Failed {
        /// The failure.
        reason: String,
    },
    /// The write was applied, but the response was lost and the output was too large to keep.
    #[error("the write was applied, but its output was lost: read the state to see the effect")]
    OutputNotKept,
    /// A node violates the client protocol.
    #[error("the node violates the client protocol: {0}")]
    Protocol(String),
}
