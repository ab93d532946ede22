//! Categories of messages, each with a colour.

use crate::trace::record::{BodyView, MessageView};

/// The category of a message, which decides its colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageCategory {
    /// A request for a vote or a pre-vote, a granted one, or a request to campaign.
    Vote,
    /// An append with entries.
    Append,
    /// An append without entries.
    Heartbeat,
    /// A response to an append that matched.
    Matched,
    /// A request for the read index, or the response with it.
    Read,
    /// A vote or a pre-vote that is not granted, or a rejected append.
    Denied,
    /// A snapshot.
    Snapshot,
}

impl MessageCategory {
    /// Every category.
    pub const ALL: [Self; 7] = [
        Self::Vote,
        Self::Append,
        Self::Heartbeat,
        Self::Matched,
        Self::Read,
        Self::Denied,
        Self::Snapshot,
    ];

    /// The category of a message.
    #[must_use]
    pub const fn of(message: &MessageView) -> Self {
        match &message.body {
            BodyView::PreVoteResponse { granted: false, .. }
            | BodyView::RequestVoteResponse { granted: false }
            | BodyView::AppendRejected { .. }
            | BodyView::TimeoutNowDeclined { .. }
            | BodyView::ReadIndexResponse { read_index: None, .. } => Self::Denied,
            BodyView::PreVote { .. }
            | BodyView::RequestVote { .. }
            | BodyView::PreVoteResponse { .. }
            | BodyView::RequestVoteResponse { .. }
            | BodyView::TimeoutNow { .. } => Self::Vote,
            BodyView::AppendEntries { entries, .. } if entries.is_empty() => Self::Heartbeat,
            BodyView::AppendEntries { .. } => Self::Append,
            BodyView::AppendMatched { .. } => Self::Matched,
            BodyView::ReadIndex { .. } | BodyView::ReadIndexResponse { .. } => Self::Read,
            BodyView::InstallSnapshot { .. } => Self::Snapshot,
        }
    }

    /// The name of the category in style sheets.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vote => "vote",
            Self::Append => "append",
            Self::Heartbeat => "heartbeat",
            Self::Matched => "matched",
            Self::Read => "read",
            Self::Denied => "denied",
            Self::Snapshot => "snapshot",
        }
    }

    /// The label of the category in legends.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Vote => "vote",
            Self::Append => "append",
            Self::Heartbeat => "heartbeat",
            Self::Matched => "matched",
            Self::Read => "read index",
            Self::Denied => "denied, rejected",
            Self::Snapshot => "snapshot",
        }
    }
}
