//! The end of a transfer whose leadership has ended.

use super::NodeState;
use crate::effect::Outcome;
use crate::event::{Event, TransferFailure};
use crate::state::TransferRequest;
use crate::types::Timestamp;

impl NodeState {
    /// The transfer ends when the next leader is known, or after an election timeout.
    pub(crate) fn await_successor(&mut self, request: TransferRequest) {
        let deadline = self.now.after(self.config.election_timeout_min);
        self.transfer.begin(request, deadline);
    }

    /// When the transfer ends although no leader is known.
    pub(crate) fn transfer_deadline(&self) -> Option<Timestamp> {
        self.transfer.deadline()
    }

    /// Ends the transfer if its deadline has passed.
    pub(crate) fn expire_transfer(&mut self) {
        if self.transfer_deadline().is_some_and(|deadline| self.now() >= deadline) {
            self.end_transfer();
        }
    }

    /// Ends the transfer, if there is one. It has succeeded if its target leads now.
    pub(crate) fn end_transfer(&mut self) {
        let Some(TransferRequest { id, target }) = self.transfer.take() else { return };
        let leader = self.leader();
        if leader == Some(target) {
            self.event(Event::TransferCompleted { leader: target, term: self.term() });
            self.respond_if(id, Outcome::Transferred { leader: target });
        } else {
            let failure = TransferFailure::LeadershipLost { leader };
            self.event(Event::TransferFailed { to: target, failure });
            self.respond_if(id, Outcome::TransferFailed(failure));
        }
    }
}
