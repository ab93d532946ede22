//! Reads at a follower: the leader returns the index, and the own state machine applies it (thesis
//! §6.4).

use alloc::vec::Vec;

use crate::config::FollowerReads;
use crate::effect::Refusal;
use crate::message::{Body, ReadIndex, ReadIndexResponse};
use crate::state::NodeState;
use crate::types::{ReadIndexId, RequestId, Timestamp};

/// Reads that wait for the read index of the leader. One request is in flight at a time; reads that
/// arrive meanwhile share the next. They all belong to one leader: they end when it changes.
#[derive(Clone, Debug, Default)]
pub(super) struct ForwardedReads {
    in_flight: Option<Batch>,
    waiting: Vec<RequestId>,
}

/// The reads that share a request.
#[derive(Clone, Debug)]
struct Batch {
    id: ReadIndexId,
    requests: Vec<RequestId>,
    /// When the request counts as lost.
    deadline: Timestamp,
}

impl ForwardedReads {
    /// When the request in flight counts as lost.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.in_flight.as_ref().map(|batch| batch.deadline)
    }

    /// Requests the read index for these reads, or refuses them.
    pub(super) fn on_read(&mut self, state: &mut NodeState, requests: Vec<RequestId>) {
        let forwards = state.config().follower_reads == FollowerReads::ReadIndex;
        if !forwards || state.leader().is_none() {
            refuse(state, requests, state.not_leader());
            return;
        }
        self.waiting.extend(requests);
        self.begin_batch(state);
    }

    /// The leader of the current term responded: the reads wait for the state machine now.
    pub(super) fn on_response(&mut self, state: &mut NodeState, response: ReadIndexResponse) {
        let Some(batch) = self.in_flight.take_if(|batch| batch.id == response.id) else { return };
        match response.read_index {
            Some(read_index) => state.complete_reads_at(read_index, batch.requests),
            None => refuse(state, batch.requests, Refusal::NotReady),
        }
        self.begin_batch(state);
    }

    /// Refuses the reads whose request had no response in time.
    pub(super) fn on_tick(&mut self, state: &mut NodeState) {
        if let Some(batch) = self.in_flight.take_if(|batch| state.now() >= batch.deadline) {
            refuse(state, batch.requests, Refusal::NoReadIndex);
            self.begin_batch(state);
        }
    }

    /// The leader is no longer known: a response to it would not count any more.
    pub(super) fn refuse_all(&mut self, state: &mut NodeState) {
        let Self { in_flight, waiting } = core::mem::take(self);
        let requests = in_flight.into_iter().flat_map(|batch| batch.requests).chain(waiting);
        refuse(state, requests, state.not_leader());
    }

    fn begin_batch(&mut self, state: &mut NodeState) {
        if self.in_flight.is_some() || self.waiting.is_empty() {
            return;
        }
        let Some(leader) = state.leader() else { return };
        let id = state.draw_read_index_id();
        let deadline = state.now().after(state.config().election_timeout_min);
        let requests = core::mem::take(&mut self.waiting);
        self.in_flight = Some(Batch { id, requests, deadline });
        state.send(leader, Body::ReadIndex(ReadIndex { id }));
    }
}

fn refuse(state: &mut NodeState, requests: impl IntoIterator<Item = RequestId>, refusal: Refusal) {
    for id in requests {
        state.refuse(id, refusal);
    }
}
