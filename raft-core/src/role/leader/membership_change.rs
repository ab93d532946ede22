//! Changes of the membership, carried out by the leader (thesis §4).
//!
//! A configuration is in force as soon as it is appended. One change is made at a time: the next one
//! begins when the final configuration of the last one is committed, and none begins before the
//! leader has committed an entry of its own term. Otherwise the configurations of two leaders could
//! both be in force without a common majority ("bug in single-server membership changes", raft-dev
//! 2015).

use super::commit;
use super::replication::Replication;
use crate::effect::{Outcome, Refusal};
use crate::entry::Entry;
use crate::event::RoleCause;
use crate::membership::{
    Membership, MembershipChange, MembershipError, MembershipRefusal, MembershipRequest,
    PromoteWhen,
};
use crate::role::transition::Transition;
use crate::state::NodeState;
use crate::types::{LogId, NodeId, RequestId, Timestamp};

/// How many rounds of catching up a promotion waits (thesis §4.2.1).
pub(super) const PROMOTION_ROUNDS_MAX: u64 = 10;

/// The change in progress, if a caller waits for it. A change whose caller does not wait here, left
/// by an earlier leader, is visible in the log alone.
#[derive(Clone, Debug, Default)]
pub(super) struct MembershipChanges {
    pending: Option<PendingRequest>,
}

#[derive(Clone, Debug)]
enum PendingRequest {
    /// A promotion waits until its learner has caught up. Nothing is appended.
    Promotion {
        id: RequestId,
        node: NodeId,
        change: MembershipChange,
        /// When the request arrived.
        began: Timestamp,
        /// The number of rounds that the learner had completed when the request arrived.
        rounds_before: u64,
    },
    /// A joint or final configuration is appended, and the final one is not committed.
    Appended { id: RequestId },
}

impl MembershipChanges {
    /// The learner whose promotion waits, and the rounds that it had completed when it was requested.
    pub(super) const fn waiting_promotion(&self) -> Option<(NodeId, u64)> {
        match &self.pending {
            Some(PendingRequest::Promotion { node, rounds_before, .. }) => {
                Some((*node, *rounds_before))
            }
            Some(PendingRequest::Appended { .. }) | None => None,
        }
    }

    /// Begins the change that a caller requests, or refuses it.
    pub(super) fn on_request(
        &mut self,
        state: &mut NodeState,
        replication: &mut Replication,
        request: &MembershipRequest,
    ) {
        if let Err(refusal) = self.begin(state, replication, request) {
            state.refuse(request.id, refusal);
        }
    }

    fn begin(
        &mut self,
        state: &mut NodeState,
        replication: &mut Replication,
        request: &MembershipRequest,
    ) -> Result<(), Refusal> {
        self.check_idle(state)?;
        let version = state.membership_version();
        if let Some(expected) = request.if_version.filter(|&expected| expected != version) {
            let differs = MembershipRefusal::VersionDiffers { expected, version };
            return Err(Refusal::Membership(differs));
        }
        let next = next_configuration(state, &request.change).map_err(Refusal::Membership)?;
        if let MembershipChange::Promote { node, when } = request.change
            && !replication.is_caught_up(state, node)
        {
            return match when {
                PromoteWhen::Now => Err(lagging(state, replication, node)),
                PromoteWhen::CaughtUp => {
                    self.pending = Some(PendingRequest::Promotion {
                        id: request.id,
                        node,
                        change: request.change.clone(),
                        began: state.now(),
                        rounds_before: replication.rounds_completed(node),
                    });
                    Ok(())
                }
            };
        }
        append(state, replication, next);
        self.pending = Some(PendingRequest::Appended { id: request.id });
        Ok(())
    }

    /// Checks that a change may begin now. The caller has checked that no transfer is in progress.
    fn check_idle(&self, state: &NodeState) -> Result<(), Refusal> {
        if !commit::has_committed_in_term(state) {
            return Err(Refusal::NotReady);
        }
        if self.pending.is_some() || !is_final_and_committed(state) {
            let version = state.membership_version();
            return Err(Refusal::Membership(MembershipRefusal::ChangeInProgress { version }));
        }
        Ok(())
    }

    /// Continues the change in progress after the commit index advanced: leaves a committed joint
    /// configuration (thesis §4.3), or ends the change. A leader without a vote in the final
    /// configuration steps down (thesis §4.2.2).
    ///
    /// The joint configuration may be that of an earlier leader: it is committed along with the
    /// first entry of this leader's term.
    pub(super) fn on_commit_advanced(
        &mut self,
        state: &mut NodeState,
        replication: &mut Replication,
    ) -> Option<Transition> {
        if !commit::has_committed_in_term(state) || !state.membership_is_committed() {
            return None;
        }
        if state.membership().is_joint() {
            let next = state.membership().without_outgoing();
            append(state, replication, next);
            return None;
        }
        match self.pending.take() {
            Some(PendingRequest::Appended { id }) => {
                let version = state.membership_version();
                state.respond(id, Outcome::MembershipChanged { version });
            }
            waiting => self.pending = waiting,
        }
        if state.membership().is_voter(state.id()) {
            return None;
        }
        // The followers learn that the configuration is committed, and elect one of them.
        replication.begin_round(state);
        Some(Transition::Follower { leader: None, cause: RoleCause::Removed })
    }

    /// A learner responded, or time has passed: a promotion that waits for it is made, or refused
    /// when the learner does not catch up.
    pub(super) fn continue_promotion(
        &mut self,
        state: &mut NodeState,
        replication: &mut Replication,
    ) {
        let Some(PendingRequest::Promotion { id, node, change, began, rounds_before }) =
            &self.pending
        else {
            return;
        };
        let (id, node) = (*id, *node);
        // The learner may have been unreachable before the request.
        let is_silent = state.now().since(*began) > state.config().election_timeout_min
            && !replication.has_recent_contact_with(state, node);
        let rounds = replication.rounds_completed(node).saturating_sub(*rounds_before);
        if replication.is_caught_up(state, node) {
            match next_configuration(state, change) {
                Ok(next) => {
                    append(state, replication, next);
                    self.pending = Some(PendingRequest::Appended { id });
                }
                Err(refusal) => {
                    self.pending = None;
                    state.refuse(id, Refusal::Membership(refusal));
                }
            }
        } else if rounds >= PROMOTION_ROUNDS_MAX || is_silent {
            self.pending = None;
            let refusal = lagging(state, replication, node);
            state.refuse(id, refusal);
        }
    }

    /// Pins the incarnations of members that this node has met, itself included, unless a change is
    /// in progress. From then on only they vote and acknowledge.
    pub(super) fn pin_incarnations(&self, state: &mut NodeState, replication: &mut Replication) {
        if self.check_idle(state).is_err() {
            return;
        }
        let known = state.incarnations_to_pin();
        if known.is_empty() {
            return;
        }
        let mut next = state.membership().clone();
        for (node, incarnation) in known {
            next.nodes.entry(node).or_default().incarnation = Some(incarnation);
        }
        append(state, replication, next);
    }

    /// Leadership is lost. A configuration that is in the log may or may not remain there; a
    /// promotion that waits is refused.
    pub(super) fn end(self, state: &mut NodeState) {
        match self.pending {
            Some(PendingRequest::Appended { id }) => {
                let leader = state.leader().filter(|&leader| leader != state.id());
                state.respond(id, Outcome::Unknown { leader });
            }
            Some(PendingRequest::Promotion { id, .. }) => {
                let refusal = state.not_leader();
                state.refuse(id, refusal);
            }
            None => {}
        }
    }
}

fn is_final_and_committed(state: &NodeState) -> bool {
    state.membership_is_committed() && !state.membership().is_joint()
}

/// The configuration with which a change begins.
fn next_configuration(
    state: &NodeState,
    change: &MembershipChange,
) -> Result<Membership, MembershipRefusal> {
    let current = state.membership();
    let target = change.target(current)?;
    if target == *current {
        let version = state.membership_version();
        return Err(MembershipRefusal::AlreadyInForce { version });
    }
    let contradictions = state.config().contradictions(&target.settings);
    if target.settings != current.settings
        && let Some(&rule) = contradictions.first()
    {
        return Err(MembershipError::InvalidSettings(rule).into());
    }
    let identity = state.config().identity;
    if target.incarnation(identity.node).is_some_and(|pinned| pinned != identity.incarnation) {
        return Err(MembershipRefusal::ReplacesLeader(identity.node));
    }
    let next = current.towards(target);
    next.check()?;
    Ok(next)
}

/// Appends a configuration, which is in force from now on, and sends it to the members.
fn append(state: &mut NodeState, replication: &mut Replication, membership: Membership) {
    let superseded = state.superseded_by(&membership);
    let index = state.log().last().index.next();
    state.append(Entry::membership(LogId::new(state.term(), index), membership));
    replication.on_membership(state, &superseded);
    replication.send_to_all(state);
}

fn lagging(state: &NodeState, replication: &Replication, node: NodeId) -> Refusal {
    Refusal::Membership(MembershipRefusal::Lagging {
        node,
        match_index: replication.match_index(node),
        last_index: state.log().last().index,
    })
}
