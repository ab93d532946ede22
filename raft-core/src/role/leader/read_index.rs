//! Linearizable reads without a log entry (thesis §6.4).

use alloc::vec::Vec;

use crate::state::NodeState;
use crate::types::{LogIndex, NodeId, ReadIndexId, RequestId, Round, Timestamp};

/// What waits for a confirmation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reader {
    /// A read at this node.
    Local(RequestId),
    /// A request of another node for the read index.
    Peer { node: NodeId, id: ReadIndexId },
}

/// Reads that are not confirmed yet. One round confirms all that wait when it begins; reads that
/// arrive meanwhile share the next round.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadQueue {
    confirming: Option<Confirmation>,
    waiting: Vec<Reader>,
}

/// The reads that one round confirms.
#[derive(Clone, Debug)]
pub(super) struct Confirmation {
    /// Responses to this round or a later one show that this node still led when it began.
    round: Round,
    /// The commit index when the round began.
    pub(super) read_index: LogIndex,
    /// When the round began.
    pub(super) began_at: Timestamp,
    pub(super) readers: Vec<Reader>,
}

impl ReadQueue {
    /// Adds reads of this node, which wait for the next round.
    pub(super) fn register(&mut self, requests: Vec<RequestId>) {
        self.waiting.extend(requests.into_iter().map(Reader::Local));
    }

    /// Adds the request of another node. It replaces an earlier one of that node which waits: a node
    /// has one request in flight, so that it no longer waits for the earlier one.
    pub(super) fn register_peer(&mut self, node: NodeId, id: ReadIndexId) {
        let is_of_node =
            |reader: &Reader| matches!(reader, Reader::Peer { node: from, .. } if *from == node);
        self.waiting.retain(|reader| !is_of_node(reader));
        self.waiting.push(Reader::Peer { node, id });
    }

    /// Whether reads wait and no round is in progress.
    pub(super) const fn may_begin_round(&self) -> bool {
        self.confirming.is_none() && !self.waiting.is_empty()
    }

    /// The number of reads that are not confirmed, those of other nodes included.
    pub(super) fn count(&self) -> usize {
        let confirming = self.confirming.as_ref().map_or(0, |round| round.readers.len());
        confirming + self.waiting.len()
    }

    /// Begins to confirm every waiting read with this round.
    pub(super) fn begin_round(&mut self, round: Round, state: &NodeState) {
        assert!(self.confirming.is_none(), "one round of reads is in progress at a time");
        let readers = core::mem::take(&mut self.waiting);
        let (read_index, began_at) = (state.commit_index(), state.now());
        self.confirming = Some(Confirmation { round, read_index, began_at, readers });
    }

    /// The round that is in progress.
    pub(super) fn confirming_round(&self) -> Option<Round> {
        self.confirming.as_ref().map(|confirmation| confirmation.round)
    }

    /// Ends the round that is in progress: its reads are confirmed.
    pub(super) const fn finish_round(&mut self) -> Option<Confirmation> {
        self.confirming.take()
    }

    /// The reads of this node that are not confirmed, in the order of their arrival.
    pub(super) fn into_requests(self) -> impl Iterator<Item = RequestId> {
        let confirming = self.confirming.into_iter().flat_map(|confirming| confirming.readers);
        confirming.chain(self.waiting).filter_map(|reader| match reader {
            Reader::Local(request) => Some(request),
            Reader::Peer { .. } => None,
        })
    }
}
