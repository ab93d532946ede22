//! Picking messages by what they are.

use std::fmt;
use std::sync::Arc;

use raft_core::{AppendOutcome, Body, Message};

/// The kinds of messages, with heartbeats told from appends that carry entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    PreVote,
    PreVoteResponse,
    Vote,
    VoteResponse,
    Append,
    Heartbeat,
    AppendResponse,
}

type Predicate = Arc<dyn Fn(&Message) -> bool + Send + Sync>;

/// Which messages are meant: all that fit, or the nth of them, in the order in which they were
/// made (in an outbox) or sent (on the wire).
#[derive(Clone, Default)]
pub struct Select {
    kind: Option<Kind>,
    from: Option<u64>,
    to: Option<u64>,
    term: Option<u64>,
    entries: Option<usize>,
    granted: Option<bool>,
    matched: Option<bool>,
    nth: Option<usize>,
    custom: Vec<Predicate>,
}

/// Every message.
#[must_use]
pub fn any() -> Select {
    Select::default()
}

/// Appends, heartbeats among them.
#[must_use]
pub fn append() -> Select {
    Select::of(Kind::Append)
}

/// Appends without entries.
#[must_use]
pub fn heartbeat() -> Select {
    Select::of(Kind::Heartbeat)
}

/// Answers to appends.
#[must_use]
pub fn append_response() -> Select {
    Select::of(Kind::AppendResponse)
}

/// Vote requests.
#[must_use]
pub fn vote() -> Select {
    Select::of(Kind::Vote)
}

/// Answers to vote requests.
#[must_use]
pub fn vote_response() -> Select {
    Select::of(Kind::VoteResponse)
}

/// Pre-vote requests.
#[must_use]
pub fn pre_vote() -> Select {
    Select::of(Kind::PreVote)
}

/// Answers to pre-vote requests.
#[must_use]
pub fn pre_vote_response() -> Select {
    Select::of(Kind::PreVoteResponse)
}

impl Select {
    fn of(kind: Kind) -> Self {
        Self { kind: Some(kind), ..Self::default() }
    }

    /// Only from this node.
    #[must_use]
    pub const fn from(mut self, node: u64) -> Self {
        self.from = Some(node);
        self
    }

    /// Only to this node.
    #[must_use]
    pub const fn to(mut self, node: u64) -> Self {
        self.to = Some(node);
        self
    }

    /// Only with this term in the envelope.
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

    /// Only answers (to votes and pre-votes) that say yes, or no.
    #[must_use]
    pub const fn granted(mut self, granted: bool) -> Self {
        self.granted = Some(granted);
        self
    }

    /// Only answers to appends that say that the log matched, or that it did not.
    #[must_use]
    pub const fn matched(mut self, matched: bool) -> Self {
        self.matched = Some(matched);
        self
    }

    /// Only those for which this holds.
    #[must_use]
    pub fn matching(
        mut self,
        predicate: impl Fn(&Message) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.custom.push(Arc::new(predicate));
        self
    }

    /// Only the nth of those that fit, from 0.
    #[must_use]
    pub const fn nth(mut self, nth: usize) -> Self {
        self.nth = Some(nth);
        self
    }

    /// Whether a message fits, `nth` aside.
    #[must_use]
    pub fn fits(&self, message: &Message) -> bool {
        self.kind.is_none_or(|kind| is_of(kind, &message.body))
            && self.from.is_none_or(|from| message.from.get() == from)
            && self.to.is_none_or(|to| message.to.get() == to)
            && self.term.is_none_or(|term| message.term.get() == term)
            && self.entries.is_none_or(|count| entries_of(&message.body) == Some(count))
            && self.granted.is_none_or(|granted| granted_of(&message.body) == Some(granted))
            && self.matched.is_none_or(|matched| matched_of(&message.body) == Some(matched))
            && self.custom.iter().all(|predicate| predicate(message))
    }

    /// The places of those that are meant.
    pub(crate) fn pick<'a>(&self, messages: impl Iterator<Item = &'a Message>) -> Vec<usize> {
        let mut places: Vec<usize> = messages
            .enumerate()
            .filter(|(_, message)| self.fits(message))
            .map(|(at, _)| at)
            .collect();
        if let Some(nth) = self.nth {
            places = places.get(nth).copied().into_iter().collect();
        }
        places
    }
}

const fn is_of(kind: Kind, body: &Body) -> bool {
    match body {
        Body::PreVote(_) => matches!(kind, Kind::PreVote),
        Body::PreVoteResponse(_) => matches!(kind, Kind::PreVoteResponse),
        Body::RequestVote(_) => matches!(kind, Kind::Vote),
        Body::RequestVoteResponse(_) => matches!(kind, Kind::VoteResponse),
        Body::AppendEntries(append) => {
            matches!(kind, Kind::Append)
                || (matches!(kind, Kind::Heartbeat) && append.entries.is_empty())
        }
        Body::AppendEntriesResponse(_) => matches!(kind, Kind::AppendResponse),
    }
}

const fn entries_of(body: &Body) -> Option<usize> {
    if let Body::AppendEntries(append) = body { Some(append.entries.len()) } else { None }
}

const fn granted_of(body: &Body) -> Option<bool> {
    if let Body::PreVoteResponse(answer) = body {
        Some(answer.granted)
    } else if let Body::RequestVoteResponse(answer) = body {
        Some(answer.granted)
    } else {
        None
    }
}

const fn matched_of(body: &Body) -> Option<bool> {
    if let Body::AppendEntriesResponse(answer) = body {
        Some(matches!(answer.outcome, AppendOutcome::Matched { .. }))
    } else {
        None
    }
}

impl fmt::Display for Select {
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
            f.write_str(if matched { " matched" } else { " mismatched" })?;
        }
        if !self.custom.is_empty() {
            f.write_str(" matching a predicate")?;
        }
        if let Some(nth) = self.nth {
            write!(f, " nth {nth}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Select({self})")
    }
}
