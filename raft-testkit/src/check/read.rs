//! A leader confirms its leadership before it answers a read.

use raft_core::{Body, Message, NodeId, RequestId, Round, Term};

use super::log::node_id;
use super::{Checker, Rule};

/// The reads that are under way, and the nodes that have confirmed each of them so far.
#[derive(Clone, Debug)]
pub(super) struct ReadConfirmations {
    /// Of each node, the latest round of appends that it began, and the term in which it did.
    rounds: Vec<(Term, Round)>,
    reads: Vec<PendingRead>,
}

#[derive(Clone, Debug)]
struct PendingRead {
    request: RequestId,
    node: NodeId,
    /// The term of the node when the read arrived.
    term: Term,
    /// The latest round of that term which began before the read arrived.
    round_before: Round,
    /// The record at which the read arrived.
    record: u64,
    /// The nodes that acknowledged a later round of that term since then.
    acknowledged_by: Vec<NodeId>,
}

impl ReadConfirmations {
    pub(super) fn new(size: usize) -> Self {
        Self { rounds: vec![(Term(0), Round::NONE); size], reads: Vec::new() }
    }

    pub(super) fn forget_reads_of(&mut self, node: NodeId) {
        self.reads.retain(|read| read.node != node);
    }

    /// The latest round that this node began in this term.
    fn round_of(&self, node: NodeId, term: Term) -> Round {
        match self.rounds.get(crate::network::slot_of(node)) {
            Some(&(in_term, round)) if in_term == term => round,
            Some(_) | None => Round::NONE,
        }
    }

    /// Notes the rounds that a message begins or acknowledges. An acknowledgement counts when its
    /// sender emits it, as it is then: a change on the wire has no influence.
    pub(super) fn on_send(&mut self, message: &Message) {
        let Message { from, to, term, .. } = *message;
        match &message.body {
            Body::AppendEntries(append) => {
                if let Some(latest) = self.rounds.get_mut(crate::network::slot_of(from)) {
                    *latest = (*latest).max((term, append.round));
                }
            }
            Body::AppendEntriesResponse(response) => {
                let began = response.round <= self.round_of(to, term);
                let confirmed = self.reads.iter_mut().filter(|read| {
                    read.node == to && read.term == term && read.round_before < response.round
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
            | Body::RequestVoteResponse(_) => {}
        }
    }
}

impl Checker {
    /// The latest round of appends that this node began in this term.
    pub(crate) fn latest_round(&self, node: NodeId, term: Term) -> Round {
        self.confirmations.round_of(node, term)
    }

    /// A read arrived at a node.
    pub(crate) fn on_read_arrived(&mut self, at: usize, request: RequestId, record: u64) {
        let Some(observed) = self.nodes.get(at) else { return };
        let (node, term) = (node_id(at), observed.term);
        let round_before = self.confirmations.round_of(node, term);
        let acknowledged_by = Vec::new();
        let read = PendingRead { request, node, term, round_before, record, acknowledged_by };
        self.confirmations.reads.push(read);
    }

    /// A read was refused, or its outcome is unknown.
    pub(crate) fn on_read_ended(&mut self, request: RequestId) {
        self.confirmations.reads.retain(|read| read.request != request);
    }

    /// A read was answered. The node may have lost its leadership since the read was confirmed: it
    /// then waited for its state machine.
    pub(crate) fn on_read_response(&mut self, request: RequestId, record: u64) {
        let reads = &mut self.confirmations.reads;
        let Some(place) = reads.iter().position(|read| read.request == request) else { return };
        let read = reads.swap_remove(place);
        let PendingRead { node, term, acknowledged_by, .. } = read;
        let confirms = |voter| voter == node || acknowledged_by.contains(&voter);
        if !self.membership.is_quorum(confirms) {
            let names: Vec<String> = acknowledged_by.iter().map(|id| format!("{id:?}")).collect();
            let earlier = (
                format!("a read arrived at {node:?} in term {term}, after {:?}", read.round_before),
                read.record,
            );
            let later = (
                format!(
                    "{node:?} answers it; only [{}] acknowledged a later round since",
                    names.join(" ")
                ),
                record,
            );
            self.violate(Rule::ReadsAreConfirmed, earlier, later);
        }
    }
}
