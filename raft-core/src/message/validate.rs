//! Every field of every message is looked at before any has an effect.

use crate::message::{AppendEntries, AppendOutcome, Body, Message};
use crate::types::{Identity, Incarnation, LogIndex, NodeId, Term};

/// The highest index or term that is accepted: far above anything real, far below wrapping.
const NUMBER_MAX: u64 = u64::MAX / 4;

/// What is wrong with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidMessage {
    /// It comes from another cluster.
    #[error("it belongs to another cluster")]
    WrongCluster,
    /// It belongs to another group.
    #[error("it belongs to another group")]
    WrongGroup,
    /// It is meant for another node.
    #[error("it is meant for node {0}")]
    WrongReceiver(NodeId),
    /// It is meant for an earlier life of this node.
    #[error("it is meant for incarnation {0} of this node")]
    WrongIncarnation(Incarnation),
    /// The sender's disk has had a later life since.
    #[error("its sender has been replaced since by incarnation {0}")]
    SupersededSender(Incarnation),
    /// It names this node, or nobody, as its sender.
    #[error("its sender cannot be this node or node 0")]
    InvalidSender,
    /// An index or a term is absurdly large.
    #[error("an index or a term is too large to be true")]
    NumberTooLarge,
    /// A term in it contradicts another term in it.
    #[error("its terms contradict each other")]
    InconsistentTerms,
    /// Its entries leave gaps, or their terms fall.
    #[error("its entries do not follow each other")]
    EntriesNotContiguous,
    /// A configuration in it can be none.
    #[error("it carries an impossible membership")]
    InvalidMembership,
    /// Indexes in it contradict each other.
    #[error("its indexes contradict each other")]
    InconsistentIndexes,
    /// A second leader shows itself in one term.
    #[error("its sender claims to lead a term that another node leads")]
    SecondLeader,
    /// It would change what is committed.
    #[error("it conflicts with a committed entry")]
    ConflictsWithCommitted,
    /// An answer to something that was never said.
    #[error("it answers something that was never sent")]
    UnexpectedResponse,
}

impl Message {
    /// Checks the envelope against the receiver, and the body against itself.
    pub(crate) fn validate(&self, receiver: &Identity) -> Result<(), InvalidMessage> {
        if self.cluster != receiver.cluster {
            return Err(InvalidMessage::WrongCluster);
        }
        if self.group != receiver.group {
            return Err(InvalidMessage::WrongGroup);
        }
        if self.to != receiver.node {
            return Err(InvalidMessage::WrongReceiver(self.to));
        }
        match self.to_incarnation {
            Some(meant) if meant != receiver.incarnation => {
                return Err(InvalidMessage::WrongIncarnation(meant));
            }
            Some(_) | None => {}
        }
        if self.from == receiver.node || self.from == NodeId(0) {
            return Err(InvalidMessage::InvalidSender);
        }
        self.validate_body()
    }

    /// Checks the body against itself and the message's term.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn validate_body(&self) -> Result<(), InvalidMessage> {
        term_in_range(self.term)?;
        match &self.body {
            Body::PreVote(ask) => {
                term_in_range(ask.campaign_term)?;
                index_in_range(ask.last_log.index)?;
                let ordered = ask.campaign_term > self.term && ask.last_log.term <= self.term;
                if ordered { Ok(()) } else { Err(InvalidMessage::InconsistentTerms) }
            }
            Body::PreVoteResponse(answer) => term_in_range(answer.campaign_term),
            Body::RequestVote(ask) => {
                index_in_range(ask.last_log.index)?;
                let ordered = ask.last_log.term < self.term;
                if ordered { Ok(()) } else { Err(InvalidMessage::InconsistentTerms) }
            }
            Body::RequestVoteResponse(_) => Ok(()),
            Body::AppendEntries(append) => append.validate(self.term),
            Body::AppendEntriesResponse(answer) => match answer.outcome {
                AppendOutcome::Matched { match_index } => index_in_range(match_index),
                AppendOutcome::Rejected { prev_index, last_index, hint } => {
                    index_in_range(prev_index)?;
                    index_in_range(last_index)?;
                    let ordered = hint.index <= prev_index && hint.index <= last_index;
                    if ordered { Ok(()) } else { Err(InvalidMessage::InconsistentIndexes) }
                }
            },
        }
    }
}

impl AppendEntries {
    fn validate(&self, term: Term) -> Result<(), InvalidMessage> {
        index_in_range(self.prev.index)?;
        index_in_range(self.commit)?;
        if self.prev.term > term {
            return Err(InvalidMessage::InconsistentTerms);
        }
        let mut last = self.prev;
        for entry in &self.entries {
            if entry.id.index != last.index.next() || entry.id.term < last.term {
                return Err(InvalidMessage::EntriesNotContiguous);
            }
            if let crate::entry::Payload::Membership(membership) = &entry.payload {
                membership.check().map_err(|_| InvalidMessage::InvalidMembership)?;
            }
            last = entry.id;
        }
        if last.term > term {
            return Err(InvalidMessage::InconsistentTerms);
        }
        Ok(())
    }
}

const fn term_in_range(term: Term) -> Result<(), InvalidMessage> {
    if term.get() <= NUMBER_MAX { Ok(()) } else { Err(InvalidMessage::NumberTooLarge) }
}

const fn index_in_range(index: LogIndex) -> Result<(), InvalidMessage> {
    if index.get() <= NUMBER_MAX { Ok(()) } else { Err(InvalidMessage::NumberTooLarge) }
}
