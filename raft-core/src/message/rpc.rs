//! A request or response with its term, checked against each other.

use super::body::{AppendOutcome, Body, InstallSnapshot};
use super::invalid::{InvalidMessage, index_in_range, term_in_range};
use crate::types::{LogIndex, Term};

/// A request or a response of Raft with the term of its sender (Raft figure 2).
///
/// Guarantees of [`Rpc::new`]:
///
/// 1. No term and no log index exceeds a quarter of the largest 64-bit number.
/// 2. A pre-vote is about a term after its own, and its last entry is not from after its own.
/// 3. The last entry of a vote request is from before its term.
/// 4. The entries of an append are a [`LogSlice`](super::LogSlice) that ends in its term or before.
/// 5. The hint of a rejected append exceeds neither the rejected index nor the last index.
/// 6. The last entry in a request to campaign is of its term: a leader's log ends in its own term.
/// 7. The last entry of a snapshot exists and is not from after the message's term. Its
///    configuration is valid and not after it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rpc {
    term: Term,
    body: Body,
}

impl Rpc {
    /// Checks a body against its term and itself, in constant time but for the configuration of a
    /// snapshot.
    ///
    /// # Errors
    /// The first guarantee that it breaks.
    pub fn new(term: Term, body: Body) -> Result<Self, InvalidMessage> {
        check(term, &body)?;
        Ok(Self { term, body })
    }

    /// What this node sends. Guarantees 2 to 6 hold by construction. Guarantee 1 is left to the
    /// receiver, so that an extreme term, accepted from a peer, does not stop this node.
    pub(crate) const fn of_this_node(term: Term, body: Body) -> Self {
        Self { term, body }
    }

    /// The sender's term.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.term
    }

    /// The request or response.
    #[must_use]
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// Takes term and body apart.
    #[must_use]
    pub fn into_parts(self) -> (Term, Body) {
        (self.term, self.body)
    }
}

fn check(term: Term, body: &Body) -> Result<(), InvalidMessage> {
    term_in_range(term)?;
    match body {
        Body::PreVote(request) => {
            term_in_range(request.campaign_term)?;
            index_in_range(request.last_log.index)?;
            let ordered = request.campaign_term > term && request.last_log.term <= term;
            if ordered { Ok(()) } else { Err(InvalidMessage::InconsistentTerms) }
        }
        Body::PreVoteResponse(response) => term_in_range(response.campaign_term),
        Body::RequestVote(request) => {
            index_in_range(request.last_log.index)?;
            let ordered = request.last_log.term < term;
            if ordered { Ok(()) } else { Err(InvalidMessage::InconsistentTerms) }
        }
        Body::RequestVoteResponse(_) => Ok(()),
        Body::AppendEntries(append) => {
            // `LogSlice::empty` does not check its argument.
            index_in_range(append.prev().index)?;
            index_in_range(append.commit)?;
            let ordered = append.slice.last().term <= term;
            if ordered { Ok(()) } else { Err(InvalidMessage::InconsistentTerms) }
        }
        Body::AppendEntriesResponse(response) => match response.outcome {
            AppendOutcome::Matched { match_index } => index_in_range(match_index),
            AppendOutcome::Rejected { prev_index, last_index, hint } => {
                index_in_range(prev_index)?;
                index_in_range(last_index)?;
                let ordered = hint.index <= prev_index && hint.index <= last_index;
                if ordered { Ok(()) } else { Err(InvalidMessage::InconsistentIndexes) }
            }
        },
        Body::TimeoutNow(request) => {
            index_in_range(request.last_log.index)?;
            let of_term = request.last_log.term == term;
            if of_term { Ok(()) } else { Err(InvalidMessage::InconsistentTerms) }
        }
        Body::TimeoutNowResponse(_) | Body::ReadIndex(_) => Ok(()),
        Body::ReadIndexResponse(response) => response.read_index.map_or(Ok(()), index_in_range),
        Body::InstallSnapshot(install) => check_install(term, install),
    }
}

fn check_install(term: Term, install: &InstallSnapshot) -> Result<(), InvalidMessage> {
    let InstallSnapshot { last, membership_index, membership, .. } = install;
    index_in_range(last.index)?;
    if last.index == LogIndex::ZERO || *membership_index > last.index {
        return Err(InvalidMessage::InconsistentIndexes);
    }
    if last.term > term {
        return Err(InvalidMessage::InconsistentTerms);
    }
    membership.check().map_err(|_| InvalidMessage::InvalidMembership)
}

#[cfg(test)]
mod tests {
    use super::super::{
        AppendEntries, AppendEntriesResponse, LogSlice, PreVote, ReadIndexResponse, RequestVote,
        RequestVoteResponse, TimeoutNow,
    };
    use super::*;
    use crate::membership::Membership;
    use crate::types::{LogId, NodeId, ReadIndexId, Round};

    fn id(index: u64, term: u64) -> LogId {
        LogId::new(Term(term), LogIndex(index))
    }

    #[test]
    fn terms_of_a_message_do_not_contradict_each_other() {
        let pre_vote = |campaign, last| {
            Body::PreVote(PreVote { campaign_term: Term(campaign), last_log: id(1, last) })
        };
        let vote = |last| {
            Body::RequestVote(RequestVote { last_log: id(1, last), leadership_transfer: false })
        };
        let append = |prev| {
            let slice = LogSlice::empty(id(1, prev));
            Body::AppendEntries(AppendEntries { slice, commit: LogIndex(1), round: Round(1) })
        };
        let timeout_now = |last| Body::TimeoutNow(TimeoutNow { last_log: id(1, last) });
        for body in [pre_vote(8, 7), vote(6), append(7), timeout_now(7)] {
            assert!(Rpc::new(Term(7), body).is_ok());
        }
        let inconsistent =
            [pre_vote(7, 7), pre_vote(8, 8), vote(7), append(8), timeout_now(6), timeout_now(8)];
        for body in inconsistent {
            assert_eq!(Rpc::new(Term(7), body), Err(InvalidMessage::InconsistentTerms));
        }
    }

    #[test]
    fn hint_exceeds_neither_the_rejected_nor_the_last_index() {
        let rejected = |prev_index, last_index, hint| {
            let (prev_index, last_index) = (LogIndex(prev_index), LogIndex(last_index));
            let outcome = AppendOutcome::Rejected { prev_index, last_index, hint: id(hint, 1) };
            let response = AppendEntriesResponse { round: Round(1), outcome };
            Rpc::new(Term(1), Body::AppendEntriesResponse(response))
        };
        assert!(rejected(9, 6, 6).is_ok());
        assert_eq!(rejected(9, 6, 7), Err(InvalidMessage::InconsistentIndexes));
        assert_eq!(rejected(5, 6, 6), Err(InvalidMessage::InconsistentIndexes));
    }

    #[test]
    fn snapshot_has_a_last_entry_of_its_term_and_a_configuration_before_it() {
        let install = |last, membership_index, membership| {
            let membership_index = LogIndex(membership_index);
            let install = InstallSnapshot { last, membership_index, membership, round: Round(1) };
            Rpc::new(Term(7), Body::InstallSnapshot(install))
        };
        let one = || Membership::of_voters([NodeId(1)]);
        assert!(install(id(4, 7), 4, one()).is_ok());
        assert_eq!(install(id(4, 8), 1, one()), Err(InvalidMessage::InconsistentTerms));
        assert_eq!(install(id(4, 7), 5, one()), Err(InvalidMessage::InconsistentIndexes));
        assert_eq!(install(id(0, 0), 0, one()), Err(InvalidMessage::InconsistentIndexes));
        assert_eq!(install(id(u64::MAX, 7), 1, one()), Err(InvalidMessage::NumberTooLarge));
        let no_voters = Membership::default();
        assert_eq!(install(id(4, 7), 1, no_voters), Err(InvalidMessage::InvalidMembership));
    }

    #[test]
    fn no_term_and_no_index_wraps() {
        let vote = Body::RequestVoteResponse(RequestVoteResponse { granted: true });
        assert_eq!(Rpc::new(Term(u64::MAX), vote), Err(InvalidMessage::NumberTooLarge));
        let commit = AppendEntries {
            slice: LogSlice::empty(LogId::ORIGIN),
            commit: LogIndex(u64::MAX),
            round: Round(1),
        };
        let commit = Rpc::new(Term(1), Body::AppendEntries(commit));
        assert_eq!(commit, Err(InvalidMessage::NumberTooLarge));
        let prev = AppendEntries {
            slice: LogSlice::empty(id(u64::MAX, 1)),
            commit: LogIndex(1),
            round: Round(1),
        };
        let prev = Rpc::new(Term(1), Body::AppendEntries(prev));
        assert_eq!(prev, Err(InvalidMessage::NumberTooLarge));
        let read_index = Some(LogIndex(u64::MAX));
        let response = ReadIndexResponse { id: ReadIndexId(u64::MAX), read_index };
        let response = Rpc::new(Term(1), Body::ReadIndexResponse(response));
        assert_eq!(response, Err(InvalidMessage::NumberTooLarge));
    }
}
