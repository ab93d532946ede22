//! Linearizable reads without a log entry (thesis §6.4).

use alloc::vec::Vec;

use super::Leader;
use crate::effect::Refusal;
use crate::state::NodeState;
use crate::types::{LogIndex, RequestId, Round};

/// Reads on their way. One confirmation is under way at a time; what arrives meanwhile shares
/// the next one.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadQueue {
    confirming: Option<Confirmation>,
    waiting: Vec<RequestId>,
}

#[derive(Clone, Debug)]
struct Confirmation {
    /// Answers to this round or a later one show that this node still led when it began.
    round: Round,
    /// What was committed when the round began.
    read_index: LogIndex,
    requests: Vec<RequestId>,
}

impl Leader {
    pub(crate) fn on_read(&mut self, state: &mut NodeState, requests: Vec<RequestId>) {
        if !Self::has_committed_in_term(state) {
            for id in requests {
                state.refuse(id, Refusal::NotReady);
            }
            return;
        }
        self.reads.waiting.extend(requests);
        self.confirm_next(state);
    }

    /// Starts a confirmation for everything that waits, unless one is under way.
    fn confirm_next(&mut self, state: &mut NodeState) {
        if self.reads.confirming.is_some() || self.reads.waiting.is_empty() {
            return;
        }
        self.begin_round(state);
        self.reads.confirming = Some(Confirmation {
            round: self.round,
            read_index: state.commit_index(),
            requests: core::mem::take(&mut self.reads.waiting),
        });
        self.check_confirmation(state);
    }

    /// An answer came in: perhaps a quorum has confirmed.
    pub(super) fn check_confirmation(&mut self, state: &mut NodeState) {
        let Some(confirming) = &self.reads.confirming else { return };
        let round = confirming.round;
        let me = state.id();
        let confirmed = state.membership().is_quorum(|voter| {
            voter == me
                || self
                    .progress
                    .get(&voter)
                    .is_some_and(|progress| progress.round_acknowledged >= round)
        });
        if confirmed && let Some(confirmed) = self.reads.confirming.take() {
            state.complete_reads_at(confirmed.read_index, confirmed.requests);
            self.confirm_next(state);
        }
    }

    /// Leadership is over: reads that were not confirmed are refused; asking again is safe.
    pub(crate) fn refuse_unconfirmed_reads(self, state: &mut NodeState) {
        let refusal = state.not_leader();
        let confirming = self.reads.confirming.into_iter().flat_map(|c| c.requests);
        for id in confirming.chain(self.reads.waiting) {
            state.refuse(id, refusal);
        }
    }
}
