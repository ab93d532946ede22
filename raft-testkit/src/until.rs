//! What a scenario waits for.

use std::fmt;

use raft_core::{Body, LogIndex, Message, RoleKind};

use crate::select::Select;
use crate::trace::record::Liveness;

/// How many messages are moved before a condition counts as never to come.
const EVENTS_MAX: u64 = 10_000;

/// A condition on what happens while messages move. Conditions on messages count from the moment
/// at which the waiting begins; conditions on nodes look at them as they are.
#[derive(Clone, Debug)]
pub struct Until {
    what: What,
    events_max: u64,
}

#[derive(Clone, Debug)]
enum What {
    Sent(Select, usize),
    Handled(Select, usize),
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
pub fn sent(select: Select) -> Until {
    Until::of(What::Sent(select, 1))
}

/// This many messages like this go out.
#[must_use]
pub fn sent_times(select: Select, times: usize) -> Until {
    Until::of(What::Sent(select, times))
}

/// A message like this comes in.
#[must_use]
pub fn handled(select: Select) -> Until {
    Until::of(What::Handled(select, 1))
}

/// This many messages like this came in.
#[must_use]
pub fn handled_times(select: Select, times: usize) -> Until {
    Until::of(What::Handled(select, times))
}

/// An append goes out that tells of a commit index of at least this.
#[must_use]
pub fn commit_sent(index: u64) -> Until {
    Until::of(What::CommitSent(index))
}

/// Nothing waits in an outbox.
#[must_use]
pub fn all_sent() -> Until {
    Until::of(What::AllSent)
}

/// Nothing waits in an outbox or on the wire.
#[must_use]
pub fn all_handled() -> Until {
    Until::of(What::AllHandled)
}

/// The node leads.
#[must_use]
pub fn leader_is(node: u64) -> Until {
    Until::of(What::Leads(node))
}

/// The node follows that leader.
#[must_use]
pub fn follows(node: u64, leader: u64) -> Until {
    Until::of(What::Follows(node, leader))
}

/// The node's log reaches to this index.
#[must_use]
pub fn log_at(node: u64, index: u64) -> Until {
    Until::of(What::LogAt(node, index))
}

/// The node has committed up to this index.
#[must_use]
pub fn commit_at(node: u64, index: u64) -> Until {
    Until::of(What::CommitAt(node, index))
}

/// The node's state machine has applied up to this index.
#[must_use]
pub fn applied_at(node: u64, index: u64) -> Until {
    Until::of(What::AppliedAt(node, index))
}

/// The election is over: everyone who is up and can be reached follows one leader, it has
/// committed an entry of its term, and no message is left to move.
#[must_use]
pub fn election_settled() -> Until {
    Until::of(What::Settled)
}

impl Until {
    const fn of(what: What) -> Self {
        Self { what, events_max: EVENTS_MAX }
    }

    /// Both, in any order.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.join(other, What::And)
    }

    /// One of both.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.join(other, What::Or)
    }

    /// First this, and after it the other.
    #[must_use]
    pub fn then(self, other: Self) -> Self {
        self.join(other, What::Then)
    }

    /// Within this many moves.
    #[must_use]
    pub const fn within(mut self, events: u64) -> Self {
        self.events_max = events;
        self
    }

    fn join(self, other: Self, join: impl FnOnce(Box<What>, Box<What>) -> What) -> Self {
        let events_max = self.events_max.max(other.events_max);
        Self { what: join(Box::new(self.what), Box::new(other.what)), events_max }
    }

    pub(crate) fn watch(&self) -> Watch {
        Watch { root: Progress::of(&self.what), events_max: self.events_max }
    }
}

/// What has just happened.
#[derive(Clone, Copy)]
pub(crate) enum Moment<'a> {
    /// Nothing yet.
    Still,
    Sent(&'a Message),
    Handled(&'a Message),
}

/// What conditions look at.
pub(crate) trait World {
    fn brief(&self, node: u64) -> Brief;
    fn node_count(&self) -> u64;
    fn nothing_to_send(&self) -> bool;
    fn nothing_to_handle(&self) -> bool;
    fn can_hear(&self, from: u64, to: u64) -> bool;
}

/// The little of a node's status that conditions ask about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brief {
    pub(crate) liveness: Liveness,
    pub(crate) role: RoleKind,
    pub(crate) leader: Option<u64>,
    pub(crate) last: LogIndex,
    pub(crate) commit: LogIndex,
    pub(crate) applied: LogIndex,
    pub(crate) committed_in_term: bool,
}

/// A condition being waited for.
pub(crate) struct Watch {
    root: Progress,
    events_max: u64,
}

impl Watch {
    pub(crate) const fn events_max(&self) -> u64 {
        self.events_max
    }

    /// Takes note of what happened; says whether the condition holds now.
    pub(crate) fn holds(&mut self, world: &dyn World, moment: Moment<'_>) -> bool {
        self.root.advance(world, moment)
    }
}

/// How far each part of a condition has come. Conditions on messages stay met once they were.
enum Progress {
    Messages { what: What, left: usize },
    State(What),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Then { first: Option<Box<Self>>, second: Box<Self> },
}

impl Progress {
    fn of(what: &What) -> Self {
        let boxed = |what: &What| Box::new(Self::of(what));
        match what {
            What::And(a, b) => Self::And(boxed(a), boxed(b)),
            What::Or(a, b) => Self::Or(boxed(a), boxed(b)),
            What::Then(a, b) => Self::Then { first: Some(boxed(a)), second: boxed(b) },
            What::Sent(_, times) | What::Handled(_, times) => {
                Self::Messages { what: what.clone(), left: *times }
            }
            What::CommitSent(_) => Self::Messages { what: what.clone(), left: 1 },
            What::AllSent
            | What::AllHandled
            | What::Leads(_)
            | What::Follows(..)
            | What::LogAt(..)
            | What::CommitAt(..)
            | What::AppliedAt(..)
            | What::Settled => Self::State(what.clone()),
        }
    }

    fn advance(&mut self, world: &dyn World, moment: Moment<'_>) -> bool {
        match self {
            Self::Messages { what, left } => {
                if *left > 0 && is_it(what, moment) {
                    *left -= 1;
                }
                *left == 0
            }
            Self::State(what) => state_holds(what, world),
            Self::And(a, b) => {
                let first = a.advance(world, moment);
                b.advance(world, moment) && first
            }
            Self::Or(a, b) => {
                let first = a.advance(world, moment);
                b.advance(world, moment) || first
            }
            Self::Then { first, second } => {
                let Some(waiting) = first else { return second.advance(world, moment) };
                if waiting.advance(world, moment) {
                    *first = None;
                    // What follows may hold already, but not by the same message.
                    return second.advance(world, Moment::Still);
                }
                false
            }
        }
    }
}

fn is_it(what: &What, moment: Moment<'_>) -> bool {
    match (what, moment) {
        (What::Sent(select, _), Moment::Sent(message))
        | (What::Handled(select, _), Moment::Handled(message)) => select.fits(message),
        (What::CommitSent(index), Moment::Sent(message)) => {
            matches!(&message.body, Body::AppendEntries(append) if append.commit.get() >= *index)
        }
        _ => false,
    }
}

fn state_holds(what: &What, world: &dyn World) -> bool {
    match *what {
        What::AllSent => world.nothing_to_send(),
        What::AllHandled => world.nothing_to_send() && world.nothing_to_handle(),
        What::Leads(node) => world.brief(node).role == RoleKind::Leader,
        What::Follows(node, leader) => {
            let brief = world.brief(node);
            brief.role == RoleKind::Follower && brief.leader == Some(leader)
        }
        What::LogAt(node, index) => world.brief(node).last.get() >= index,
        What::CommitAt(node, index) => world.brief(node).commit.get() >= index,
        What::AppliedAt(node, index) => world.brief(node).applied.get() >= index,
        What::Settled => is_settled(world),
        What::Sent(..)
        | What::Handled(..)
        | What::CommitSent(_)
        | What::And(..)
        | What::Or(..)
        | What::Then(..) => false,
    }
}

fn is_settled(world: &dyn World) -> bool {
    if !world.nothing_to_send() || !world.nothing_to_handle() {
        return false;
    }
    let nodes = 1..=world.node_count();
    nodes.clone().any(|leader| {
        let brief = world.brief(leader);
        brief.liveness == Liveness::Up
            && brief.role == RoleKind::Leader
            && brief.committed_in_term
            && nodes.clone().all(|node| {
                let other = world.brief(node);
                node == leader
                    || other.liveness != Liveness::Up
                    || !world.can_hear(leader, node)
                    || (other.role == RoleKind::Follower && other.leader == Some(leader))
            })
    })
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent(select, 1) => write!(f, "sent {select}"),
            Self::Sent(select, times) => write!(f, "sent {select} x {times}"),
            Self::Handled(select, 1) => write!(f, "handled {select}"),
            Self::Handled(select, times) => write!(f, "handled {select} x {times}"),
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
