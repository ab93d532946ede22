//! How a call ends badly.

use raft_transport_quic::tls::TlsError;

use crate::kv::state_machine::StoreRefusal;
use crate::space::NoSpace;

/// How a call ended badly. [`Error::Unknown`] alone leaves open what became of a write; after any
/// other error it was not carried out, except as [`Error::Failed`] and [`Error::OutputNotKept`]
/// say.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot work.
    #[error("{0}")]
    Config(String),
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No node took the request in time. It was not carried out.
    #[error("no node of the cluster could take the request: {reason}")]
    Unavailable {
        /// What the nodes said last.
        reason: String,
    },
    /// The request exceeds a limit or makes no sense. It was not carried out.
    #[error("{reason}")]
    Invalid {
        /// What is wrong and what to do.
        reason: String,
    },
    /// The leader has too little disk space for the command. It was not carried out; asking again
    /// helps only after keys are deleted and compacted, or space is added.
    #[error(transparent)]
    NoSpace(NoSpace),
    /// The store refused the request. It was not carried out.
    #[error("{0}")]
    Refused(StoreRefusal),
    /// The answer was lost: the write may have been carried out, may yet be, or may never be.
    /// Read to see, or write in sessions.
    #[error("the outcome is unknown, the write may or may not have happened: {reason}")]
    Unknown {
        /// How the answer was lost.
        reason: String,
    },
    /// The write is committed, but the state machine of the node that was asked failed at it.
    #[error("{reason}")]
    Failed {
        /// What it said.
        reason: String,
    },
    /// The write was carried out, but its answer was lost and was too large to be kept.
    #[error("the write was carried out, but its answer is lost: read to see")]
    OutputNotKept,
    /// A node does not keep to the protocol.
    #[error("the node does not keep to the client protocol: {0}")]
    Protocol(String),
}
