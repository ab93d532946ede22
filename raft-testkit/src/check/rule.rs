//! The rules of Raft that the kit checks.

/// The rules.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rule {
    /// At most one leader a term (Raft figure 3).
    ElectionSafety,
    /// A leader never overwrites or deletes entries of its own log (Raft figure 3).
    LeaderAppendOnly,
    /// Two logs with an entry of the same index and term are the same up to there (Raft figure 3).
    LogMatching,
    /// What is committed is in the log of every later leader (Raft figure 3).
    LeaderCompleteness,
    /// No two nodes commit or apply different entries at one index (Raft figure 3).
    StateMachineSafety,
    /// The same commands in the same order give the same outputs.
    SameOutputs,
    /// Entries are applied once a life, in order, committed and durable.
    AppliedInOrder,
    /// A node's term never falls, not even through a crash.
    TermMonotonic,
    /// A node's commit index never falls while it lives.
    CommitMonotonic,
    /// At most one vote a term is durable, and no other is given.
    OneVote,
    /// Nothing is promised before it is durable.
    PersistBeforeSend,
    /// What is committed is durable on a majority.
    CommitOnQuorum,
    /// A leader's commit index advances only to an entry of its own term, and no other node
    /// commits an entry before a leader does (Raft §5.4.2, figure 8).
    CommitInOwnTerm,
    /// A committed entry is never removed from a log that holds it.
    CommittedKept,
    /// What was durable is there after a restart.
    DurableKept,
    /// What a client was told is applied is what was committed there.
    AcknowledgedKept,
    /// A read sees every write and every read that ended before it began (thesis §6.4).
    ReadsAreCurrent,
    /// A leader answers a read only after a quorum has acknowledged, in the leader's term, a round
    /// of appends that began after the read arrived (thesis §6.4).
    ReadsAreConfirmed,
}

impl Rule {
    /// The rule's name, in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ElectionSafety => "election safety",
            Self::LeaderAppendOnly => "leader append-only",
            Self::LogMatching => "log matching",
            Self::LeaderCompleteness => "leader completeness",
            Self::StateMachineSafety => "state machine safety",
            Self::SameOutputs => "same outputs",
            Self::AppliedInOrder => "applied in order",
            Self::TermMonotonic => "monotonic term",
            Self::CommitMonotonic => "monotonic commit",
            Self::OneVote => "one vote a term",
            Self::PersistBeforeSend => "no promise before its persist",
            Self::CommitOnQuorum => "committed means durable on a majority",
            Self::CommitInOwnTerm => "leaders commit entries of their own term",
            Self::CommittedKept => "committed entries are kept",
            Self::DurableKept => "what was durable survives a restart",
            Self::AcknowledgedKept => "acknowledged writes are kept",
            Self::ReadsAreCurrent => "reads are current",
            Self::ReadsAreConfirmed => "reads are confirmed by a quorum",
        }
    }
}
