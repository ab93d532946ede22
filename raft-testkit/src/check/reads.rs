//! Reads are confirmed by a quorum and current; acknowledged writes are committed.

use raft_core::{Entry, LogIndex, NodeId, RequestId, Round, Term};

use super::checker::Checker;
use super::confirmations::PendingRead;
use super::observed::{EntryDigest, node_id};
use super::rule::Rule;

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

    /// What a read that begins now must see.
    pub(crate) const fn client_seen(&self) -> (LogIndex, u64) {
        self.client_seen
    }

    /// A read may be answered; `floor` is what was seen when it began.
    pub(crate) fn on_read_ready(
        &mut self,
        at: usize,
        floor: (LogIndex, u64),
        read_index: LogIndex,
        record: u64,
    ) {
        let (must_see, then) = floor;
        let applied = self.nodes.get(at).map_or(LogIndex::ZERO, |node| node.applied);
        self.client_seen = self.client_seen.max((read_index, record));
        if read_index < must_see || applied < read_index {
            let earlier = (format!("a client has seen the effect of entry {must_see}"), then);
            let later = (
                format!(
                    "{:?} answers a later read as of entry {read_index}, having applied {applied}",
                    node_id(at)
                ),
                record,
            );
            self.violate(Rule::ReadsAreCurrent, earlier, later);
        }
    }

    /// A client is told that its command was applied at this index.
    pub(crate) fn on_acknowledged(&mut self, at: usize, entry: &Entry, record: u64) {
        let digest = EntryDigest::of(entry);
        self.client_seen = self.client_seen.max((entry.index(), record));
        let known = self.committed.at(entry.index());
        if known.is_none_or(|known| known.digest != digest) {
            let earlier =
                (format!("entry {} is committed otherwise or not at all", entry.index()), record);
            let later = (format!("{:?} tells its client that it took effect", node_id(at)), record);
            self.violate(Rule::AcknowledgedKept, earlier, later);
        }
    }
}
