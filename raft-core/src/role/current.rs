//! The role of a node: which handler an input goes to, and how one role follows another.

use alloc::vec::Vec;

use super::candidate::{Candidate, PreCandidate};
use super::follower::Follower;
use super::follower_reads::refuse_reads;
use super::leader::Leader;
use super::transition::Transition;
use super::votes::VoteCount;
use crate::event::{Event, RoleCause, RoleKind};
use crate::input::{EntriesFetched, Proposal, ReadConsistency, SnapshotSent, SnapshotTaken};
use crate::membership::MembershipRequest;
use crate::state::{CompactionCause, NodeState};
use crate::types::{NodeId, PersistId, RequestId, Term, Timestamp};

/// The role of a node, with the data that only this role needs.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    Follower(Follower),
    PreCandidate(PreCandidate),
    Candidate(Candidate),
    Leader(Leader),
}

/// What a role is and when it needs a tick.
impl Role {
    /// The role in which every node starts.
    pub(crate) fn initial(state: &mut NodeState) -> Self {
        Self::Follower(Follower::new(state))
    }

    pub(crate) const fn kind(&self) -> RoleKind {
        match self {
            Self::Follower(_) => RoleKind::Follower,
            Self::PreCandidate(_) => RoleKind::PreCandidate,
            Self::Candidate(_) => RoleKind::Candidate,
            Self::Leader(_) => RoleKind::Leader,
        }
    }

    /// When a tick is next useful.
    pub(crate) fn deadline(&self) -> Timestamp {
        match self {
            Self::Follower(follower) => follower.deadline(),
            Self::PreCandidate(candidate) => candidate.deadline(),
            Self::Candidate(candidate) => candidate.deadline(),
            Self::Leader(leader) => leader.deadline(),
        }
    }

    /// The leader's data, if this node leads.
    pub(crate) const fn as_leader(&self) -> Option<&Leader> {
        match self {
            Self::Leader(leader) => Some(leader),
            Self::Follower(_) | Self::PreCandidate(_) | Self::Candidate(_) => None,
        }
    }

    /// Whether this node has recent contact with a leader, or is one: it then ignores vote requests
    /// (thesis §4.2.3). With leases also in a later term than that contact.
    pub(crate) fn protects_leader(&self, state: &NodeState) -> bool {
        if state.withholds_vote() {
            return true;
        }
        if !state.config().check_quorum {
            return false;
        }
        match self {
            Self::Leader(_) => true,
            Self::Follower(follower) => follower.has_recent_contact(state),
            Self::PreCandidate(_) | Self::Candidate(_) => false,
        }
    }
}

/// Changes of role.
impl Role {
    /// Replaces this role by another. May return a further change: a cluster of one elects itself
    /// without a message.
    pub(crate) fn enter(
        &mut self,
        state: &mut NodeState,
        transition: Transition,
    ) -> Option<Transition> {
        let (role, cause, next) = match transition {
            Transition::Follower { leader, cause } => {
                state.set_leader(leader);
                state.discard_vote_requests();
                (Self::Follower(Follower::new(state)), cause, None)
            }
            Transition::PreCandidate { cause } => {
                state.set_leader(None);
                let (candidate, next) = PreCandidate::begin(state, self.votes());
                (Self::PreCandidate(candidate), cause, next)
            }
            Transition::Candidate { cause } => {
                state.enter_term(state.term().next());
                state.vote_for(state.id());
                (Self::Candidate(Candidate::begin(state, cause)), cause, None)
            }
            Transition::Leader(proof) => {
                state.set_leader(Some(state.id()));
                (Self::Leader(Leader::begin(state, &proof)), RoleCause::ElectionWon, None)
            }
        };
        match core::mem::replace(self, role) {
            Self::Leader(leader) => {
                state.end_uncommitted_requests();
                if cause == RoleCause::StorageStalled {
                    state.end_requests_that_wait_for_storage();
                }
                leader.end(state);
            }
            Self::Follower(mut follower) => follower.refuse_reads(state),
            Self::PreCandidate(_) | Self::Candidate(_) => {}
        }
        state.event(Event::RoleChanged { role: self.kind(), term: state.term(), cause });
        next
    }

    /// Becomes a follower of the current term.
    fn follow(&mut self, state: &mut NodeState, leader: Option<NodeId>, cause: RoleCause) {
        let next = self.enter(state, Transition::Follower { leader, cause });
        assert!(next.is_none(), "a follower starts no further change of role");
    }

    /// Enters a later term as a follower. The change is immediate: the message that carries the
    /// term is handled by a follower of that term.
    pub(crate) fn follow_later_term(&mut self, state: &mut NodeState, term: Term) {
        state.enter_term(term);
        match self {
            // Keeps its election deadline: a later term is no contact with a leader.
            Self::Follower(follower) => follower.refuse_reads(state),
            Self::PreCandidate(_) | Self::Candidate(_) | Self::Leader(_) => {
                self.follow(state, None, RoleCause::HigherTerm);
            }
        }
    }

    /// Makes a candidate or pre-candidate a follower of this leader of the current term. Returns
    /// the follower; `None` if this node leads the term itself.
    pub(crate) fn follow_leader(
        &mut self,
        state: &mut NodeState,
        leader: NodeId,
    ) -> Option<&mut Follower> {
        match self {
            Self::Follower(_) | Self::Leader(_) => {}
            Self::PreCandidate(_) | Self::Candidate(_) => {
                self.follow(state, Some(leader), RoleCause::LeaderDiscovered);
            }
        }
        match self {
            Self::Follower(follower) => Some(follower),
            Self::PreCandidate(_) | Self::Candidate(_) | Self::Leader(_) => None,
        }
    }

    /// The votes that this node has received in the current term, if it was a candidate in it.
    fn votes(&self) -> Option<VoteCount> {
        match self {
            Self::PreCandidate(candidate) => candidate.votes(),
            Self::Candidate(candidate) => Some(candidate.votes()),
            Self::Follower(_) | Self::Leader(_) => None,
        }
    }
}

/// Inputs other than messages.
impl Role {
    /// Other settings are in force: timeouts begin again, so that a shorter one causes no election,
    /// and a shorter heartbeat interval begins now. An election in progress keeps its timeout.
    pub(crate) fn restart_timers(&mut self, state: &mut NodeState) {
        match self {
            Self::Follower(follower) => follower.restart_timer(state),
            Self::PreCandidate(_) | Self::Candidate(_) => {}
            Self::Leader(leader) => leader.restart_timers(state),
        }
    }

    pub(crate) fn on_tick(&mut self, state: &mut NodeState) -> Option<Transition> {
        state.retry_failed_apply();
        state.expire_transfer();
        match self {
            Self::Follower(follower) => follower.on_tick(state),
            Self::PreCandidate(candidate) => candidate.on_tick(state),
            Self::Candidate(candidate) => candidate.on_tick(state),
            Self::Leader(leader) => leader.on_tick(state),
        }
    }

    pub(crate) fn on_propose(&mut self, state: &mut NodeState, proposals: Vec<Proposal>) {
        if let Self::Leader(leader) = self {
            leader.on_propose(state, proposals);
        } else {
            let refusal = state.not_leader();
            for Proposal { id, .. } in proposals {
                state.refuse(id, refusal);
            }
        }
    }

    pub(crate) fn on_read(
        &mut self,
        state: &mut NodeState,
        requests: Vec<RequestId>,
        consistency: ReadConsistency,
    ) {
        if let ReadConsistency::Local { staleness_max } = consistency
            && let Some(staleness) = state.staleness()
            && staleness <= staleness_max
        {
            state.complete_local_reads(requests, staleness);
            if let Self::Follower(follower) = self
                && staleness > staleness_max / 2
            {
                follower.confirm_freshness(state);
            }
            return;
        }
        match self {
            Self::Leader(leader) => leader.on_read(state, requests, consistency),
            Self::Follower(follower) => follower.on_read(state, requests, consistency),
            Self::PreCandidate(_) | Self::Candidate(_) => {
                refuse_reads(state, requests, consistency);
            }
        }
    }

    pub(crate) fn on_transfer_leadership(
        &mut self,
        state: &mut NodeState,
        id: RequestId,
        to: Option<NodeId>,
    ) {
        if let Self::Leader(leader) = self {
            leader.on_transfer_leadership(state, id, to);
        } else {
            let refusal = state.not_leader();
            state.refuse(id, refusal);
        }
    }

    pub(crate) fn on_change_membership(
        &mut self,
        state: &mut NodeState,
        request: &MembershipRequest,
    ) {
        if let Self::Leader(leader) = self {
            leader.on_change_membership(state, request);
        } else {
            let refusal = state.not_leader();
            state.refuse(request.id, refusal);
        }
    }

    pub(crate) fn on_campaign(&self, state: &NodeState) -> Option<Transition> {
        let is_leader = self.as_leader().is_some();
        let may_campaign = state.may_campaign() && !state.withholds_vote();
        if is_leader || !may_campaign || state.storage_is_stalled() {
            return None;
        }
        Some(Transition::campaign(state, RoleCause::Requested))
    }

    pub(crate) const fn on_step_down(&self) -> Option<Transition> {
        match self {
            Self::Follower(_) => None,
            Self::PreCandidate(_) | Self::Candidate(_) | Self::Leader(_) => {
                Some(Transition::Follower { leader: None, cause: RoleCause::Requested })
            }
        }
    }

    pub(crate) fn on_persisted(
        &mut self,
        state: &mut NodeState,
        id: PersistId,
    ) -> Option<Transition> {
        let hard_state_became_durable = state.on_persisted(id);
        match self {
            Self::PreCandidate(candidate) => candidate.on_persisted(state),
            Self::Candidate(candidate) => candidate.on_persisted(state),
            Self::Leader(leader) => leader.advance_commit(state),
            Self::Follower(follower) => {
                if hard_state_became_durable {
                    follower.on_hard_state_durable(state);
                }
                None
            }
        }
    }

    pub(crate) fn on_entries_fetched(&mut self, state: &mut NodeState, fetched: &EntriesFetched) {
        let followers = state.on_entries_fetched(fetched);
        if let Self::Leader(leader) = self {
            leader.on_entries_fetched(state, &followers, fetched);
        }
    }

    pub(crate) fn on_snapshot_taken(&mut self, state: &mut NodeState, taken: SnapshotTaken) {
        let can_be_sent = state.on_snapshot_taken(taken);
        if let Self::Leader(leader) = self {
            leader.on_snapshot_taken(state, can_be_sent);
        }
    }

    pub(crate) fn on_snapshot_sent(&mut self, state: &mut NodeState, sent: SnapshotSent) {
        let is_known = state.on_snapshot_sent(sent);
        if let Self::Leader(leader) = self
            && is_known
        {
            leader.on_snapshot_sent(state, sent);
        }
    }

    /// Compacts the log. Followers know of no other node's needs.
    pub(crate) fn compact(&self, state: &mut NodeState, cause: CompactionCause) {
        match self.as_leader() {
            Some(leader) => leader.compact(state, cause),
            None => state.compact(cause, core::iter::empty()),
        }
    }

    pub(crate) fn on_peer_unreachable(&mut self, peer: NodeId) {
        if let Self::Leader(leader) = self {
            leader.on_peer_unreachable(peer);
        }
    }
}
