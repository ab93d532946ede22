//! What a scenario waits for.

use std::fmt;

use raft_core::{Body, LogIndex, Message, RoleKind};

use crate::selector::Selector;
use crate::trace::record::Liveness;

/// How many messages are moved before a condition counts as never to come.
const EVENTS_MAX: u64 = 10_000;

/// A condition on what happens while messages move. Conditions on messages count from the event
/// at which the waiting begins; conditions on nodes look at them as they are.
#[derive(Clone, Debug)]
pub struct Condition {
    kind: ConditionKind,
    events_max: u64,
}

#[derive(Clone, Debug)]
enum ConditionKind {
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

    pub(crate) fn tracker(&self) -> ConditionTracker {
        ConditionTracker { root: PartProgress::of(&self.kind), events_max: self.events_max }
    }
}

/// What has just happened.
#[derive(Clone, Copy)]
pub(crate) enum MessageEvent<'a> {
    /// Nothing yet.
    Nothing,
    Sent(&'a Message),
    Handled(&'a Message),
}

/// What conditions look at.
pub(crate) trait ClusterView {
    fn summary(&self, node: u64) -> NodeSummary;
    fn node_count(&self) -> u64;
    fn nothing_to_send(&self) -> bool;
    fn nothing_to_handle(&self) -> bool;
    fn is_connected(&self, from: u64, to: u64) -> bool;
}

/// The little of a node's status that conditions ask about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeSummary {
    pub(crate) liveness: Liveness,
    pub(crate) role: RoleKind,
    pub(crate) leader: Option<u64>,
    pub(crate) last: LogIndex,
    pub(crate) commit: LogIndex,
    pub(crate) applied: LogIndex,
    pub(crate) committed_in_term: bool,
}

/// A condition being waited for.
pub(crate) struct ConditionTracker {
    root: PartProgress,
    events_max: u64,
}

impl ConditionTracker {
    pub(crate) const fn events_max(&self) -> u64 {
        self.events_max
    }

    /// Takes note of what happened; says whether the condition holds now.
    pub(crate) fn holds(&mut self, cluster: &dyn ClusterView, event: MessageEvent<'_>) -> bool {
        self.root.advance(cluster, event)
    }
}

/// How far each part of a condition has come. Conditions on messages stay met once they were.
enum PartProgress {
    Messages { kind: ConditionKind, left: usize },
    State(ConditionKind),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Then { first: Option<Box<Self>>, second: Box<Self> },
}

impl PartProgress {
    fn of(kind: &ConditionKind) -> Self {
        let boxed = |kind: &ConditionKind| Box::new(Self::of(kind));
        match kind {
            ConditionKind::And(a, b) => Self::And(boxed(a), boxed(b)),
            ConditionKind::Or(a, b) => Self::Or(boxed(a), boxed(b)),
            ConditionKind::Then(a, b) => Self::Then { first: Some(boxed(a)), second: boxed(b) },
            ConditionKind::Sent(_, times) | ConditionKind::Handled(_, times) => {
                Self::Messages { kind: kind.clone(), left: *times }
            }
            ConditionKind::CommitSent(_) => Self::Messages { kind: kind.clone(), left: 1 },
            ConditionKind::AllSent
            | ConditionKind::AllHandled
            | ConditionKind::Leads(_)
            | ConditionKind::Follows(..)
            | ConditionKind::LogAt(..)
            | ConditionKind::CommitAt(..)
            | ConditionKind::AppliedAt(..)
            | ConditionKind::Settled => Self::State(kind.clone()),
        }
    }

    fn advance(&mut self, cluster: &dyn ClusterView, event: MessageEvent<'_>) -> bool {
        match self {
            Self::Messages { kind, left } => {
                if *left > 0 && is_counted(kind, event) {
                    *left -= 1;
                }
                *left == 0
            }
            Self::State(kind) => state_holds(kind, cluster),
            Self::And(a, b) => {
                let first = a.advance(cluster, event);
                b.advance(cluster, event) && first
            }
            Self::Or(a, b) => {
                let first = a.advance(cluster, event);
                b.advance(cluster, event) || first
            }
            Self::Then { first, second } => {
                let Some(waiting) = first else { return second.advance(cluster, event) };
                if waiting.advance(cluster, event) {
                    *first = None;
                    // What follows may hold already, but not by the same message.
                    return second.advance(cluster, MessageEvent::Nothing);
                }
                false
            }
        }
    }
}

fn is_counted(kind: &ConditionKind, event: MessageEvent<'_>) -> bool {
    match (kind, event) {
        (ConditionKind::Sent(selector, _), MessageEvent::Sent(message))
        | (ConditionKind::Handled(selector, _), MessageEvent::Handled(message)) => {
            selector.matches(message)
        }
        (ConditionKind::CommitSent(index), MessageEvent::Sent(message)) => {
            matches!(&message.body, Body::AppendEntries(append) if append.commit.get() >= *index)
        }
        _ => false,
    }
}

fn state_holds(kind: &ConditionKind, cluster: &dyn ClusterView) -> bool {
    match *kind {
        ConditionKind::AllSent => cluster.nothing_to_send(),
        ConditionKind::AllHandled => cluster.nothing_to_send() && cluster.nothing_to_handle(),
        ConditionKind::Leads(node) => cluster.summary(node).role == RoleKind::Leader,
        ConditionKind::Follows(node, leader) => {
            let summary = cluster.summary(node);
            summary.role == RoleKind::Follower && summary.leader == Some(leader)
        }
        ConditionKind::LogAt(node, index) => cluster.summary(node).last.get() >= index,
        ConditionKind::CommitAt(node, index) => cluster.summary(node).commit.get() >= index,
        ConditionKind::AppliedAt(node, index) => cluster.summary(node).applied.get() >= index,
        ConditionKind::Settled => is_settled(cluster),
        ConditionKind::Sent(..)
        | ConditionKind::Handled(..)
        | ConditionKind::CommitSent(_)
        | ConditionKind::And(..)
        | ConditionKind::Or(..)
        | ConditionKind::Then(..) => false,
    }
}

fn is_settled(cluster: &dyn ClusterView) -> bool {
    if !cluster.nothing_to_send() || !cluster.nothing_to_handle() {
        return false;
    }
    let nodes = 1..=cluster.node_count();
    nodes.clone().any(|leader| {
        let summary = cluster.summary(leader);
        summary.liveness == Liveness::Up
            && summary.role == RoleKind::Leader
            && summary.committed_in_term
            && nodes.clone().all(|node| {
                let other = cluster.summary(node);
                node == leader
                    || other.liveness != Liveness::Up
                    || !cluster.is_connected(leader, node)
                    || (other.role == RoleKind::Follower && other.leader == Some(leader))
            })
    })
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
