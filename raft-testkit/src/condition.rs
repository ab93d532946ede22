//! What a scenario waits for.

use std::fmt;

use crate::selector::Selector;

/// How many messages are moved before a condition counts as never to come.
const EVENTS_MAX: u64 = 10_000;

/// A condition on what happens while messages move. Conditions on messages count from the event
/// at which the waiting begins; conditions on nodes look at them as they are.
#[derive(Clone, Debug)]
pub struct Condition {
    pub(crate) kind: ConditionKind,
    pub(crate) events_max: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum ConditionKind {
    Sent(Selector, usize),
    Handled(Selector, usize),
    CommitSent(u64),
    AllSent,
    AllHandled,
    Leads(u64),
    Follows(u64, u64),
    LogAt(u64, u64),
    CommitAt(u64, u64),
    AppliedAt(u64, u64),
    Settled,
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Then(Box<Self>, Box<Self>),
}

/// A message like this goes out.
#[must_use]
pub fn sent(selector: Selector) -> Condition {
    Condition::of(ConditionKind::Sent(selector, 1))
}

/// This many messages like this go out.
#[must_use]
pub fn sent_times(selector: Selector, times: usize) -> Condition {
    Condition::of(ConditionKind::Sent(selector, times))
}

/// A message like this comes in.
#[must_use]
pub fn handled(selector: Selector) -> Condition {
    Condition::of(ConditionKind::Handled(selector, 1))
}

/// This many messages like this came in.
#[must_use]
pub fn handled_times(selector: Selector, times: usize) -> Condition {
    Condition::of(ConditionKind::Handled(selector, times))
}

/// An append goes out that tells of a commit index of at least this.
#[must_use]
pub fn commit_sent(index: u64) -> Condition {
    Condition::of(ConditionKind::CommitSent(index))
}

/// Nothing waits in an outbox.
#[must_use]
pub fn all_sent() -> Condition {
    Condition::of(ConditionKind::AllSent)
}

/// Nothing waits in an outbox or on the wire.
#[must_use]
pub fn all_handled() -> Condition {
    Condition::of(ConditionKind::AllHandled)
}

/// The node leads.
#[must_use]
pub fn leader_is(node: u64) -> Condition {
    Condition::of(ConditionKind::Leads(node))
}

/// The node follows that leader.
#[must_use]
pub fn follows(node: u64, leader: u64) -> Condition {
    Condition::of(ConditionKind::Follows(node, leader))
}

/// The node's log reaches to this index.
#[must_use]
pub fn log_at(node: u64, index: u64) -> Condition {
    Condition::of(ConditionKind::LogAt(node, index))
}

/// The node has committed up to this index.
#[must_use]
pub fn commit_at(node: u64, index: u64) -> Condition {
    Condition::of(ConditionKind::CommitAt(node, index))
}

/// The node's state machine has applied up to this index.
#[must_use]
pub fn applied_at(node: u64, index: u64) -> Condition {
    Condition::of(ConditionKind::AppliedAt(node, index))
}

/// The election is over: everyone who is up and can be reached follows one leader, it has
/// committed an entry of its term, and no message is left to move.
#[must_use]
pub fn election_settled() -> Condition {
    Condition::of(ConditionKind::Settled)
}

impl Condition {
    const fn of(kind: ConditionKind) -> Self {
        Self { kind, events_max: EVENTS_MAX }
    }

    /// Both, in any order.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.join(other, ConditionKind::And)
    }

    /// One of both.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.join(other, ConditionKind::Or)
    }

    /// First this, and after it the other.
    #[must_use]
    pub fn then(self, other: Self) -> Self {
        self.join(other, ConditionKind::Then)
    }

    /// Within this many moves.
    #[must_use]
    pub const fn within(mut self, events: u64) -> Self {
        self.events_max = events;
        self
    }

    fn join(
        self,
        other: Self,
        join: impl FnOnce(Box<ConditionKind>, Box<ConditionKind>) -> ConditionKind,
    ) -> Self {
        let events_max = self.events_max.max(other.events_max);
        Self { kind: join(Box::new(self.kind), Box::new(other.kind)), events_max }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl fmt::Display for ConditionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent(selector, 1) => write!(f, "sent {selector}"),
            Self::Sent(selector, times) => write!(f, "sent {selector} x {times}"),
            Self::Handled(selector, 1) => write!(f, "handled {selector}"),
            Self::Handled(selector, times) => write!(f, "handled {selector} x {times}"),
            Self::CommitSent(index) => write!(f, "commit {index} sent"),
            Self::AllSent => f.write_str("all sent"),
            Self::AllHandled => f.write_str("all handled"),
            Self::Leads(node) => write!(f, "leader {node}"),
            Self::Follows(node, leader) => write!(f, "{node} follows {leader}"),
            Self::LogAt(node, index) => write!(f, "log {node} at {index}"),
            Self::CommitAt(node, index) => write!(f, "commit {node} at {index}"),
            Self::AppliedAt(node, index) => write!(f, "applied {node} at {index}"),
            Self::Settled => f.write_str("election settled"),
            Self::And(a, b) => write!(f, "{a} and {b}"),
            Self::Or(a, b) => write!(f, "({a} or {b})"),
            Self::Then(a, b) => write!(f, "{a}, then {b}"),
        }
    }
}
