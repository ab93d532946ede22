//! The parts of a node that outlast its roles, and how they act together.

mod ending_transfer;
mod insight;
mod local_reads;
mod members;
mod priority;
mod random;
mod settings;
mod vote_withholding;

use alloc::vec::Vec;
use core::time::Duration;

use super::apply_queue::ApplyQueue;
use super::fetches::Fetches;
use super::freshness::Freshness;
use super::incarnations::Incarnations;
use super::memberships::Memberships;
use super::observations::Observations;
use super::outbox::{DependsOn, Outbox};
use super::persists::{CarriesHardState, Persists};
use super::settings::SettingsState;
use super::snapshots::Snapshots;
use super::term::TermState;
use super::transfer::EndingTransfer;
use crate::config::{ApplyFailurePolicy, Config};
use crate::effect::{Effect, HaltReason, Outcome, Refusal, Response};
use crate::entry::{Entry, Payload};
use crate::event::Event;
use crate::input::ApplyFailure;
use crate::log::{Log, LogChange};
use crate::membership::Membership;
use crate::message::{Body, Message, Rpc};
use crate::ports::{BrokenMark, Persist, Recovered};
use crate::prng::Prng;
use crate::recovery::RecoveryError;
use crate::types::{LogIndex, NodeId, PersistId, RequestId, Term, Timestamp};

/// The state of a node that does not depend on its role.
#[derive(Clone, Debug)]
pub(crate) struct NodeState {
    pub(super) config: Config,
    prng: Prng,
    now: Timestamp,
    term: TermState,
    pub(super) log: Log,
    pub(super) memberships: Memberships,
    incarnations: Incarnations,
    pub(super) apply: ApplyQueue,
    freshness: Freshness,
    pub(super) snapshots: Snapshots,
    pub(super) fetches: Fetches,
    outbox: Outbox,
    pub(super) persists: Persists,
    transfer: EndingTransfer,
    /// With leases: until when this node neither votes nor campaigns, unless the leader requests it.
    vote_withheld_until: Timestamp,
    observations: Observations,
    settings: SettingsState,
    /// The mark that the next persist carries.
    broken: Option<BrokenMark>,
    /// The effects of the current step.
    pub(super) effects: Vec<Effect>,
}

/// Start and step.
impl NodeState {
    /// The state that a store recovered, checked.
    ///
    /// # Errors
    /// When the log is marked broken, or the recovered state contradicts itself.
    pub(crate) fn recovered(
        config: Config,
        recovered: Recovered,
        now: Timestamp,
    ) -> Result<Self, RecoveryError> {
        let Recovered { hard_state, base, terms, memberships, broken } = recovered;
        if let Some(BrokenMark { index, reason }) = broken {
            return Err(RecoveryError::Broken { index, reason });
        }
        let last = terms.last();
        if terms.base() != base {
            return Err(RecoveryError::Inconsistent(
                "the terms do not begin at the base of the log",
            ));
        }
        if hard_state.term < last.term {
            return Err(RecoveryError::Inconsistent("the last entry is from a later term"));
        }
        if hard_state.commit > last.index {
            return Err(RecoveryError::Inconsistent("more is committed than the log holds"));
        }
        let indexes = memberships.iter().map(|&(index, _)| index);
        if !indexes.is_sorted_by(|earlier, later| earlier < later) {
            return Err(RecoveryError::Inconsistent("the configurations are not in order"));
        }
        if memberships.last().is_some_and(|&(index, _)| index > last.index) {
            return Err(RecoveryError::Inconsistent("a configuration is after the last entry"));
        }
        let mut term = TermState::recovered(hard_state);
        term.commit_to(base.index);
        let memberships = Memberships::recovered(memberships)?;
        let mut incarnations = Incarnations::default();
        incarnations.on_membership(memberships.current());
        let mut state = Self {
            prng: Prng::new(config.seed),
            config,
            now,
            term,
            log: Log::recovered(terms),
            memberships,
            incarnations,
            apply: ApplyQueue::starting_after(base.index),
            freshness: Freshness::default(),
            snapshots: Snapshots::default(),
            fetches: Fetches::default(),
            outbox: Outbox::default(),
            persists: Persists::default(),
            transfer: EndingTransfer::default(),
            observations: Observations::default(),
            vote_withheld_until: Timestamp(0),
            settings: SettingsState::default(),
            broken: None,
            effects: Vec::new(),
        };
        state.on_settings_in_force();
        state.vote_withheld_until =
            vote_withholding::withheld_after_start(&state.config, hard_state, now);
        Ok(state)
    }

    /// Sets the time. It never runs backwards.
    pub(crate) fn advance_time(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    /// Starts a step, whose effects are appended to `effects`.
    pub(crate) const fn begin_step(&mut self, effects: &mut Vec<Effect>) {
        core::mem::swap(&mut self.effects, effects);
    }

    /// Ends a step: emits what is to be made durable, releases messages that depended on it,
    /// dispatches a snapshot and committed entries to the state machine, and drops entries from
    /// memory that can be read back from the store.
    pub(crate) fn finish_step(&mut self, effects: &mut Vec<Effect>) {
        self.report_contradictions();
        self.emit_persist();
        self.outbox.release(self.term(), self.persists.durable(), &mut self.effects);
        self.restore_after_reset();
        self.dispatch_committed();
        self.observe_step();
        self.log.shrink(self.config.limits.tail_bytes_max);
        core::mem::swap(&mut self.effects, effects);
    }

    fn emit_persist(&mut self) {
        let id = self.persists.next();
        let change = self.log.emit_change(id);
        if change.is_none() && !self.term.has_changed() && self.broken.is_none() {
            self.outbox.assign(None, &self.persists);
            return;
        }
        let hard_state =
            if self.term.has_changed() { CarriesHardState::Yes } else { CarriesHardState::No };
        self.persists.on_emitted(hard_state, self.now);
        self.snapshots.on_persist_emitted(id);
        self.outbox.assign(Some(id), &self.persists);
        self.term.on_emitted();
        let LogChange { reset, truncate_from, entries } = change.unwrap_or_default();
        self.effects.push(Effect::Persist(Persist {
            id,
            // In every persist: it carries the commit index, from which a restart proceeds.
            hard_state: Some(self.term.hard_state()),
            reset,
            truncate_from,
            entries,
            broken: self.broken.take(),
        }));
    }

    fn dispatch_committed(&mut self) {
        if self.snapshots.is_resetting() {
            return;
        }
        let ready = self.ready_to_apply();
        let bytes_max = self.config.limits.apply_bytes_max;
        while let Some(effect) =
            self.apply.next_effect(&self.log, ready, bytes_max, &mut self.fetches)
        {
            self.effects.push(effect);
        }
    }

    /// The last entry that is committed and durable here.
    pub(super) fn ready_to_apply(&self) -> LogIndex {
        self.commit_index().min(self.log.persisted())
    }
}

/// Settings, identity and time.
impl NodeState {
    #[inline]
    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) const fn id(&self) -> NodeId {
        self.config.identity.node
    }

    /// The time of the current step.
    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }
}

/// Term, vote, leader and commit index.
impl NodeState {
    #[inline]
    pub(crate) const fn term(&self) -> Term {
        self.term.hard_state().term
    }

    pub(crate) const fn voted_for(&self) -> Option<NodeId> {
        self.term.hard_state().voted_for
    }

    /// The leader of this term, if known.
    pub(crate) const fn leader(&self) -> Option<NodeId> {
        self.term.leader()
    }

    #[inline]
    pub(crate) const fn commit_index(&self) -> LogIndex {
        self.term.hard_state().commit
    }

    /// The highest commit index that is known of in this term; at least the node's own.
    pub(crate) fn commit_index_seen(&self) -> LogIndex {
        self.term.commit_index_seen()
    }

    /// Enters a later term, in which the node has not voted and knows no leader.
    pub(crate) fn enter_term(&mut self, term: Term) {
        self.term.enter(term);
        self.event(Event::TermEntered { term });
    }

    /// Votes in the current term, once.
    pub(crate) fn vote_for(&mut self, candidate: NodeId) {
        self.term.vote_for(candidate);
    }

    /// Sets the leader of this term; `None` if it is not known.
    pub(crate) fn set_leader(&mut self, leader: Option<NodeId>) {
        self.term.set_leader(leader);
        if leader.is_some() {
            self.end_transfer();
        }
    }

    /// A valid append of this term carried this commit index.
    pub(crate) fn on_leader_commit(&mut self, commit: LogIndex) {
        self.term.on_leader_commit(commit);
    }

    /// The log is committed up to `index`.
    pub(crate) fn commit_to(&mut self, index: LogIndex) {
        assert!(index <= self.log.last().index, "only entries of this log are committed here");
        self.term.commit_to(index);
        self.refresh_committed_settings();
    }
}

/// Log and configurations.
impl NodeState {
    #[inline]
    pub(crate) const fn log(&self) -> &Log {
        &self.log
    }

    /// Appends the next entry.
    #[inline]
    pub(crate) fn append(&mut self, entry: Entry) {
        if let Payload::Membership(membership) = &entry.payload {
            self.memberships.push(entry.index(), Membership::clone(membership));
            self.on_membership_in_force();
        }
        self.log.append(entry);
    }

    /// Drops a conflicting suffix and the configurations in it.
    pub(crate) fn truncate_from(&mut self, from: LogIndex) {
        assert!(from > self.commit_index(), "a committed entry is never truncated");
        let last = self.log.last();
        self.log.truncate_from(from);
        self.event(Event::Truncated { from, last });
        if self.memberships.truncate_from(from) {
            self.on_membership_in_force();
        }
    }
}

/// Durability.
impl NodeState {
    /// Every persist up to this number is durable. Returns whether the node's term and vote were
    /// not durable before and are now.
    pub(crate) fn on_persisted(&mut self, id: PersistId) -> bool {
        let durable_before = self.hard_state_is_durable();
        self.persists.on_durable(id, self.now);
        self.log.on_persisted(id);
        !durable_before && self.hard_state_is_durable()
    }

    /// Whether the node's current term and vote are durable.
    pub(crate) const fn hard_state_is_durable(&self) -> bool {
        !self.term.has_changed() && self.persists.hard_state_is_durable()
    }

    /// How long the disk has made no progress; zero while no persist is outstanding.
    pub(crate) fn storage_waiting(&self) -> Duration {
        self.persists.waiting(self.now)
    }

    /// Whether the disk has made no progress for so long that this node must neither lead nor
    /// campaign: no entry that it appends and no vote that it casts becomes durable here.
    pub(crate) fn storage_is_stalled(&self) -> bool {
        self.persists.is_stalled(self.now, self.config.stall_timeout())
    }

    /// Whether a contact was within the last election timeout.
    pub(crate) fn is_recent(&self, contact: Timestamp) -> bool {
        self.now.since(contact) <= self.config.election_timeout_min
    }
}

/// Messages, responses and events.
impl NodeState {
    /// Sends a message that depends on no persisted state.
    pub(crate) fn send(&mut self, to: NodeId, body: Body) {
        let message = self.message(to, body);
        self.effects.push(Effect::Send(message));
    }

    /// Sends a message once the state that it depends on is durable.
    pub(crate) fn send_when_durable(&mut self, to: NodeId, body: Body, depends_on: DependsOn) {
        let message = self.message(to, body);
        self.outbox.hold(message, depends_on);
    }

    /// Drops vote requests that are held: the node is no longer a candidate.
    pub(crate) fn discard_vote_requests(&mut self) {
        self.outbox.discard_vote_requests();
    }

    pub(super) fn message(&self, to: NodeId, body: Body) -> Message {
        let identity = &self.config.identity;
        Message {
            cluster: identity.cluster,
            group: identity.group,
            from: identity.node,
            from_incarnation: identity.incarnation,
            to,
            to_incarnation: self.incarnations.current(to),
            rpc: Rpc::of_this_node(self.term(), body),
        }
    }

    pub(crate) fn respond(&mut self, id: RequestId, outcome: Outcome) {
        self.effects.push(Effect::Respond(Response { id, outcome }));
    }

    /// Responds if a caller waits.
    pub(crate) fn respond_if(&mut self, id: Option<RequestId>, outcome: Outcome) {
        if let Some(id) = id {
            self.respond(id, outcome);
        }
    }

    pub(crate) fn refuse(&mut self, id: RequestId, refusal: Refusal) {
        self.respond(id, Outcome::Refused(refusal));
    }

    /// The refusal of a node that does not lead.
    pub(crate) fn not_leader(&self) -> Refusal {
        match self.leader() {
            Some(leader) if leader != self.id() => Refusal::NotLeader { leader },
            Some(_) | None => Refusal::NoLeader,
        }
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.effects.push(Effect::Event(event));
    }

    /// Reports that the node stops.
    pub(crate) fn halt(&mut self, reason: HaltReason) {
        self.effects.push(Effect::Halt(reason));
    }
}

/// The state machine, and the requests that wait for it.
impl NodeState {
    #[inline]
    pub(crate) const fn apply(&self) -> &ApplyQueue {
        &self.apply
    }

    /// The state machine has applied every entry up to `index`.
    pub(crate) fn on_applied(&mut self, index: LogIndex) {
        assert!(
            index <= self.log.last().index,
            "the state machine applies only entries that are in the log"
        );
        if index <= self.apply.applied() {
            return;
        }
        self.commit_to(index);
        self.apply.on_applied(index);
        self.freshness.on_applied(index);
        self.complete_ready_reads();
    }

    /// The state machine failed at an entry. Returns the reason if the node must stop.
    pub(crate) fn on_apply_failed(&mut self, failure: ApplyFailure) -> Option<HaltReason> {
        let ApplyFailure { index, reason } = failure;
        if !self.apply.is_outstanding(index) {
            return None;
        }
        self.on_applied(index.previous());
        if let Some(restoring) = self.apply.restoring() {
            let leader = self.leader().filter(|&leader| leader != self.id());
            for id in self.apply.on_apply_failed_before_restore(index, restoring) {
                self.respond(id, Outcome::Unknown { leader });
            }
        } else {
            self.apply.on_apply_failed(index, self.now);
        }
        self.event(Event::ApplyFailed { index, reason: reason.clone() });
        match self.config.apply_failure {
            ApplyFailurePolicy::Retry => None,
            ApplyFailurePolicy::Halt => {
                self.broken = Some(BrokenMark { index, reason: reason.clone() });
                Some(HaltReason::ApplyFailed { index, reason })
            }
        }
    }

    /// Retries the entry at which the state machine failed, once its delay has passed.
    pub(crate) fn retry_failed_apply(&mut self) {
        if let Some(index) = self.apply.retry_failed(self.now) {
            self.event(Event::ApplyRetried { index });
        }
    }

    /// When the entry at which the state machine failed is retried, if it is to be retried at all.
    pub(crate) fn apply_retry_deadline(&self) -> Option<Timestamp> {
        match self.config.apply_failure {
            ApplyFailurePolicy::Retry => self.apply.retry_deadline(),
            ApplyFailurePolicy::Halt => None,
        }
    }

    /// Appends a command whose caller waits for the outcome.
    #[inline]
    pub(crate) fn append_proposed(&mut self, entry: Entry, request: RequestId) {
        self.apply.register_proposed(&entry, request);
        self.append(entry);
    }

    /// Completes confirmed reads once the state machine has applied `index`.
    pub(crate) fn complete_reads_at(&mut self, index: LogIndex, requests: Vec<RequestId>) {
        self.apply.register_reads(index, requests);
        self.complete_ready_reads();
    }

    fn complete_ready_reads(&mut self) {
        while let Some((read_index, requests)) = self.apply.pop_ready_reads() {
            for id in requests {
                self.respond(id, Outcome::ReadReady { read_index });
            }
        }
    }

    /// Leadership is lost: requests whose entries are not known to be committed have an unknown
    /// outcome. The others are applied here, and their callers get the output.
    pub(crate) fn end_uncommitted_requests(&mut self) {
        let commit = self.commit_index();
        let leader = self.leader().filter(|&leader| leader != self.id());
        for id in self.apply.remove_proposed_after(commit) {
            self.respond(id, Outcome::Unknown { leader });
        }
    }

    /// Leadership ends because the disk makes no progress: entries that are not durable are not
    /// applied here, even if they are committed. The outcome of such commands is unknown, and reads
    /// that wait for them are refused.
    pub(crate) fn end_requests_that_wait_for_storage(&mut self) {
        let durable = self.log.persisted();
        for id in self.apply.remove_proposed_after(durable) {
            self.respond(id, Outcome::Unknown { leader: None });
        }
        let refusal = self.not_leader();
        for id in self.apply.remove_reads_after(durable) {
            self.refuse(id, refusal);
        }
    }
}
