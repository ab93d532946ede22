//! Selectors of messages.

use std::fmt;
use std::sync::Arc;

use raft_core::{AppendOutcome, Body, Message};

/// The kinds of messages. A heartbeat is an append without entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    PreVote,
    PreVoteResponse,
    Vote,
    VoteResponse,
    Append,
    Heartbeat,
    AppendResponse,
    TimeoutNow,
    TimeoutNowResponse,
    ReadIndex,
    ReadIndexResponse,
    InstallSnapshot,
}

type Predicate = Arc<dyn Fn(&Message) -> bool + Send + Sync>;

/// Selects messages by kind, sender, receiver and content. Made by [`any`], [`append`],
/// [`heartbeat`], [`vote`] and the like, and narrowed by its methods.
///
/// A selector selects all messages that match, or with [`Selector::nth`] one of them. Messages in
/// an outbox are in the order in which the node emitted them, messages on the wire in the order in
/// which they were sent.
#[derive(Clone, Default)]
pub struct Selector {
    kind: Option<Kind>,
    from: Option<u64>,
    to: Option<u64>,
    term: Option<u64>,
    entries: Option<usize>,
    granted: Option<bool>,
    matched: Option<bool>,
    nth: Option<usize>,
    predicates: Vec<Predicate>,
}

/// All messages.
#[must_use]
pub fn any() -> Selector {
    Selector::default()
}

/// Appends, including heartbeats.
#[must_use]
pub fn append() -> Selector {
    Selector::of(Kind::Append)
}

/// Appends without entries.
#[must_use]
pub fn heartbeat() -> Selector {
    Selector::of(Kind::Heartbeat)
}

/// Responses to appends.
#[must_use]
pub fn append_response() -> Selector {
    Selector::of(Kind::AppendResponse)
}

/// Snapshots: their messages, which arrive once the data is complete.
#[must_use]
pub fn install_snapshot() -> Selector {
    Selector::of(Kind::InstallSnapshot)
}

/// Vote requests.
#[must_use]
pub fn vote() -> Selector {
    Selector::of(Kind::Vote)
}

/// Responses to vote requests.
#[must_use]
pub fn vote_response() -> Selector {
    Selector::of(Kind::VoteResponse)
}

/// Pre-vote requests.
#[must_use]
pub fn pre_vote() -> Selector {
    Selector::of(Kind::PreVote)
}

/// Responses to pre-vote requests.
#[must_use]
pub fn pre_vote_response() -> Selector {
    Selector::of(Kind::PreVoteResponse)
}

/// Requests of a leader to campaign at once, which transfer its leadership.
#[must_use]
pub fn timeout_now() -> Selector {
    Selector::of(Kind::TimeoutNow)
}

/// Responses of nodes that decline to campaign.
#[must_use]
pub fn timeout_now_response() -> Selector {
    Selector::of(Kind::TimeoutNowResponse)
}

/// Requests of followers for the read index.
#[must_use]
pub fn read_index() -> Selector {
    Selector::of(Kind::ReadIndex)
}

/// Responses to requests for the read index.
#[must_use]
pub fn read_index_response() -> Selector {
    Selector::of(Kind::ReadIndexResponse)
}

impl Selector {
    fn of(kind: Kind) -> Self {
        Self { kind: Some(kind), ..Self::default() }
    }

    /// Only messages from this node.
    #[must_use]
    pub const fn from(mut self, node: u64) -> Self {
        self.from = Some(node);
        self
    }

    /// Only messages to this node.
    #[must_use]
    pub const fn to(mut self, node: u64) -> Self {
        self.to = Some(node);
        self
    }

    /// Only messages that carry this term.
    #[must_use]
    pub const fn term(mut self, term: u64) -> Self {
        self.term = Some(term);
        self
    }

    /// Only appends with this many entries.
    #[must_use]
    pub const fn entries(mut self, count: usize) -> Self {
        self.entries = Some(count);
        self
    }

    /// Only responses to votes and pre-votes that grant the vote, or that do not.
    #[must_use]
    pub const fn granted(mut self, granted: bool) -> Self {
        self.granted = Some(granted);
        self
    }

    /// Only responses to appends that report a matching log, or a rejection (Raft §5.3).
    #[must_use]
    pub const fn matched(mut self, matched: bool) -> Self {
        self.matched = Some(matched);
        self
    }

    /// Only messages for which the predicate holds.
    #[must_use]
    pub fn matching(
        mut self,
        predicate: impl Fn(&Message) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.predicates.push(Arc::new(predicate));
        self
    }

    /// Only the nth of the messages that match, counted from 0.
    #[must_use]
    pub const fn nth(mut self, nth: usize) -> Self {
        self.nth = Some(nth);
        self
    }

    /// Whether a message matches. [`Selector::nth`] is not considered.
    #[must_use]
    pub fn matches(&self, message: &Message) -> bool {
        self.kind.is_none_or(|kind| is_kind(kind, message.body()))
            && self.from.is_none_or(|from| message.from.get() == from)
            && self.to.is_none_or(|to| message.to.get() == to)
            && self.term.is_none_or(|term| message.term().get() == term)
            && self.entries.is_none_or(|count| entries_of(message.body()) == Some(count))
            && self.granted.is_none_or(|granted| granted_of(message.body()) == Some(granted))
            && self.matched.is_none_or(|matched| matched_of(message.body()) == Some(matched))
            && self.predicates.iter().all(|predicate| predicate(message))
    }

    /// The positions of the selected messages.
    pub(crate) fn pick<'a>(&self, messages: impl Iterator<Item = &'a Message>) -> Vec<usize> {
        let mut positions: Vec<usize> = messages
            .enumerate()
            .filter(|(_, message)| self.matches(message))
            .map(|(at, _)| at)
            .collect();
        if let Some(nth) = self.nth {
            positions = positions.get(nth).copied().into_iter().collect();
        }
        positions
    }
}

const fn is_kind(kind: Kind, body: &Body) -> bool {
    match body {
        Body::PreVote(_) => matches!(kind, Kind::PreVote),
        Body::PreVoteResponse(_) => matches!(kind, Kind::PreVoteResponse),
        Body::RequestVote(_) => matches!(kind, Kind::Vote),
        Body::RequestVoteResponse(_) => matches!(kind, Kind::VoteResponse),
        Body::AppendEntries(append) => {
            matches!(kind, Kind::Append)
                || (matches!(kind, Kind::Heartbeat) && append.entries().is_empty())
        }
        Body::AppendEntriesResponse(_) => matches!(kind, Kind::AppendResponse),
        Body::TimeoutNow(_) => matches!(kind, Kind::TimeoutNow),
        Body::TimeoutNowResponse(_) => matches!(kind, Kind::TimeoutNowResponse),
        Body::ReadIndex(_) => matches!(kind, Kind::ReadIndex),
        Body::ReadIndexResponse(_) => matches!(kind, Kind::ReadIndexResponse),
        Body::InstallSnapshot(_) => matches!(kind, Kind::InstallSnapshot),
    }
}

const fn entries_of(body: &Body) -> Option<usize> {
    if let Body::AppendEntries(append) = body { Some(append.entries().len()) } else { None }
}

const fn granted_of(body: &Body) -> Option<bool> {
    if let Body::PreVoteResponse(response) = body {
        Some(response.granted)
    } else if let Body::RequestVoteResponse(response) = body {
        Some(response.granted)
    } else {
        None
    }
}

const fn matched_of(body: &Body) -> Option<bool> {
    if let Body::AppendEntriesResponse(response) = body {
        Some(matches!(response.outcome, AppendOutcome::Matched { .. }))
    } else {
        None
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            None => "any",
            Some(Kind::PreVote) => "pre_vote",
            Some(Kind::PreVoteResponse) => "pre_vote_resp",
            Some(Kind::Vote) => "vote",
            Some(Kind::VoteResponse) => "vote_resp",
            Some(Kind::Append) => "append",
            Some(Kind::Heartbeat) => "heartbeat",
            Some(Kind::AppendResponse) => "append_resp",
            Some(Kind::TimeoutNow) => "timeout_now",
            Some(Kind::TimeoutNowResponse) => "timeout_now_resp",
            Some(Kind::ReadIndex) => "read_index",
            Some(Kind::ReadIndexResponse) => "read_index_resp",
            Some(Kind::InstallSnapshot) => "install_snapshot",
        };
        f.write_str(kind)?;
        match (self.from, self.to) {
            (Some(from), Some(to)) => write!(f, " {from} -> {to}")?,
            (Some(from), None) => write!(f, " {from} -> *")?,
            (None, Some(to)) => write!(f, " * -> {to}")?,
            (None, None) => {}
        }
        if let Some(term) = self.term {
            write!(f, " term {term}")?;
        }
        if let Some(entries) = self.entries {
            write!(f, " entries {entries}")?;
        }
        if let Some(granted) = self.granted {
            f.write_str(if granted { " granted" } else { " denied" })?;
        }
        if let Some(matched) = self.matched {
            f.write_str(if matched { " matched" } else { " rejected" })?;
        }
        if !self.predicates.is_empty() {
            f.write_str(" matching a predicate")?;
        }
        if let Some(nth) = self.nth {
            write!(f, " nth {nth}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Selector({self})")
    }
}
