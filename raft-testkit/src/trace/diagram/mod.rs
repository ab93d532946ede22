//! Sequence diagrams that are drawn here: lifelines coloured by role, messages slanted from sending
//! to handling, lost ones broken off.

pub(in crate::trace) mod elements;
mod lifeline;
pub(in crate::trace) mod palette;
pub mod svg;

use super::describe::{self, Category};
use super::record::{BodyView, MessageView, RecordKind};

/// What a message is about: decides its colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageCategory {
    /// Asking for votes, or giving them.
    Vote,
    /// Entries on their way.
    Append,
    /// A sign of life.
    Heartbeat,
    /// An append that fitted.
    Matched,
    /// A vote or an append that was refused.
    Denied,
}

impl MessageCategory {
    /// Every tone.
    pub const ALL: [Self; 5] =
        [Self::Vote, Self::Append, Self::Heartbeat, Self::Matched, Self::Denied];

    /// The tone of a message.
    #[must_use]
    pub const fn of(message: &MessageView) -> Self {
        match &message.body {
            BodyView::PreVoteResponse { granted: false, .. }
            | BodyView::RequestVoteResponse { granted: false }
            | BodyView::AppendMismatched { .. } => Self::Denied,
            BodyView::PreVote { .. }
            | BodyView::RequestVote { .. }
            | BodyView::PreVoteResponse { .. }
            | BodyView::RequestVoteResponse { .. } => Self::Vote,
            BodyView::AppendEntries { entries, .. } if entries.is_empty() => Self::Heartbeat,
            BodyView::AppendEntries { .. } => Self::Append,
            BodyView::AppendMatched { .. } => Self::Matched,
        }
    }

    /// The name under which style sheets know it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vote => "vote",
            Self::Append => "append",
            Self::Heartbeat => "heartbeat",
            Self::Matched => "matched",
            Self::Denied => "denied",
        }
    }
}

/// Whether a record gets a line of its own in a drawing.
#[must_use]
pub const fn is_drawn(kind: &RecordKind) -> bool {
    !matches!(describe::category(kind), Category::Detail)
        && !matches!(kind, RecordKind::CommandAnswered { .. })
}
