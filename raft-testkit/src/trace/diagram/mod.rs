//! Sequence diagrams that are drawn here: lanes coloured by role, messages slanted from sending
//! to handling, lost ones broken off.

mod lanes;
pub(in crate::trace) mod palette;
pub(in crate::trace) mod pieces;
pub mod svg;

use super::record::{BodyView, MessageView, RecordKind};
use super::words::{self, Class};

/// What a message is about: decides its colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    /// Asking for votes, or giving them.
    Vote,
    /// Entries on their way.
    Append,
    /// A sign of life.
    Heartbeat,
    /// An append that fitted.
    Yes,
    /// A vote or an append that was refused.
    No,
}

impl Tone {
    /// Every tone.
    pub const ALL: [Self; 5] = [Self::Vote, Self::Append, Self::Heartbeat, Self::Yes, Self::No];

    /// The tone of a message.
    #[must_use]
    pub const fn of(message: &MessageView) -> Self {
        match &message.body {
            BodyView::PreVoteResponse { granted: false, .. }
            | BodyView::RequestVoteResponse { granted: false }
            | BodyView::AppendMismatched { .. } => Self::No,
            BodyView::PreVote { .. }
            | BodyView::RequestVote { .. }
            | BodyView::PreVoteResponse { .. }
            | BodyView::RequestVoteResponse { .. } => Self::Vote,
            BodyView::AppendEntries { entries, .. } if entries.is_empty() => Self::Heartbeat,
            BodyView::AppendEntries { .. } => Self::Append,
            BodyView::AppendMatched { .. } => Self::Yes,
        }
    }

    /// The name under which style sheets know it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vote => "vote",
            Self::Append => "append",
            Self::Heartbeat => "heartbeat",
            Self::Yes => "yes",
            Self::No => "no",
        }
    }
}

/// Whether a record gets a line of its own in a drawing.
#[must_use]
pub const fn is_drawn(kind: &RecordKind) -> bool {
    !matches!(words::class(kind), Class::Detail)
        && !matches!(kind, RecordKind::CommandAnswered { .. })
}
