//! The reads in progress and the nodes that have confirmed each of them.

use std::time::Duration;

use raft_core::{Body, Membership, Message, NodeId, RequestId, Round, Term};

use crate::network::slot_of;

/// The reads in progress, and the nodes that have confirmed each of them.
#[derive(Clone, Debug)]
pub(super) struct ReadConfirmations {
    /// The latest round of appends that each node began, and the term of it.
    rounds: Vec<(Term, Round)>,
    pub(super) reads: Vec<PendingRead>,
}

#[derive(Clone, Debug)]
pub(super) struct PendingRead {
    pub(super) request: RequestId,
    /// The node where the read arrived.
    pub(super) reader: NodeId,
    /// The leader that confirms it: the reader itself, or the leader that it follows.
    pub(super) leader: NodeId,
    /// The term of the reader when the read arrived.
    pub(super) term: Term,
    /// The configurations that were in force at the leader since the read arrived.
    pub(super) memberships: Vec<Membership>,
    /// The latest round of that leader and term that began before the read arrived.
    pub(super) round_before: Round,
    /// Whether it may be served by the lease that the node held when it arrived: it needs no
    /// confirmation.
    pub(super) has_lease: bool,
    /// How old a state it permits, if it may be served from one.
    pub(super) staleness_max: Option<Duration>,
    /// The record at which the read arrived.
    pub(super) record: u64,
    /// The nodes that have acknowledged a later round of that term.
    pub(super) acknowledged_by: Vec<NodeId>,
}

impl ReadConfirmations {
    pub(super) fn new(size: usize) -> Self {
        Self { rounds: vec![(Term(0), Round::NONE); size], reads: Vec::new() }
    }

    pub(super) fn remove_reads_of(&mut self, node: NodeId) {
        self.reads.retain(|read| read.reader != node);
    }

    /// The latest round that a node began in a term.
    pub(super) fn round_of(&self, node: NodeId, term: Term) -> Round {
        match self.rounds.get(slot_of(node)) {
            Some(&(in_term, round)) if in_term == term => round,
            Some(_) | None => Round::NONE,
        }
    }

    /// Records the round that a message begins or acknowledges. An acknowledgement counts as its
    /// sender emitted it; a change on the wire has no effect.
    pub(super) fn on_send(&mut self, message: &Message) {
        let (from, to, term) = (message.from, message.to, message.term());
        match message.body() {
            Body::AppendEntries(append) => {
                if let Some(latest) = self.rounds.get_mut(slot_of(from)) {
                    *latest = (*latest).max((term, append.round));
                }
            }
            // It carries the round of the appends that were sent before.
            Body::InstallSnapshot(_) => {}
            Body::AppendEntriesResponse(response) => {
                let began = response.round <= self.round_of(to, term);
                let confirmed = self.reads.iter_mut().filter(|read| {
                    read.leader == to && read.term == term && read.round_before < response.round
                });
                for read in confirmed.filter(|_| began) {
                    if !read.acknowledged_by.contains(&from) {
                        read.acknowledged_by.push(from);
                    }
                }
            }
            Body::PreVote(_)
            | Body::PreVoteResponse(_)
            | Body::RequestVote(_)
            | Body::RequestVoteResponse(_)
            | Body::TimeoutNow(_)
            | Body::TimeoutNowResponse(_)
            | Body::ReadIndex(_)
            | Body::ReadIndexResponse(_) => {}
        }
    }
}
