//! Linearizable reads without a log entry (thesis §6.4).

use alloc::vec::Vec;

use crate::types::{LogIndex, RequestId, Round};

/// Reads that are not confirmed yet. One round confirms all that wait when it begins; reads that
/// arrive meanwhile share the next round.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadQueue {
    confirming: Option<Confirmation>,
    waiting: Vec<RequestId>,
}

#[derive(Clone, Debug)]
struct Confirmation {
    /// Responses to this round or a later one show that this node still led when it began.
    round: Round,
    /// The commit index when the round began.
    read_index: LogIndex,
    requests: Vec<RequestId>,
}

impl ReadQueue {
    /// Adds reads, which wait for the next round.
    pub(super) fn register(&mut self, requests: Vec<RequestId>) {
        self.waiting.extend(requests);
    }

    /// Whether reads wait and no round is in progress.
    pub(super) const fn may_begin_round(&self) -> bool {
        self.confirming.is_none() && !self.waiting.is_empty()
    }

    /// Begins to confirm every waiting read with this round.
    pub(super) fn begin_round(&mut self, round: Round, read_index: LogIndex) {
        assert!(self.confirming.is_none(), "one round of reads is in progress at a time");
        let requests = core::mem::take(&mut self.waiting);
        self.confirming = Some(Confirmation { round, read_index, requests });
    }

    /// The round that is in progress.
    pub(super) fn confirming_round(&self) -> Option<Round> {
        self.confirming.as_ref().map(|confirmation| confirmation.round)
    }

    /// Ends the round that is in progress: its reads are confirmed at the returned index.
    pub(super) fn finish_round(&mut self) -> Option<(LogIndex, Vec<RequestId>)> {
        let Confirmation { read_index, requests, .. } = self.confirming.take()?;
        Some((read_index, requests))
    }

    /// The requests that are not confirmed, in the order of their arrival.
    pub(super) fn into_requests(self) -> impl Iterator<Item = RequestId> {
        let confirming = self.confirming.into_iter().flat_map(|confirming| confirming.requests);
        confirming.chain(self.waiting)
    }
}
