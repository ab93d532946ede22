//! The statements of a scenario file, parsed.

use std::time::Duration;

use raft_core::{
    ApplyFailurePolicy, ClusterSettings, FollowerReads, PromoteWhen, ReadConsistency, RoleKind,
};

use crate::cluster::{Crash, CutOff, Timers};
use crate::condition::Condition;
use crate::selector::Selector;

/// The options of the `cluster` line.
#[derive(Clone, Debug)]
pub(super) struct ClusterOptions {
    pub(super) nodes: usize,
    /// Nodes that are not members when the cluster starts.
    pub(super) spares: usize,
    pub(super) timers: Timers,
    pub(super) pre_vote: bool,
    pub(super) follower_reads: FollowerReads,
    /// The bound on the clock drift, if there are leases.
    pub(super) lease: Option<Duration>,
    /// Entries in an append, appends in flight to a follower.
    pub(super) window: Option<(usize, usize)>,
    /// Entries that compaction keeps, whatever followers lack.
    pub(super) keep: Option<u64>,
    pub(super) apply_failure: ApplyFailurePolicy,
    pub(super) seed: u64,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            nodes: 3,
            spares: 0,
            timers: Timers::Off,
            pre_vote: true,
            follower_reads: FollowerReads::Redirect,
            lease: None,
            window: None,
            keep: None,
            apply_failure: ApplyFailurePolicy::Halt,
            seed: 0,
        }
    }
}

/// One statement.
#[derive(Clone, Debug)]
pub(super) enum Statement {
    Section(String),
    Uses(Vec<String>),
    Tests(Vec<String>),
    Remark(String),
    Start,
    Campaign(u64),
    Elect(u64),
    StepDown(u64),
    Heartbeat(u64),
    Tick(u64),
    TakeSnapshot(u64),
    Compact(u64),
    Flush(u64),
    Run(Duration),
    Propose { node: u64, text: String, name: Option<String> },
    Read { node: u64, consistency: ReadConsistency, name: Option<String> },
    Clock { node: u64, rate: u64 },
    Transfer { from: u64, to: Option<u64>, name: Option<String> },
    ChangeMembership { node: u64, if_version: Option<u64>, change: Change, name: Option<String> },
    AllMessages(BulkAction),
    Messages(MessageAction, Selector),
    DeliverUntil(Condition),
    LoseNothing,
    Fault(Fault),
    Expect(Expectation),
}

/// A change of the membership. Incarnations are those of the nodes when the statement runs.
#[derive(Clone, Debug)]
pub(super) enum Change {
    AddLearner(u64),
    Promote { node: u64, when: PromoteWhen },
    Demote(u64),
    Remove(u64),
    Replace(u64),
    Set { voters: Vec<u64>, learners: Vec<u64> },
    Priority { node: u64, priority: u8 },
    Settings(Box<ClusterSettings>),
}

/// An action on all messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BulkAction {
    Send,
    Handle,
    Deliver,
    Drop,
}

/// An action on selected messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MessageAction {
    Send,
    Handle,
    Deliver,
    Drop,
    Hold,
    Release,
    Duplicate,
    Delay,
    Lose,
    Corrupt,
}

/// A fault of a node, a disk, a state machine or the network, or the end of one.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    Partition(Vec<Vec<u64>>, CutOff),
    Heal { keep_held: bool },
    Cut(u64, u64),
    Reconnect(u64, u64),
    CutOff(u64),
    Crash(u64, Crash),
    Restart(u64),
    Wipe(u64),
    Block(u64),
    Unblock(u64),
    SetTerm(u64, u64),
    Disk { node: u64, by_hand: bool },
    Machine { node: u64, by_hand: bool },
    Snapshots { node: u64, by_hand: bool },
    Snapshot { node: u64, fails: bool },
    Persist { node: u64, count: Option<usize> },
    Fetch(u64),
    Apply(u64),
    FailCommands(u64),
    FailCommand(u64, String),
    ClearCommandFailures(u64),
    MarkFixed(u64),
}

/// What an `expect` statement checks.
#[derive(Clone, Debug)]
pub(super) enum Expectation {
    Role { node: u64, role: RoleKind, term: Option<u64> },
    Participation { node: u64, participation: ParticipationKind },
    Members { node: u64, members: String },
    Settings { node: u64, settings: String },
    NoLeader,
    Commit { node: u64, index: u64 },
    Applied { node: u64, index: u64 },
    Durable { node: u64, index: u64 },
    Base { node: u64, index: u64 },
    Last { node: u64, index: u64, term: u64 },
    Total { node: u64, total: i64 },
    Converged,
    Explained { node: u64, text: String },
    Outcome { name: String, outcome: Outcome },
}

/// The part that the membership gives to a node: see [`raft_core::Participation`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ParticipationKind {
    Voter,
    Learner,
    Removed,
    NotAMember,
    NotAdmitted,
}

/// The expected outcome of a named request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Applied(Option<String>),
    Unknown,
    /// The text is a part of the reason.
    Refused(Option<String>),
    Retry,
    Redirect(u64),
    TimedOut,
    Pending,
    Failed,
    ReadReady,
    LocalReadReady,
    Transferred(u64),
    NotTransferred,
    MembershipChanged,
}
