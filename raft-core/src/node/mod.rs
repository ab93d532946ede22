//! The node: inputs in, effects out.
//!
//! [`Node::step`] passes an input to its handler: that of the role, or `receive` for a message. The
//! handler changes the state, emits effects and may return a change of role, which `step` carries
//! out before it ends.

mod accessors;
mod receive;
mod status;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

pub use status::{ProgressKind, ProgressStatus, SnapshotProgress, SnapshotStage, Status};

use crate::config::Config;
use crate::effect::{Effect, Outcome, Refusal, Response};
use crate::event::RoleCause;
use crate::input::{ApplyFailure, Input};
use crate::invariants;
use crate::ports::Recovered;
use crate::recovery::RecoveryError;
use crate::role::{Role, Transition};
use crate::state::{CompactionCause, NodeState};
use crate::types::Timestamp;

/// One node's part in one Raft group: a state machine that turns inputs into effects.
///
/// # Construct
/// [`Node::new`] starts a follower from what its store recovered.
///
/// # Step
/// [`Node::step`] processes one [`Input`] and appends the [`Effect`]s that the host must carry out.
/// It never blocks, performs no I/O and reads no clock: the sequence of (time, input) determines
/// every effect.
///
/// # Deadline
/// [`Node::deadline`] returns when the next [`Input::Tick`] is due. It may change with every step.
///
/// # Status
/// [`Node::status`] returns a snapshot for operators, metrics and tests. [`Node::explain`] states
/// what the node waits for, and why. [`Node::role`],
/// [`Node::term`], [`Node::leader`], [`Node::voted_for`], [`Node::commit_index`],
/// [`Node::applied_index`], [`Node::persisted_index`], [`Node::last_log`] and [`Node::term_at`]
/// return single values and are cheap.
///
/// # Example
/// ```
/// use raft_core::{ClusterId, Config, Effect, GroupId, Identity, Incarnation, Input, LogIndex};
/// use raft_core::{Membership, Node, NodeId, Recovered, RoleKind, Settings, Timestamp};
///
/// let identity = Identity {
///     cluster: ClusterId(7),
///     group: GroupId(0),
///     node: NodeId(1),
///     incarnation: Incarnation(1),
/// };
/// let config = Config::new(identity, 42, Settings::default())?;
/// // Usually `LogStore::recover` returns this, of a store that was bootstrapped.
/// let membership = Membership::of_voters([NodeId(1)]);
/// let recovered =
///     Recovered { memberships: vec![(LogIndex::ZERO, membership)], ..Recovered::default() };
/// let mut node = Node::new(config, recovered, Timestamp(0))?;
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
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Node {
    state: NodeState,
    role: Role,
    halted: bool,
}

impl Node {
    /// A follower with the state that its store recovered.
    ///
    /// The store of a member of a new cluster is bootstrapped before
    /// ([`Persist::bootstrap`](crate::Persist::bootstrap)). A node whose log has no configuration
    /// never campaigns: it waits for a leader that adds it.
    ///
    /// If the state machine is durable, report what it has applied with [`Input::Applied`] before
    /// any other input; that index must not exceed the recovered log.
    ///
    /// # Errors
    /// When the log is marked broken, the recovered state contradicts itself, or a configuration is
    /// invalid.
    pub fn new(
        config: Config,
        recovered: Recovered,
        now: Timestamp,
    ) -> Result<Self, RecoveryError> {
        let mut state = NodeState::recovered(config, recovered, now)?;
        let role = Role::initial(&mut state);
        // The timers have just begun.
        state.take_settings_changed();
        Ok(Self { state, role, halted: false })
    }

    /// Limits the messages of this node to what its transport delivers: `message_bytes_max` is the
    /// length of the longest encoded message, in bytes. A host calls it before the first step, after
    /// [`Config::check_transport`]: replicated settings that permit longer messages are refused by
    /// this node as a leader, and reported by it as a follower.
    pub fn limit_messages(&mut self, message_bytes_max: u64) {
        self.state.limit_messages(message_bytes_max);
    }

    /// Processes one input and appends its effects to `effects`. Never blocks, never fails. A
    /// `now` before that of an earlier step counts as the same time.
    ///
    /// # Panics
    /// When an assertion of the algorithm fails, or the host breaks its contract (reports a persist
    /// that was never emitted). The node must not be used afterwards.
    pub fn step(&mut self, now: Timestamp, input: Input, effects: &mut Vec<Effect>) {
        self.state.advance_time(now);
        if self.halted {
            refuse_after_halt(input, effects);
            return;
        }
        self.state.begin_step(effects);
        let commit_before = self.state.commit_index();
        let mut next = self.dispatch(input);
        while let Some(transition) = next {
            next = self.role.enter(&mut self.state, transition);
        }
        if self.state.take_settings_changed() {
            self.role.restart_timers(&mut self.state);
        }
        if self.halted {
            // A halted node does not learn of the next leader.
            self.state.end_transfer();
        }
        self.state.finish_step(effects);
        invariants::check(&self.state);
        if self.role.as_leader().is_some() {
            invariants::check_leader_commit(&self.state, commit_before);
        }
    }

    /// When a [`Input::Tick`] is next useful.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        let others = [self.state.apply_retry_deadline(), self.state.transfer_deadline()];
        others.into_iter().flatten().fold(self.role.deadline(), Timestamp::min)
    }

    /// Passes an input to its handler. Returns the change of role that it causes, if any.
    fn dispatch(&mut self, input: Input) -> Option<Transition> {
        let Self { state, role, .. } = self;
        match input {
            Input::Tick => return role.on_tick(state),
            Input::Message(message) => return receive::on_message(role, state, message),
            Input::Propose(proposals) => role.on_propose(state, proposals),
            Input::Read { requests, consistency } => role.on_read(state, requests, consistency),
            Input::ChangeMembership(request) => role.on_change_membership(state, &request),
            Input::Campaign => return role.on_campaign(state),
            Input::StepDown => return role.on_step_down(),
            Input::TransferLeadership { id, to } => role.on_transfer_leadership(state, id, to),
            Input::Persisted(id) => return role.on_persisted(state, id),
            Input::EntriesFetched(fetched) => role.on_entries_fetched(state, &fetched),
            Input::Applied(index) => state.on_applied(index),
            Input::ApplyFailed(failure) => return self.on_apply_failed(failure),
            Input::DurablyApplied(index) => {
                state.on_durably_applied(index);
                role.compact(state, CompactionCause::Policy);
            }
            Input::Compact => role.compact(state, CompactionCause::Requested),
            Input::SnapshotTaken(taken) => role.on_snapshot_taken(state, taken),
            Input::SnapshotSent(sent) => role.on_snapshot_sent(state, sent),
            Input::PeerUnreachable(peer) => role.on_peer_unreachable(peer),
        }
        None
    }

    /// The state machine failed at an entry: the node retries it, or halts as a follower.
    fn on_apply_failed(&mut self, failure: ApplyFailure) -> Option<Transition> {
        let reason = self.state.on_apply_failed(failure)?;
        self.halted = true;
        self.state.halt(reason);
        let leader = self.state.leader();
        Some(Transition::Follower { leader, cause: RoleCause::Requested })
    }
}

/// A halted node refuses requests and ignores every other input.
fn refuse_after_halt(input: Input, effects: &mut Vec<Effect>) {
    let refused =
        |id| Effect::Respond(Response { id, outcome: Outcome::Refused(Refusal::Stopped) });
    match input {
        Input::Propose(proposals) => {
            effects.extend(proposals.into_iter().map(|proposal| refused(proposal.id)));
        }
        Input::Read { requests, .. } => effects.extend(requests.into_iter().map(refused)),
        Input::TransferLeadership { id, .. } => effects.push(refused(id)),
        Input::ChangeMembership(request) => effects.push(refused(request.id)),
        Input::Tick
        | Input::Message(_)
        | Input::Campaign
        | Input::StepDown
        | Input::Persisted(_)
        | Input::EntriesFetched(_)
        | Input::Applied(_)
        | Input::ApplyFailed(_)
        | Input::DurablyApplied(_)
        | Input::Compact
        | Input::SnapshotTaken(_)
        | Input::SnapshotSent(_)
        | Input::PeerUnreachable(_) => {}
    }
}
