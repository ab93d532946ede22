//! The node: one door in, effects out.

mod receive;
mod status;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

pub use status::{ProgressKind, ProgressStatus, Status};

use crate::config::{Config, ConfigError};
use crate::effect::{Effect, Refusal};
use crate::event::{Event, RoleCause};
use crate::input::{EntriesFetched, Input, Proposal};
use crate::invariants;
use crate::log::Log;
use crate::membership::Membership;
use crate::ports::Recovered;
use crate::role::{Follower, Role, Transition};
use crate::state::NodeState;
use crate::types::{LogIndex, PersistId, RequestId, Timestamp};

/// One node's part in one Raft group.
///
/// ```
/// use raft_core::{Config, Effect, Identity, Input, Membership, Node, NodeId, Recovered, RoleKind};
/// use raft_core::{ClusterId, GroupId, Incarnation, Timestamp};
///
/// let identity = Identity {
///     cluster: ClusterId(7),
///     group: GroupId(0),
///     node: NodeId(1),
///     incarnation: Incarnation(1),
/// };
/// let alone = Membership::of_voters([NodeId(1)]);
/// let config = Config::new(identity, 42);
/// let mut node = Node::new(config, Recovered::default(), alone, Timestamp(0))?;
///
/// let mut effects = Vec::new();
/// node.step(node.deadline(), Input::Tick, &mut effects);
/// // It campaigns, and its vote for itself counts once that is durable.
/// let vote = effects.iter().find_map(|effect| match effect {
///     Effect::Persist(persist) => Some(persist.id),
///     _ => None,
/// });
/// node.step(node.deadline(), Input::Persisted(vote.expect("a vote")), &mut effects);
/// assert_eq!(node.status().role, RoleKind::Leader);
/// # Ok::<(), raft_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Node {
    state: NodeState,
    role: Role,
    halted: bool,
}

impl Node {
    /// A follower with what its store recovered. `bootstrap` is the configuration that holds
    /// while the log names none; every member of a new cluster must be given the same.
    ///
    /// If the state machine is durable, tell the node what it has applied with
    /// [`Input::Applied`] before anything else; that index must not lie past the recovered log.
    ///
    /// # Errors
    /// When the settings cannot work, the log is marked broken, or what was recovered contradicts
    /// itself.
    pub fn new(
        config: Config,
        recovered: Recovered,
        bootstrap: Membership,
        now: Timestamp,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        if let Some(broken) = recovered.broken {
            return Err(ConfigError::Broken { index: broken.index, reason: broken.reason });
        }
        let Recovered { hard_state, base, terms, memberships, broken: _ } = recovered;
        let last = terms.last();
        if terms.base() != base {
            return Err(ConfigError::Recovered("the terms do not begin at the base of the log"));
        }
        if hard_state.term < last.term {
            return Err(ConfigError::Recovered("the last entry is from a later term"));
        }
        if hard_state.commit > last.index {
            return Err(ConfigError::Recovered("more is committed than the log holds"));
        }
        let mut state = NodeState::new(config, hard_state, Log::recovered(terms, last.index), now);
        state.commit_to(base.index.max(hard_state.commit));
        state.memberships.push((LogIndex::ZERO, bootstrap));
        state.memberships.extend(memberships);
        for (_, membership) in &state.memberships {
            membership.check()?;
        }
        let role = Role::Follower(Follower::new(&mut state));
        let mut node = Self { state, role, halted: false };
        node.state.effects.clear();
        Ok(node)
    }

    /// Takes one input and appends what is to be done to `effects`. Never blocks, never fails.
    ///
    /// # Panics
    /// When an assertion of the algorithm is broken, or a shell breaks its contract (reports a
    /// persist that was never asked for): the node must not go on.
    pub fn step(&mut self, now: Timestamp, input: Input, effects: &mut Vec<Effect>) {
        self.state.now = self.state.now.max(now);
        if self.halted {
            refuse_after_halt(input, effects);
            return;
        }
        core::mem::swap(&mut self.state.effects, effects);
        let commit_before = self.state.commit_index();
        let mut next = self.dispatch(input);
        while let Some(transition) = next {
            next = self.role.enter(&mut self.state, transition);
        }
        self.state.finish_step();
        core::mem::swap(&mut self.state.effects, effects);
        invariants::check(self.state());
        if matches!(self.role, Role::Leader(_)) {
            invariants::check_leader_commit(self.state(), commit_before);
        }
    }

    /// When a [`Input::Tick`] is next useful.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        let role_deadline = self.role.deadline();
        match self.state.apply_retry_deadline() {
            Some(retry) => role_deadline.min(retry),
            None => role_deadline,
        }
    }

    pub(crate) const fn state(&self) -> &NodeState {
        &self.state
    }

    fn dispatch(&mut self, input: Input) -> Option<Transition> {
        match input {
            Input::Tick => self.on_tick(),
            Input::Message(message) => self.on_message(message),
            Input::Propose(proposals) => self.on_propose(proposals),
            Input::Read(requests) => self.on_read(requests),
            Input::Campaign => self.on_campaign(),
            Input::StepDown => self.on_step_down(),
            Input::Persisted(id) => self.on_persisted(id),
            Input::EntriesFetched(fetched) => self.on_entries_fetched(&fetched),
            Input::Applied(index) => {
                self.state.on_applied(index);
                None
            }
            Input::ApplyFailed(failure) => {
                if let Some(reason) = self.state.on_apply_failed(failure) {
                    self.halted = true;
                    self.state.effects.push(Effect::Halt(reason));
                    let cause = RoleCause::Requested;
                    return Some(Transition::Follower { leader: self.state.leader, cause });
                }
                None
            }
            Input::PeerUnreachable(peer) => {
                if let Role::Leader(leader) = &mut self.role {
                    leader.on_peer_unreachable(peer);
                }
                None
            }
        }
    }

    fn on_tick(&mut self) -> Option<Transition> {
        let state = &mut self.state;
        state.retry_failed_apply();
        match &mut self.role {
            Role::Follower(follower) => follower.on_tick(state),
            Role::PreCandidate(candidate) => candidate.on_tick(state),
            Role::Candidate(candidate) => candidate.on_tick(state),
            Role::Leader(leader) => leader.on_tick(state),
        }
    }

    fn on_propose(&mut self, proposals: Vec<Proposal>) -> Option<Transition> {
        if let Role::Leader(leader) = &mut self.role {
            leader.on_propose(&mut self.state, proposals);
        } else {
            let refusal = self.state.not_leader();
            for Proposal { id, .. } in proposals {
                self.state.refuse(id, refusal);
            }
        }
        None
    }

    fn on_read(&mut self, requests: Vec<RequestId>) -> Option<Transition> {
        if let Role::Leader(leader) = &mut self.role {
            leader.on_read(&mut self.state, requests);
        } else {
            let refusal = self.state.not_leader();
            for id in requests {
                self.state.refuse(id, refusal);
            }
        }
        None
    }

    fn on_campaign(&self) -> Option<Transition> {
        let is_leader = matches!(self.role, Role::Leader(_));
        let is_voter = self.state.membership().is_voter(self.state.id());
        if is_leader || !is_voter || self.state.storage_is_stalled() {
            return None;
        }
        Some(self.state.campaign(RoleCause::Requested))
    }

    const fn on_step_down(&self) -> Option<Transition> {
        match self.role {
            Role::Follower(_) => None,
            Role::PreCandidate(_) | Role::Candidate(_) | Role::Leader(_) => {
                Some(Transition::Follower { leader: None, cause: RoleCause::Requested })
            }
        }
    }

    fn on_persisted(&mut self, id: PersistId) -> Option<Transition> {
        let hard_state_became_durable = self.state.on_persisted(id);
        match &mut self.role {
            Role::PreCandidate(candidate) => candidate.on_persisted(&self.state),
            Role::Candidate(candidate) => candidate.on_persisted(&mut self.state),
            Role::Leader(leader) => {
                leader.advance_commit(&mut self.state);
                None
            }
            Role::Follower(follower) => {
                if hard_state_became_durable {
                    follower.on_hard_state_durable(&mut self.state);
                }
                None
            }
        }
    }

    fn on_entries_fetched(&mut self, fetched: &EntriesFetched) -> Option<Transition> {
        self.state.on_fetched_for_apply(fetched);
        let followers = self.state.fetches.complete(fetched.id);
        if let Role::Leader(leader) = &mut self.role {
            leader.on_entries_fetched(&mut self.state, &followers, fetched);
        }
        None
    }

    pub(crate) fn refuse_message(
        &mut self,
        from: crate::types::NodeId,
        kind: &'static str,
        reason: crate::message::validate::InvalidMessage,
    ) {
        self.state.event(Event::MessageRefused { from, kind, reason });
    }
}

/// A halted node answers requests and ignores everything else.
fn refuse_after_halt(input: Input, effects: &mut Vec<Effect>) {
    use crate::effect::{Outcome, Response};
    let refused =
        |id| Effect::Respond(Response { id, outcome: Outcome::Refused(Refusal::Stopped) });
    match input {
        Input::Propose(proposals) => {
            effects.extend(proposals.into_iter().map(|proposal| refused(proposal.id)));
        }
        Input::Read(requests) => effects.extend(requests.into_iter().map(refused)),
        Input::Tick
        | Input::Message(_)
        | Input::Campaign
        | Input::StepDown
        | Input::Persisted(_)
        | Input::EntriesFetched(_)
        | Input::Applied(_)
        | Input::ApplyFailed(_)
        | Input::PeerUnreachable(_) => {}
    }
}
