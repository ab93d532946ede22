//! What a node has whatever its role: identity, term and vote, log, configurations, outbox, and
//! the way to the state machine.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use crate::apply::ApplyQueue;
use crate::config::Config;
use crate::effect::{Effect, Outcome, Refusal, Response};
use crate::entry::{Entry, Payload};
use crate::event::Event;
use crate::fetches::Fetches;
use crate::log::Log;
use crate::membership::Membership;
use crate::message::{Body, Message};
use crate::outbox::{CarriesHardState, DependsOn, Outbox};
use crate::ports::{BrokenMark, HardState, Persist};
use crate::prng::Prng;
use crate::types::{Incarnation, LogIndex, NodeId, PersistId, RequestId, Term, Timestamp};

/// The part of a node that outlives its roles.
#[derive(Clone, Debug)]
pub(crate) struct NodeState {
    pub(crate) config: Config,
    pub(crate) now: Timestamp,
    pub(crate) log: Log,
    pub(crate) outbox: Outbox,
    pub(crate) apply: ApplyQueue,
    pub(crate) fetches: Fetches,
    /// Every configuration that is in force or may be rolled back to, ascending by index.
    pub(crate) memberships: Vec<(LogIndex, Membership)>,
    /// The latest life of each peer's disk that was heard from.
    pub(crate) incarnations: BTreeMap<NodeId, Incarnation>,
    /// Who leads this term, if known.
    pub(crate) leader: Option<NodeId>,
    pub(crate) prng: Prng,
    pub(crate) effects: Vec<Effect>,
    /// The highest commit index that a valid append of this term has carried, possibly past the
    /// log. For the status alone: nothing is committed by it. It is forgotten with the term, so
    /// that a wrong value of one leader lasts no longer.
    pub(crate) leader_commit: LogIndex,
    hard_state: HardState,
    hard_state_changed: bool,
    broken: Option<BrokenMark>,
    last_persist: PersistId,
    /// While a persist is outstanding: when one last completed, or else when it was emitted.
    storage_waiting_since: Option<Timestamp>,
}

impl NodeState {
    pub(crate) fn new(config: Config, hard_state: HardState, log: Log, now: Timestamp) -> Self {
        Self {
            prng: Prng::new(config.seed),
            config,
            now,
            log,
            outbox: Outbox::default(),
            apply: ApplyQueue::default(),
            fetches: Fetches::default(),
            memberships: Vec::new(),
            incarnations: BTreeMap::new(),
            leader: None,
            effects: Vec::new(),
            leader_commit: LogIndex::ZERO,
            hard_state,
            hard_state_changed: false,
            broken: None,
            last_persist: PersistId(0),
            storage_waiting_since: None,
        }
    }

    pub(crate) const fn id(&self) -> NodeId {
        self.config.identity.node
    }

    pub(crate) const fn term(&self) -> Term {
        self.hard_state.term
    }

    pub(crate) const fn voted_for(&self) -> Option<NodeId> {
        self.hard_state.voted_for
    }

    pub(crate) const fn commit_index(&self) -> LogIndex {
        self.hard_state.commit
    }

    /// Enters a later term, in which it has not voted and knows no leader.
    pub(crate) fn enter_term(&mut self, term: Term) {
        assert!(term > self.hard_state.term, "the term only rises");
        self.hard_state.term = term;
        self.hard_state.voted_for = None;
        self.hard_state_changed = true;
        self.leader = None;
        self.leader_commit = LogIndex::ZERO;
    }

    /// Votes in the current term, once.
    pub(crate) fn vote_for(&mut self, candidate: NodeId) {
        let earlier = self.hard_state.voted_for;
        assert!(earlier.is_none_or(|voted| voted == candidate), "one vote a term");
        if earlier.is_none() {
            self.hard_state.voted_for = Some(candidate);
            self.hard_state_changed = true;
        }
    }

    /// Takes note that the log is committed up to here. Not worth a write of its own: it goes
    /// with the next one.
    pub(crate) fn commit_to(&mut self, index: LogIndex) {
        assert!(index <= self.log.last().index, "only entries that are here can be committed here");
        self.hard_state.commit = self.hard_state.commit.max(index);
    }

    /// The configuration in force: the latest in the log, committed or not (thesis §4.1).
    pub(crate) fn membership(&self) -> &Membership {
        let (_, latest) = self.memberships.last().expect("there is always a configuration");
        latest
    }

    /// The other members.
    pub(crate) fn peers(&self) -> Vec<NodeId> {
        let me = self.id();
        self.membership().members().into_iter().filter(|&member| member != me).collect()
    }

    pub(crate) fn append(&mut self, entry: Entry) {
        if let Payload::Membership(membership) = &entry.payload {
            self.memberships.push((entry.index(), membership.clone()));
        }
        self.log.append(entry);
    }

    /// Drops a conflicting suffix and the configurations in it.
    pub(crate) fn truncate_from(&mut self, from: LogIndex) {
        assert!(from > self.commit_index(), "what is committed is never truncated");
        let last = self.log.last();
        self.log.truncate_from(from);
        while self.memberships.len() > 1
            && self.memberships.last().is_some_and(|&(index, _)| index >= from)
        {
            self.memberships.pop();
        }
        self.event(Event::Truncated { from, last });
    }

    /// Marks the log as broken with the next persist.
    pub(crate) fn mark_broken(&mut self, broken: BrokenMark) {
        self.broken = Some(broken);
    }

    pub(crate) fn message(&self, to: NodeId, body: Body) -> Message {
        let identity = &self.config.identity;
        Message {
            cluster: identity.cluster,
            group: identity.group,
            from: identity.node,
            from_incarnation: identity.incarnation,
            to,
            to_incarnation: self.incarnations.get(&to).copied(),
            term: self.term(),
            body,
        }
    }

    /// Sends at once: for what promises nothing that is not durable yet.
    pub(crate) fn send(&mut self, to: NodeId, body: Body) {
        let message = self.message(to, body);
        self.effects.push(Effect::Send(message));
    }

    /// Sends once the promise is durable.
    pub(crate) fn send_when_durable(&mut self, to: NodeId, body: Body, depends_on: DependsOn) {
        let message = self.message(to, body);
        self.outbox.hold(message, depends_on);
    }

    pub(crate) fn respond(&mut self, id: RequestId, outcome: Outcome) {
        self.effects.push(Effect::Respond(Response { id, outcome }));
    }

    pub(crate) fn refuse(&mut self, id: RequestId, refusal: Refusal) {
        self.respond(id, Outcome::Refused(refusal));
    }

    /// The refusal of a node that does not lead.
    pub(crate) fn not_leader(&self) -> Refusal {
        match self.leader {
            Some(leader) if leader != self.id() => Refusal::NotLeader { leader },
            Some(_) | None => Refusal::NoLeader,
        }
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.effects.push(Effect::Event(event));
    }

    /// A fresh random election timeout from now on, in `[min, 2 * min)` (Raft §5.2).
    pub(crate) fn draw_election_deadline(&mut self) -> Timestamp {
        let min = self.config.election_timeout_min;
        let min_nanos = u64::try_from(min.as_nanos()).unwrap_or(u64::MAX);
        let extra = Duration::from_nanos(self.prng.below(min_nanos));
        self.now.after(min).after(extra)
    }

    /// Every persist up to this number is durable. Returns whether the node's term and vote were
    /// not durable before and are now.
    pub(crate) fn on_persisted(&mut self, id: PersistId) -> bool {
        assert!(id <= self.last_persist, "only persists that were asked for are reported");
        let durable_before = self.hard_state_is_durable();
        if id > self.outbox.durable() {
            self.storage_waiting_since = (id < self.last_persist).then_some(self.now);
        }
        self.log.on_persisted(id);
        self.outbox.on_persisted(id);
        !durable_before && self.hard_state_is_durable()
    }

    /// How long the disk has made no progress; zero while nothing waits for it.
    pub(crate) fn storage_waiting(&self) -> Duration {
        self.storage_waiting_since.map_or(Duration::ZERO, |since| self.now.since(since))
    }

    /// Whether the disk has made no progress for so long that this node must neither lead nor
    /// campaign: nothing that it would append or vote for becomes durable here.
    pub(crate) fn storage_is_stalled(&self) -> bool {
        self.storage_waiting_since
            .is_some_and(|since| self.now.since(since) >= self.config.stall_timeout())
    }

    /// Whether the node's term and vote are durable as they are.
    pub(crate) const fn hard_state_is_durable(&self) -> bool {
        !self.hard_state_changed && self.outbox.hard_state_is_durable()
    }

    /// Ends a step: emits what is to be made durable, releases what waited for durability, hands
    /// committed entries to the state machine, and drops entries from memory that can be read back.
    pub(crate) fn finish_step(&mut self) {
        self.emit_persist();
        self.outbox.release(self.hard_state.term, &mut self.effects);
        self.dispatch_committed();
        self.log.shrink(self.config.limits.tail_bytes_max);
    }

    fn emit_persist(&mut self) {
        let id = PersistId(self.last_persist.get() + 1);
        let change = self.log.emit_change(id);
        if change.is_none() && !self.hard_state_changed && self.broken.is_none() {
            self.outbox.assign(None);
            return;
        }
        self.last_persist = id;
        self.storage_waiting_since.get_or_insert(self.now);
        let carries_hard_state =
            if self.hard_state_changed { CarriesHardState::Yes } else { CarriesHardState::No };
        self.outbox.assign(Some((id, carries_hard_state)));
        self.hard_state_changed = false;
        let (truncate_from, entries) =
            change.map_or((None, Vec::new()), |change| (change.truncate_from, change.entries));
        self.effects.push(Effect::Persist(Persist {
            id,
            // Always along: it carries the commit index, which saves waiting after a restart.
            hard_state: Some(self.hard_state),
            truncate_from,
            entries,
            broken: self.broken.take(),
        }));
    }
}
