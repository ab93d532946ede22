//! The rules that the checker applies.

/// A rule that must hold after every event.
///
/// Each rule has a [`name`](Self::name), a [`statement`](Self::statement) and a
/// [`source`](Self::source); the report of a violation shows all three.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Rule {
    /// At most one leader is elected in a term (Raft §5.2, figure 3).
    ElectionSafety,
    /// A leader never overwrites or removes entries of its own log (Raft §5.3, figure 3).
    LeaderAppendOnly,
    /// Two logs that have an entry with the same index and term are equal up to that entry (Raft
    /// §5.3, figure 3).
    LogMatching,
    /// An entry that is committed in a term is in the log of every leader of a later term (Raft
    /// §5.4, figure 3).
    LeaderCompleteness,
    /// No two nodes commit or apply different entries at the same index (Raft §5.4.3, figure 3).
    StateMachineSafety,
    /// All nodes return the same output for the same entry (Raft §2).
    SameOutputs,
    /// Between two restarts a node applies each entry once, in order, after it is committed and
    /// durable (Raft §5.3).
    AppliedInOrder,
    /// The term of a node never falls, not even at a restart (Raft §5.1).
    TermMonotonic,
    /// The commit index of a node never falls between two restarts (Raft figure 2).
    CommitMonotonic,
    /// A node votes for at most one candidate in a term (Raft §5.2).
    OneVote,
    /// A message that depends on persisted state is sent only after that state is durable (Raft
    /// figure 2).
    PersistBeforeSend,
    /// A committed entry is durable on a quorum (Raft §5.3).
    CommitOnQuorum,
    /// A node leads only with the votes of a quorum of the configuration in force in its log (Raft
    /// §5.2; thesis §4.1).
    ElectedByQuorum,
    /// Any two quorums of consecutive configurations have a node in common: the voters differ by at
    /// most one node, or one configuration is joint (thesis §4.2, §4.3).
    MembershipsOverlap,
    /// A leader appends a configuration only after the one before it and an entry of its own term
    /// are committed (thesis §4.1; raft-dev 2015).
    OneMembershipChange,
    /// The settings in force at a node are its own, with those of the latest configuration in its
    /// log in their place. Until that one is committed, timeouts are the longest and heartbeat
    /// intervals the shortest of the configurations since the commit index.
    SettingsInForce,
    /// A leader advances its commit index only to an entry of its own term, and no other node
    /// commits an entry before a leader does (Raft §5.4.2, figure 8).
    CommitInOwnTerm,
    /// A committed entry is never removed from a log that has it (Raft §5.3).
    CommittedKept,
    /// State that is durable before a crash is there after the restart (Raft figure 2).
    DurableKept,
    /// A command that is reported to a client as applied is committed at its index (Raft §5.3).
    AcknowledgedKept,
    /// A read reflects every write and every read that ended before it began (thesis §6.4).
    ReadsAreCurrent,
    /// A read is completed only after a quorum has acknowledged, in the leader's term, a round of
    /// appends that began after the read arrived (thesis §6.4).
    ReadsAreConfirmed,
    /// A read of a node's own state reflects every write and every linearizable read that ended
    /// before the age of the state which the node states, and that age is within the bound of the
    /// read (thesis §6.4).
    LocalReadsAreBounded,
    /// No node becomes the leader while another one holds a lease, so that at most one does (thesis
    /// §6.4.1).
    LeaseExcludesElection,
    /// A leader requests only a voter that holds its whole log durably to campaign (thesis §3.10).
    /// A voter in a later term ignores the request: it may have lost entries of a superseded leader.
    TransferToEqualLog,
    /// Only a campaign that the leader of the term before requested claims to be a transfer of
    /// leadership (thesis §4.2.3).
    TransferIsRequested,
    /// A message passes the checks of its receiver: its terms and indexes do not contradict each
    /// other (Raft figure 2).
    ConsistentMessages,
    /// A snapshot has the commands of the committed entries up to its last one, and the
    /// configuration in force there (Raft §7).
    SnapshotOfCommitted,
    /// The state machine is restored to a snapshot only after the reset of the log to it is durable
    /// (Raft §7).
    RestoredAfterReset,
    /// Only entries whose effect is durable in the state machine or in a snapshot are compacted
    /// (Raft §7).
    CompactedAfterApply,
}

impl Rule {
    /// The name of the rule, in words.
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
            Self::OneVote => "one vote per term",
            Self::PersistBeforeSend => "persist before send",
            Self::CommitOnQuorum => "committed entries are durable on a quorum",
            Self::ElectedByQuorum => "leaders are elected by a quorum",
            Self::MembershipsOverlap => "consecutive memberships overlap",
            Self::OneMembershipChange => "one membership change at a time",
            Self::SettingsInForce => "settings follow the log",
            Self::CommitInOwnTerm => "leaders commit entries of their own term",
            Self::CommittedKept => "committed entries are kept",
            Self::DurableKept => "durable state survives a restart",
            Self::AcknowledgedKept => "acknowledged writes are kept",
            Self::ReadsAreCurrent => "reads are current",
            Self::ReadsAreConfirmed => "reads are confirmed by a quorum",
            Self::LocalReadsAreBounded => "local reads are as recent as stated",
            Self::LeaseExcludesElection => "a lease excludes other leaders",
            Self::TransferToEqualLog => "leadership is transferred to a voter with the whole log",
            Self::TransferIsRequested => "transfers of leadership are requested by a leader",
            Self::ConsistentMessages => "messages are consistent",
            Self::SnapshotOfCommitted => "snapshots equal the committed prefix",
            Self::RestoredAfterReset => "restored after the reset is durable",
            Self::CompactedAfterApply => "compacted after it is durably applied",
        }
    }

    /// What the rule requires, as a clause without a full stop.
    #[must_use]
    pub const fn statement(self) -> &'static str {
        match self {
            Self::ElectionSafety => "at most one leader is elected in a term",
            Self::LeaderAppendOnly => "a leader never overwrites or removes entries of its own log",
            Self::LogMatching => "logs that share an entry are equal up to that entry",
            Self::LeaderCompleteness => "a committed entry is in the log of every later leader",
            Self::StateMachineSafety => {
                "no two nodes commit or apply different entries at an index"
            }
            Self::SameOutputs => "all nodes return the same output for the same entry",
            Self::AppliedInOrder => {
                "a node applies each entry once, in order, after it is committed and durable"
            }
            Self::TermMonotonic => "the term of a node never falls",
            Self::CommitMonotonic => "the commit index of a node never falls between two restarts",
            Self::OneVote => "a node votes for at most one candidate in a term",
            Self::PersistBeforeSend => {
                "a message that depends on persisted state is sent after that state is durable"
            }
            Self::CommitOnQuorum => "a committed entry is durable on a quorum",
            Self::ElectedByQuorum => {
                "a leader has the votes of a quorum of the membership in its log"
            }
            Self::MembershipsOverlap => "quorums of consecutive memberships have a node in common",
            Self::OneMembershipChange => {
                "a leader changes the membership after the last change and an entry of its own \
                 term are committed"
            }
            Self::SettingsInForce => {
                "the settings of a node are those of the latest membership in its log"
            }
            Self::CommitInOwnTerm => {
                "a leader advances its commit index only to an entry of its own term"
            }
            Self::CommittedKept => "a committed entry is never removed from a log that has it",
            Self::DurableKept => "state that is durable before a crash is there after the restart",
            Self::AcknowledgedKept => {
                "a command that is reported as applied is committed at its index"
            }
            Self::ReadsAreCurrent => {
                "a read reflects every write and read that ended before it began"
            }
            Self::ReadsAreConfirmed => {
                "a quorum acknowledges a round that began after the read arrived"
            }
            Self::LocalReadsAreBounded => {
                "a local read reflects everything that ended before the stated age of the state"
            }
            Self::LeaseExcludesElection => {
                "no node becomes the leader while another one holds a lease"
            }
            Self::TransferToEqualLog => {
                "a leader requests only a voter that holds its whole log durably to campaign"
            }
            Self::TransferIsRequested => {
                "only a campaign that the leader of the term before requested claims to be a \
                 transfer"
            }
            Self::ConsistentMessages => "a message passes the checks of its receiver",
            Self::SnapshotOfCommitted => {
                "a snapshot has the committed commands and the configuration of its last entry"
            }
            Self::RestoredAfterReset => {
                "a state machine is restored after the reset of its log is durable"
            }
            Self::CompactedAfterApply => "only durably applied entries are compacted",
        }
    }

    /// Where the rule is stated: a section of the Raft paper (extended version) or of Ongaro's
    /// thesis.
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            Self::ElectionSafety => "Raft §5.2, figure 3",
            Self::LeaderAppendOnly | Self::LogMatching => "Raft §5.3, figure 3",
            Self::LeaderCompleteness => "Raft §5.4, figure 3",
            Self::StateMachineSafety => "Raft §5.4.3, figure 3",
            Self::SameOutputs => "Raft §2",
            Self::TermMonotonic => "Raft §5.1",
            Self::OneVote => "Raft §5.2",
            Self::AppliedInOrder
            | Self::CommitOnQuorum
            | Self::CommittedKept
            | Self::AcknowledgedKept => "Raft §5.3",
            Self::CommitMonotonic
            | Self::PersistBeforeSend
            | Self::DurableKept
            | Self::ConsistentMessages => "Raft figure 2",
            Self::CommitInOwnTerm => "Raft §5.4.2, figure 8",
            Self::ElectedByQuorum => "Raft §5.2; thesis §4.1",
            Self::MembershipsOverlap => "thesis §4.2, §4.3",
            Self::OneMembershipChange | Self::SettingsInForce => "thesis §4.1",
            Self::ReadsAreCurrent | Self::ReadsAreConfirmed | Self::LocalReadsAreBounded => {
                "thesis §6.4"
            }
            Self::LeaseExcludesElection => "thesis §6.4.1",
            Self::TransferToEqualLog => "thesis §3.10",
            Self::TransferIsRequested => "thesis §4.2.3",
            Self::SnapshotOfCommitted | Self::RestoredAfterReset | Self::CompactedAfterApply => {
                "Raft §7"
            }
        }
    }
}
