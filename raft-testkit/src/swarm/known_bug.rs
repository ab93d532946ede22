//! Known bugs, put around the core by the kit: each must be found, or the swarm finds nothing.

/// A bug that the shell around the core has, or a peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KnownBug {
    /// Nodes are told that their writes are durable before they are.
    PersistReportedBeforeWrite,
    /// Refused votes arrive as granted ones.
    RefusedVotesArriveGranted,
    /// Followers seem to hold one entry more than they do.
    AcknowledgesOneEntryTooMany,
    /// A node that restarts has forgotten its vote.
    VoteLostAtRestart,
    /// Leaders announce as committed whatever a quorum holds, entries of older terms included
    /// (Raft §5.4.2, figure 8).
    CommitsOlderTermsByCounting,
    /// Leaders answer reads without confirming that they still lead.
    RespondsToUnconfirmedReads,
    /// Leaders take an acknowledgement of any round for one of their latest round.
    AcceptsAcknowledgementsOfOlderRounds,
}

impl KnownBug {
    /// Every known_bug.
    pub const ALL: [Self; 7] = [
        Self::PersistReportedBeforeWrite,
        Self::RefusedVotesArriveGranted,
        Self::AcknowledgesOneEntryTooMany,
        Self::VoteLostAtRestart,
        Self::CommitsOlderTermsByCounting,
        Self::RespondsToUnconfirmedReads,
        Self::AcceptsAcknowledgementsOfOlderRounds,
    ];
}
