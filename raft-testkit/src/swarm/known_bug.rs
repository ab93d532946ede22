//! The known bugs that a swarm must find.

/// A bug of the host or of a peer. It is injected around the core to prove that random schedules
/// find bugs of this kind.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum KnownBug {
    /// Writes are reported as durable before they are.
    PersistReportedBeforeWrite,
    /// Refused votes arrive as granted.
    RefusedVotesArriveGranted,
    /// Followers acknowledge one entry more than they have.
    AcknowledgesOneEntryTooMany,
    /// The vote of a node is lost at a restart.
    VoteLostAtRestart,
    /// Leaders commit entries of older terms by counting replicas (Raft §5.4.2, figure 8).
    CommitsOlderTermsByCounting,
    /// Leaders count copies by the membership with which the cluster was bootstrapped.
    CountsByAnEarlierMembership,
    /// Nodes whose disks were wiped start again under the same incarnation.
    WipedNodesKeepTheirIncarnation,
    /// Leaders complete reads without a confirmation that they still lead.
    RespondsToUnconfirmedReads,
    /// Followers take their contact with the leader for a proof that their state is current.
    TakesContactForAnUpToDateState,
    /// Snapshots arrive without their last command.
    SnapshotsLackACommand,
    /// State machines in memory count as durable.
    ReportsMemoryAsDurable,
    /// Leaders count an acknowledgement of any round for their latest round.
    AcceptsAcknowledgementsOfOlderRounds,
    /// Leaders return a read index without a confirmation that they still lead.
    ReturnsUnconfirmedReadIndexes,
    /// The clocks of nodes with leases diverge by more than the bound.
    ClocksDriftBeyondTheBound,
}

impl KnownBug {
    /// All known bugs.
    pub const ALL: [Self; 14] = [
        Self::SnapshotsLackACommand,
        Self::ReportsMemoryAsDurable,
        Self::PersistReportedBeforeWrite,
        Self::RefusedVotesArriveGranted,
        Self::AcknowledgesOneEntryTooMany,
        Self::VoteLostAtRestart,
        Self::CommitsOlderTermsByCounting,
        Self::CountsByAnEarlierMembership,
        Self::WipedNodesKeepTheirIncarnation,
        Self::RespondsToUnconfirmedReads,
        Self::TakesContactForAnUpToDateState,
        Self::AcceptsAcknowledgementsOfOlderRounds,
        Self::ReturnsUnconfirmedReadIndexes,
        Self::ClocksDriftBeyondTheBound,
    ];
}
