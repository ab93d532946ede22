//! Conditions that [`Cluster::deliver_until`](crate::Cluster::deliver_until) waits for.

use std::fmt;

use crate::selector::Selector;

/// How many messages are moved, by default, before a wait for a condition fails.
const EVENTS_MAX: u64 = 10_000;

/// A condition that [`Cluster::deliver_until`](crate::Cluster::deliver_until) waits for.
///
/// Conditions on messages count the messages that are sent or handled after the call begins.
/// Conditions on nodes compare the current state of the nodes.
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

/// A message that the selector matches is sent.
#[must_use]
pub fn sent(selector: Selector) -> Condition {
    Condition::of(ConditionKind::Sent(selector, 1))
}

/// `times` messages that the selector matches are sent.
#[must_use]
pub fn sent_times(selector: Selector, times: usize) -> Condition {
    Condition::of(ConditionKind::Sent(selector, times))
}

/// A message that the selector matches is handled.
#[must_use]
pub fn handled(selector: Selector) -> Condition {
    Condition::of(ConditionKind::Handled(selector, 1))
}

/// `times` messages that the selector matches are handled.
#[must_use]
pub fn handled_times(selector: Selector, times: usize) -> Condition {
    Condition::of(ConditionKind::Handled(selector, times))
}

/// An append is sent that carries this commit index or a higher one.
#[must_use]
pub fn commit_sent(index: u64) -> Condition {
    Condition::of(ConditionKind::CommitSent(index))
}

/// All outboxes are empty, except for messages that are held or wait for a cut link.
#[must_use]
pub fn all_sent() -> Condition {
    Condition::of(ConditionKind::AllSent)
}

/// All outboxes and the wire are empty, except for messages that are held or wait for a cut link.
#[must_use]
pub fn all_handled() -> Condition {
    Condition::of(ConditionKind::AllHandled)
}

/// The node is the leader.
#[must_use]
pub fn leader_is(node: u64) -> Condition {
    Condition::of(ConditionKind::Leads(node))
}

/// The node is a follower of this leader.
#[must_use]
pub fn follows(node: u64, leader: u64) -> Condition {
    Condition::of(ConditionKind::Follows(node, leader))
}

/// The last index of the node's log is at least this.
#[must_use]
pub fn log_at(node: u64, index: u64) -> Condition {
    Condition::of(ConditionKind::LogAt(node, index))
}

/// The node's commit index is at least this.
#[must_use]
pub fn commit_at(node: u64, index: u64) -> Condition {
    Condition::of(ConditionKind::CommitAt(node, index))
}

/// The node's applied index is at least this.
#[must_use]
pub fn applied_at(node: u64, index: u64) -> Condition {
    Condition::of(ConditionKind::AppliedAt(node, index))
}

/// An election is complete: one leader has committed its whole log, up to an entry of its term,
/// every node that is up and connected to it follows it, and no message is left to move.
#[must_use]
pub fn election_settled() -> Condition {
    Condition::of(ConditionKind::Settled)
}

impl Condition {
    const fn of(kind: ConditionKind) -> Self {
        Self { kind, events_max: EVENTS_MAX }
    }

    /// Both conditions hold. Conditions on messages may be met in any order.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.join(other, ConditionKind::And)
    }

    /// One of the two conditions holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.join(other, ConditionKind::Or)
    }

    /// This condition holds, and after that the other one.
    #[must_use]
    pub fn then(self, other: Self) -> Self {
        self.join(other, ConditionKind::Then)
    }

    /// Fails after `events` moves of messages; the default is 10,000.
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
