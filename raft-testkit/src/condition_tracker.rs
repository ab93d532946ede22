//! The evaluation of a condition while messages move.

use raft_core::{Body, LogIndex, Message, RoleKind};

use crate::condition::{Condition, ConditionKind};
use crate::trace::record::Liveness;

/// The event after which a condition is evaluated.
#[derive(Clone, Copy)]
pub(crate) enum MessageEvent<'a> {
    /// No message moved.
    Nothing,
    Sent(&'a Message),
    Handled(&'a Message),
}

/// The state of the cluster that conditions read.
pub(crate) trait ClusterView {
    fn summary(&self, node: u64) -> NodeSummary;
    fn node_count(&self) -> u64;
    fn nothing_to_send(&self) -> bool;
    fn nothing_to_handle(&self) -> bool;
    /// Whether the configuration in force at the leader admits this node.
    fn is_member(&self, leader: u64, node: u64) -> bool;
    fn is_connected(&self, from: u64, to: u64) -> bool;
}

/// The part of a node's state that conditions read.
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

/// A condition and the number of messages counted so far.
pub(crate) struct ConditionTracker {
    root: PartProgress,
    events_max: u64,
}

impl ConditionTracker {
    pub(crate) fn new(condition: &Condition) -> Self {
        Self { root: PartProgress::of(&condition.kind), events_max: condition.events_max }
    }

    pub(crate) const fn events_max(&self) -> u64 {
        self.events_max
    }

    /// Counts the event and returns whether the condition holds now.
    pub(crate) fn holds(&mut self, cluster: &dyn ClusterView, event: MessageEvent<'_>) -> bool {
        self.root.advance(cluster, event)
    }
}

/// The progress of each part of a condition. A condition on messages stays met.
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
                    // The second condition may hold already, but must not count the same message.
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
            matches!(message.body(), Body::AppendEntries(append) if append.commit.get() >= *index)
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
                    || !cluster.is_member(leader, node)
                    || !cluster.is_connected(leader, node)
                    || (other.role == RoleKind::Follower && other.leader == Some(leader))
            })
    })
}
