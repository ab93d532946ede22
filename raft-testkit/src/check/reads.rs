//! Checks of what clients receive: reads are confirmed and current, acknowledged writes committed.

use raft_core::{Entry, LogIndex, NodeId, ReadConsistency, RequestId, Round, Term, Timestamp};

use super::checker::Checker;
use super::confirmations::PendingRead;
use super::observed::{EntryDigest, node_id};
use super::rule::Rule;

/// The circumstances in which a read arrives at a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadArrival {
    /// The node itself if it leads, or the leader that it follows.
    pub(crate) leader: NodeId,
    pub(crate) consistency: ReadConsistency,
    /// The virtual time.
    pub(crate) now: Timestamp,
}

impl Checker {
    /// The latest round of appends that a node began in a term.
    pub(crate) fn latest_round(&self, node: NodeId, term: Term) -> Round {
        self.confirmations.round_of(node, term)
    }

    /// A read arrived at a node.
    pub(crate) fn on_read_arrived(
        &mut self,
        at: usize,
        request: RequestId,
        arrival: ReadArrival,
        record: u64,
    ) {
        let Some(observed) = self.nodes.get(at) else { return };
        let ReadArrival { leader, consistency, now } = arrival;
        let (reader, term) = (node_id(at), observed.term);
        let has_lease = consistency != ReadConsistency::Linearizable && self.holds_lease(at, now);
        let round_before = self.confirmations.round_of(leader, term);
        let staleness_max = match consistency {
            ReadConsistency::Linearizable | ReadConsistency::Leased => None,
            ReadConsistency::Local { staleness_max } => Some(staleness_max),
        };
        let acknowledged_by = Vec::new();
        let memberships = self.membership_of(leader).into_iter().cloned().collect();
        self.confirmations.reads.push(PendingRead {
            request,
            reader,
            leader,
            term,
            memberships,
            round_before,
            has_lease,
            staleness_max,
            record,
            acknowledged_by,
        });
    }

    /// A read ended without a result.
    pub(crate) fn on_read_ended(&mut self, request: RequestId) {
        self.confirmations.reads.retain(|read| read.request != request);
    }

    /// A read completed. The node may have lost its leadership after the confirmation, while the
    /// read waited for the state machine.
    pub(crate) fn on_read_response(&mut self, request: RequestId, record: u64) {
        let reads = &mut self.confirmations.reads;
        let Some(place) = reads.iter().position(|read| read.request == request) else { return };
        let read = reads.swap_remove(place);
        let PendingRead {
            reader: node, leader, term, memberships, has_lease, acknowledged_by, ..
        } = read;
        let confirms = |voter| voter == leader || acknowledged_by.contains(&voter);
        let confirmed = memberships.iter().any(|membership| membership.is_quorum(confirms));
        if !confirmed && has_lease {
            self.leased_reads += 1;
        } else if !confirmed {
            let names: Vec<String> = acknowledged_by.iter().map(|id| format!("{id:?}")).collect();
            let earlier = (
                format!("a read arrived at {node:?} in term {term}, after {:?}", read.round_before),
                read.record,
            );
            let later = (
                format!(
                    "{node:?} completes it; only [{}] acknowledged a later round since",
                    names.join(" ")
                ),
                record,
            );
            self.record_violation(Rule::ReadsAreConfirmed, earlier, later);
        }
    }

    /// The highest index that a read must reflect if it begins now, with its record.
    pub(crate) const fn client_seen(&self) -> (LogIndex, u64) {
        self.client_seen
    }

    /// A read completed at `read_index`; `floor` is [`Checker::client_seen`] when it began.
    pub(crate) fn on_read_ready(
        &mut self,
        at: usize,
        floor: (LogIndex, u64),
        read_index: LogIndex,
        record: u64,
    ) {
        let (must_see, then) = floor;
        let applied = self.nodes.get(at).map_or(LogIndex::ZERO, |node| node.applied);
        self.on_client_seen(read_index, record);
        if read_index < must_see || applied < read_index {
            let earlier = (format!("a client has seen the effect of entry {must_see}"), then);
            let later = (
                format!(
                    "{:?} completes a later read at entry {read_index}, with {applied} applied",
                    node_id(at)
                ),
                record,
            );
            self.record_violation(Rule::ReadsAreCurrent, earlier, later);
        }
    }

    /// A command was reported to its client as applied.
    pub(crate) fn on_acknowledged(&mut self, at: usize, entry: &Entry, record: u64) {
        let digest = EntryDigest::of(entry);
        self.on_client_seen(entry.index(), record);
        let known = self.committed.at(entry.index());
        if known.is_none_or(|known| known.digest != digest) {
            let earlier =
                (format!("entry {} is not committed with this content", entry.index()), record);
            let later = (format!("{:?} reports it as applied to its client", node_id(at)), record);
            self.record_violation(Rule::AcknowledgedKept, earlier, later);
        }
    }
}
