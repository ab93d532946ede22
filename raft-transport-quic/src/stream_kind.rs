//! The kinds of QUIC streams of a connection.

use raft_core::Body;

/// What a stream carries. Each side opens one stream of each kind, so that a long transfer of one
/// kind does not delay the other. The tag is the first byte of the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StreamKind {
    /// The hello, then the messages of elections. It has the highest priority.
    Control = 0,
    /// Appends, which include heartbeats, and the responses to them, in one sequence. A request to
    /// campaign and a read index follow the appends that they depend on.
    Append = 1,
}

impl StreamKind {
    pub(crate) const ALL: [Self; 2] = [Self::Control, Self::Append];

    pub(crate) const fn of(body: &Body) -> Self {
        match body {
            Body::PreVote(_)
            | Body::PreVoteResponse(_)
            | Body::RequestVote(_)
            | Body::RequestVoteResponse(_) => Self::Control,
            Body::AppendEntries(_)
            | Body::AppendEntriesResponse(_)
            | Body::TimeoutNow(_)
            | Body::TimeoutNowResponse(_)
            | Body::ReadIndex(_)
            | Body::ReadIndexResponse(_)
            | Body::InstallSnapshot(_) => Self::Append,
        }
    }

    pub(crate) fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&kind| kind.tag() == tag)
    }

    pub(crate) const fn tag(self) -> u8 {
        self as u8
    }

    /// The stream's priority in QUIC. A higher number is sent first.
    pub(crate) const fn priority(self) -> i32 {
        match self {
            Self::Control => 2,
            Self::Append => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use raft_core::{PreVoteResponse, Term};

    use super::*;

    #[test]
    fn every_stream_kind_is_found_by_its_tag() {
        for kind in StreamKind::ALL {
            assert_eq!(StreamKind::from_tag(kind.tag()), Some(kind));
        }
        assert_eq!(StreamKind::from_tag(9), None);
        let response = PreVoteResponse { campaign_term: Term(1), granted: true };
        assert_eq!(StreamKind::of(&Body::PreVoteResponse(response)), StreamKind::Control);
    }
}
