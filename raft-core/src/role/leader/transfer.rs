//! Transfer of the leadership to another voter (thesis §3.10).

use super::replication::Replication;
use crate::effect::{Outcome, Refusal};
use crate::event::{Event, TransferFailure};
use crate::message::{Body, DeclineReason, TimeoutNow};
use crate::state::{NodeState, TransferRequest};
use crate::types::{NodeId, RequestId, Timestamp};

/// The transfer in progress, if there is one. Part of a leadership: the next one begins without.
#[derive(Clone, Debug, Default)]
pub(super) struct LeadershipTransfer {
    current: Option<Transfer>,
}

#[derive(Clone, Debug)]
struct Transfer {
    request: TransferRequest,
    /// When the leader gives up.
    deadline: Timestamp,
    progress: TransferProgress,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TransferProgress {
    /// The target lacks entries.
    CatchingUp,
    /// The target was requested to campaign.
    Requested,
}

impl LeadershipTransfer {
    /// The target. While there is one, the leader refuses proposals: its log does not grow, so that
    /// the target can catch up.
    pub(super) fn target(&self) -> Option<NodeId> {
        self.current.as_ref().map(|transfer| transfer.request.target)
    }

    /// Whether the target was requested to campaign.
    pub(super) fn has_requested_campaign(&self) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|transfer| transfer.progress == TransferProgress::Requested)
    }

    /// When the leader gives up.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.current.as_ref().map(|transfer| transfer.deadline)
    }

    /// Begins to transfer the leadership, or refuses to. `id` is the request, if a caller waits.
    pub(super) fn begin(
        &mut self,
        state: &mut NodeState,
        replication: &Replication,
        id: Option<RequestId>,
        to: Option<NodeId>,
    ) {
        if let Some(to) = self.target() {
            state.respond_if(id, Outcome::Refused(Refusal::TransferInProgress { to }));
            return;
        }
        let target = match select_target(state, replication, to) {
            Ok(target) => target,
            Err(refusal) => {
                state.respond_if(id, Outcome::Refused(refusal));
                return;
            }
        };
        let deadline = state.now().after(state.config().election_timeout_min);
        self.current = Some(Transfer {
            request: TransferRequest { id, target },
            deadline,
            progress: TransferProgress::CatchingUp,
        });
        state.event(Event::TransferStarted { to: target });
        self.request_campaign(state, replication);
    }

    /// Requests the target to campaign once its log is durably equal to this node's.
    pub(super) fn request_campaign(&mut self, state: &mut NodeState, replication: &Replication) {
        let Some(transfer) = &mut self.current else { return };
        let target = transfer.request.target;
        if !state.membership().voters.contains(&target) {
            self.fail(state, TransferFailure::NotVoter);
            return;
        }
        let last_log = state.log().last();
        let is_caught_up = replication.match_index(target) == last_log.index;
        if transfer.progress == TransferProgress::CatchingUp && is_caught_up {
            transfer.progress = TransferProgress::Requested;
            state.send(target, Body::TimeoutNow(TimeoutNow { last_log }));
        }
    }

    /// A heartbeat is due: the request may be lost, so it is sent again.
    pub(super) fn repeat_request(&mut self, state: &mut NodeState, replication: &Replication) {
        if let Some(transfer) = &mut self.current {
            transfer.progress = TransferProgress::CatchingUp;
        }
        self.request_campaign(state, replication);
    }

    /// Gives up a transfer that takes an election timeout.
    pub(super) fn give_up_late(&mut self, state: &mut NodeState) {
        if self.deadline().is_some_and(|deadline| state.now() >= deadline) {
            self.fail(state, TransferFailure::TimedOut);
        }
    }

    /// A node does not campaign.
    pub(super) fn on_declined(
        &mut self,
        state: &mut NodeState,
        from: NodeId,
        reason: DeclineReason,
    ) {
        if self.target() == Some(from) {
            self.fail(state, TransferFailure::Declined(reason));
        }
    }

    /// The leadership ends: whether the transfer succeeded depends on the next leader.
    pub(super) fn await_successor(self, state: &mut NodeState) {
        if let Some(transfer) = self.current {
            state.await_successor(transfer.request);
        }
    }

    /// Ends the transfer; this node leads on.
    fn fail(&mut self, state: &mut NodeState, failure: TransferFailure) {
        if let Some(Transfer { request: TransferRequest { id, target }, .. }) = self.current.take()
        {
            state.event(Event::TransferFailed { to: target, failure });
            state.respond_if(id, Outcome::TransferFailed(failure));
        }
    }
}

/// The requested target, or of all possible ones the one with the highest match index, and of
/// several the one with the lowest id. A target without recent contact would make this node refuse
/// proposals for an election timeout and fail.
fn select_target(
    state: &NodeState,
    replication: &Replication,
    requested: Option<NodeId>,
) -> Result<NodeId, Refusal> {
    let voters = &state.membership().voters;
    if let Some(node) = requested
        && (node == state.id() || !voters.contains(&node))
    {
        return Err(Refusal::InvalidTarget { node });
    }
    let possible = voters.iter().copied().filter(|&voter| {
        let is_wanted = requested.is_none_or(|node| node == voter);
        is_wanted && voter != state.id() && replication.has_recent_contact_with(state, voter)
    });
    // Of several maxima `max_by_key` returns the last.
    let best = possible.rev().max_by_key(|&voter| replication.match_index(voter));
    best.ok_or(Refusal::NoTarget)
}
