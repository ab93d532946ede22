//! Reads at a follower: the leader returns the index, and the own state machine applies it (thesis
//! §6.4).

use alloc::vec::Vec;

use crate::config::FollowerReads;
use crate::effect::Refusal;
use crate::input::ReadConsistency;
use crate::message::{Body, ReadIndex, ReadIndexResponse};
use crate::state::NodeState;
use crate::types::{ReadIndexId, RequestId, Timestamp};

/// Reads that wait for the read index of the leader. One request is in flight at a time; reads that
/// arrive meanwhile share the next. They all belong to one leader: they end when it changes.
#[derive(Clone, Debug, Default)]
pub(super) struct ForwardedReads {
    in_flight: Option<Batch>,
    waiting: Waiting,
}

/// The reads that share a request.
#[derive(Clone, Debug)]
struct Batch {
    id: ReadIndexId,
    reads: Waiting,
    sent_at: Timestamp,
    /// When the request counts as lost.
    deadline: Timestamp,
}

/// Reads by how they are refused.
#[derive(Clone, Debug, Default)]
struct Waiting {
    linearizable: Vec<RequestId>,
    /// Reads of the own state, which may be too old.
    local: Vec<RequestId>,
}

impl ForwardedReads {
    /// When the request in flight counts as lost.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.in_flight.as_ref().map(|batch| batch.deadline)
    }

    /// The number of reads that wait.
    pub(super) fn count(&self) -> usize {
        let count = |reads: &Waiting| reads.linearizable.len() + reads.local.len();
        self.in_flight.as_ref().map_or(0, |batch| count(&batch.reads)) + count(&self.waiting)
    }

    /// Requests the read index for these reads, or refuses them.
    pub(super) fn on_read(
        &mut self,
        state: &mut NodeState,
        requests: Vec<RequestId>,
        consistency: ReadConsistency,
    ) {
        if !can_request(state) {
            refuse_reads(state, requests, consistency);
            return;
        }
        match consistency {
            ReadConsistency::Linearizable | ReadConsistency::Leased => {
                self.waiting.linearizable.extend(requests);
            }
            ReadConsistency::Local { .. } => self.waiting.local.extend(requests),
        }
        self.begin_batch(state);
    }

    /// Requests the read index although no read waits for it, unless a request is in flight.
    pub(super) fn confirm_freshness(&mut self, state: &mut NodeState) {
        if self.in_flight.is_none() && can_request(state) {
            self.send_request(state);
        }
    }

    /// The leader of the current term responded: the reads wait for the state machine now.
    pub(super) fn on_response(&mut self, state: &mut NodeState, response: ReadIndexResponse) {
        let Some(batch) = self.in_flight.take_if(|batch| batch.id == response.id) else { return };
        match response.read_index {
            Some(read_index) => {
                state.on_read_index_confirmed(read_index, batch.sent_at);
                let Waiting { mut linearizable, local } = batch.reads;
                linearizable.extend(local);
                state.complete_reads_at(read_index, linearizable);
            }
            None => batch.reads.refuse(state, Refusal::NotReady),
        }
        self.begin_batch(state);
    }

    /// Refuses the reads whose request had no response in time.
    pub(super) fn on_tick(&mut self, state: &mut NodeState) {
        if let Some(batch) = self.in_flight.take_if(|batch| state.now() >= batch.deadline) {
            batch.reads.refuse(state, Refusal::NoReadIndex);
            self.begin_batch(state);
        }
    }

    /// The leader is no longer known: a response to it would not count any more.
    pub(super) fn refuse_all(&mut self, state: &mut NodeState) {
        let Self { in_flight, waiting } = core::mem::take(self);
        let refusal = state.not_leader();
        for reads in in_flight.into_iter().map(|batch| batch.reads).chain([waiting]) {
            reads.refuse(state, refusal);
        }
    }

    fn begin_batch(&mut self, state: &mut NodeState) {
        if self.in_flight.is_none() && !self.waiting.is_empty() {
            self.send_request(state);
        }
    }

    fn send_request(&mut self, state: &mut NodeState) {
        let Some(leader) = state.leader() else { return };
        let id = state.draw_read_index_id();
        let sent_at = state.now();
        let deadline = sent_at.after(state.config().election_timeout_min);
        let reads = core::mem::take(&mut self.waiting);
        self.in_flight = Some(Batch { id, reads, sent_at, deadline });
        state.send(leader, Body::ReadIndex(ReadIndex { id }));
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.linearizable.is_empty() && self.local.is_empty()
    }

    /// Refuses the linearizable reads with `refusal`, and the others because the state is too old.
    fn refuse(self, state: &mut NodeState, refusal: Refusal) {
        for id in self.linearizable {
            state.refuse(id, refusal);
        }
        let staleness = state.staleness();
        for id in self.local {
            state.refuse(id, Refusal::TooStale { staleness });
        }
    }
}

fn can_request(state: &NodeState) -> bool {
    state.config().follower_reads == FollowerReads::ReadIndex && state.leader().is_some()
}

/// Refuses reads at a node that does not lead and cannot request the read index.
pub(super) fn refuse_reads(
    state: &mut NodeState,
    requests: Vec<RequestId>,
    consistency: ReadConsistency,
) {
    let reads = match consistency {
        ReadConsistency::Linearizable | ReadConsistency::Leased => {
            Waiting { linearizable: requests, local: Vec::new() }
        }
        ReadConsistency::Local { .. } => Waiting { linearizable: Vec::new(), local: requests },
    };
    let refusal = state.not_leader();
    reads.refuse(state, refusal);
}
