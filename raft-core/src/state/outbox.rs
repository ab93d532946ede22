//! Messages that depend on persisted state are held here until that state is durable.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::persists::Persists;
use crate::effect::Effect;
use crate::message::{AppendOutcome, Body, Message};
use crate::types::{PersistId, Term};

/// What must be durable before a message is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DependsOn {
    /// The term and the vote.
    HardState,
    /// The term, the vote, and the log as it is at the end of this step.
    HardStateAndLog,
}

/// Held messages. Each is sent when its own persist is durable, whether or not others are still
/// held; those that are sent together keep the order in which they were held.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    /// The messages of this step: which persist they depend on is known at its end.
    unassigned: VecDeque<(Message, DependsOn)>,
    /// The messages that depend on the term and vote, and those that depend on entries as well. In
    /// each queue both the persist and the sequence ascend, so that a release finds the messages
    /// that it sends at the front.
    for_hard_state: VecDeque<Held>,
    for_log: VecDeque<Held>,
    /// The number of messages that were held so far.
    sequence: u64,
    /// The term of all held messages.
    term: Term,
    /// How often a release looked for a message to send.
    #[cfg(test)]
    visited: usize,
}

/// A held message and what it depends on.
#[derive(Clone, Debug)]
struct Held {
    /// The persist that must be durable.
    persist: PersistId,
    /// The number of messages that were held before it.
    sequence: u64,
    message: Message,
}

/// How many messages are held before responses to appends are dropped: more than a leader sends
/// appends to a follower that does not respond.
const HELD_MAX: usize = 4096;

impl Outbox {
    /// Holds a message until what it depends on is durable.
    pub(crate) fn hold(&mut self, message: Message, depends_on: DependsOn) {
        self.unassigned.push_back((message, depends_on));
    }

    /// Ends the step: assigns its messages to the persists that they depend on. `emitted` is the
    /// persist of this step, if there is one.
    ///
    /// Beyond [`HELD_MAX`] responses to appends are dropped, as a network may: while the disk is
    /// stalled, every heartbeat would add one. The response to a later heartbeat carries the same
    /// index.
    pub(crate) fn assign(&mut self, emitted: Option<PersistId>, persists: &Persists) {
        while let Some((message, depends_on)) = self.unassigned.pop_front() {
            let held_count = self.held_count();
            let (queue, persist) = match (depends_on, emitted) {
                (DependsOn::HardStateAndLog, Some(id)) => (&mut self.for_log, id),
                (DependsOn::HardStateAndLog, None) | (DependsOn::HardState, _) => {
                    (&mut self.for_hard_state, persists.last_hard_state())
                }
            };
            let is_append_response = matches!(message.body(), Body::AppendEntriesResponse(_));
            if is_append_response && persist > persists.durable() && held_count >= HELD_MAX {
                continue;
            }
            let ascends = queue.back().is_none_or(|last| last.persist <= persist);
            assert!(ascends, "a later message never depends on an earlier persist");
            queue.push_back(Held { persist, sequence: self.sequence, message });
            self.sequence += 1;
        }
    }

    /// Sends every message that depends on nothing after `durable`. Messages of an older term are
    /// dropped: their receiver is deposed, or receives the new term in another message. Of several
    /// responses to appends of one leader that are released together, the last is enough.
    ///
    /// The cost is proportional to the number of released messages, and once a term to the number
    /// of held ones.
    pub(crate) fn release(&mut self, current: Term, durable: PersistId, effects: &mut Vec<Effect>) {
        if self.term != current {
            self.term = current;
            self.retain_held(|message| message.term() == current);
        }
        let first_released = effects.len();
        while let Some(message) = self.pop_next_durable(durable) {
            match effects.get_mut(first_released..).and_then(<[Effect]>::last_mut) {
                Some(Effect::Send(earlier)) if supersedes(&message, earlier) => *earlier = message,
                Some(_) | None => effects.push(Effect::Send(message)),
            }
        }
    }

    /// Drops held vote requests: the node is no longer a candidate.
    pub(crate) fn discard_vote_requests(&mut self) {
        self.unassigned.retain(|(message, _)| !matches!(message.body(), Body::RequestVote(_)));
        self.retain_held(|message| !matches!(message.body(), Body::RequestVote(_)));
    }

    /// Removes the message that was held first among those that may be sent.
    fn pop_next_durable(&mut self, durable: PersistId) -> Option<Message> {
        #[cfg(test)]
        {
            self.visited += 1;
        }
        let front = |queue: &VecDeque<Held>| {
            queue.front().filter(|held| held.persist <= durable).map(|held| held.sequence)
        };
        let queue = match (front(&self.for_hard_state), front(&self.for_log)) {
            (None, None) => return None,
            (Some(_), None) => &mut self.for_hard_state,
            (None, Some(_)) => &mut self.for_log,
            (Some(hard_state), Some(log)) if hard_state < log => &mut self.for_hard_state,
            (Some(_), Some(_)) => &mut self.for_log,
        };
        queue.pop_front().map(|held| held.message)
    }

    fn retain_held(&mut self, keep: impl Fn(&Message) -> bool) {
        self.for_hard_state.retain(|held| keep(&held.message));
        self.for_log.retain(|held| keep(&held.message));
    }

    fn held_count(&self) -> usize {
        self.for_hard_state.len() + self.for_log.len()
    }
}

/// Whether `later` carries everything that its receiver needs of `earlier`.
fn supersedes(later: &Message, earlier: &Message) -> bool {
    match (later.body(), earlier.body()) {
        (Body::AppendEntriesResponse(after), Body::AppendEntriesResponse(before)) => {
            let (
                AppendOutcome::Matched { match_index: after_match },
                AppendOutcome::Matched { match_index: before_match },
            ) = (after.outcome, before.outcome)
            else {
                return false;
            };
            later.to == earlier.to && after.round >= before.round && after_match >= before_match
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{AppendEntriesResponse, RequestVote, RequestVoteResponse, Rpc};
    use crate::prng::Prng;
    use crate::state::persists::CarriesHardState;
    use crate::types::{
        ClusterId, GroupId, Incarnation, LogId, LogIndex, NodeId, Round, Timestamp,
    };

    fn message(to: u64, term: u64, body: Body) -> Message {
        Message {
            cluster: ClusterId(1),
            group: GroupId(0),
            from: NodeId(1),
            from_incarnation: Incarnation(1),
            to: NodeId(to),
            to_incarnation: None,
            rpc: Rpc::of_this_node(Term(term), body),
        }
    }

    fn matched(round: u64, index: u64) -> Body {
        let outcome = AppendOutcome::Matched { match_index: LogIndex(index) };
        Body::AppendEntriesResponse(AppendEntriesResponse { round: Round(round), outcome })
    }

    /// A persist of this step, which ends it.
    fn emit(outbox: &mut Outbox, persists: &mut Persists, hard_state: CarriesHardState) {
        let id = persists.next();
        persists.on_emitted(hard_state, Timestamp(0));
        outbox.assign(Some(id), persists);
    }

    /// During one slow sync every step holds another response. If each release visited all of them,
    /// the cost would be quadratic.
    #[test]
    fn cost_of_a_release_does_not_grow_with_the_number_of_held_messages() {
        const STEPS: u64 = HELD_MAX as u64;
        let (mut outbox, mut persists) = (Outbox::default(), Persists::default());
        let mut effects = Vec::new();
        for step in 1..=STEPS {
            outbox.hold(message(2, 1, matched(step, step)), DependsOn::HardStateAndLog);
            emit(&mut outbox, &mut persists, CarriesHardState::No);
            outbox.release(Term(1), persists.durable(), &mut effects);
            // The response to a heartbeat depends on no later persist.
            outbox.hold(message(2, 1, matched(step, 0)), DependsOn::HardState);
            outbox.assign(None, &persists);
            outbox.release(Term(1), persists.durable(), &mut effects);
        }
        assert_eq!(effects.len() as u64, STEPS, "one response to each heartbeat");
        outbox.release(Term(1), PersistId(STEPS), &mut effects);
        assert_eq!(effects.len() as u64, STEPS + 1, "the last of the held responses is enough");
        let per_step = outbox.visited as u64 / STEPS;
        assert!(per_step <= 5, "{per_step} visits in each of {STEPS} steps");
    }

    /// A term that never becomes durable holds the responses to all heartbeats of its leader.
    #[test]
    fn stalled_disk_does_not_make_the_outbox_grow_without_bound() {
        let (mut outbox, mut persists) = (Outbox::default(), Persists::default());
        let mut effects = Vec::new();
        for step in 1..=3 * HELD_MAX as u64 {
            outbox.hold(message(2, 1, matched(step, 0)), DependsOn::HardState);
            if step == 1 {
                emit(&mut outbox, &mut persists, CarriesHardState::Yes);
            } else {
                outbox.assign(None, &persists);
            }
            outbox.release(Term(1), persists.durable(), &mut effects);
        }
        assert_eq!((effects.len(), outbox.held_count()), (0, HELD_MAX));
        let vote = Body::RequestVoteResponse(RequestVoteResponse { granted: true });
        outbox.hold(message(3, 1, vote), DependsOn::HardState);
        outbox.assign(None, &persists);
        outbox.release(Term(1), PersistId(1), &mut effects);
        assert_eq!(effects.len(), 2, "one response for all heartbeats, and the vote");
    }

    /// The order of the released messages is that of a single queue that is searched from its
    /// beginning.
    #[test]
    fn released_messages_keep_the_order_in_which_they_were_held() {
        for seed in 0..200 {
            let mut prng = Prng::new(seed);
            let (mut outbox, mut queue) = (Outbox::default(), Queue::default());
            let mut persists = Persists::default();
            let (mut term, mut last) = (1, 0);
            for step in 0..100 {
                for _ in 0..prng.below(3) {
                    let body = any_body(&mut prng);
                    let depends_on = match prng.below(2) {
                        0 => DependsOn::HardState,
                        _ => DependsOn::HardStateAndLog,
                    };
                    let message = message(2 + prng.below(2), term, body);
                    outbox.hold(message.clone(), depends_on);
                    queue.unassigned.push_back((message, depends_on));
                }
                term += u64::from(prng.below(20) == 0);
                if prng.below(2) == 0 {
                    last += 1;
                    let hard_state = match prng.below(4) {
                        0 => CarriesHardState::Yes,
                        _ => CarriesHardState::No,
                    };
                    emit(&mut outbox, &mut persists, hard_state);
                    queue.assign(Some((PersistId(last), hard_state)));
                } else {
                    outbox.assign(None, &persists);
                    queue.assign(None);
                }
                if prng.below(3) == 0 {
                    let more = prng.below(last - persists.durable().get() + 1);
                    persists.on_durable(PersistId(persists.durable().get() + more), Timestamp(0));
                }
                let (mut sent, mut expected) = (Vec::new(), Vec::new());
                outbox.release(Term(term), persists.durable(), &mut sent);
                queue.release(Term(term), persists.durable(), &mut expected);
                assert_eq!(sent, expected, "seed {seed}, step {step}");
            }
        }
    }

    fn any_body(prng: &mut Prng) -> Body {
        match prng.below(4) {
            0 => Body::RequestVoteResponse(RequestVoteResponse { granted: true }),
            1 => Body::RequestVote(RequestVote {
                last_log: LogId::ORIGIN,
                leadership_transfer: false,
            }),
            _ => matched(prng.below(4), prng.below(4)),
        }
    }

    /// The outbox as a plain queue.
    #[derive(Default)]
    struct Queue {
        unassigned: VecDeque<(Message, DependsOn)>,
        held: VecDeque<(Message, PersistId)>,
        last_hard_state_persist: PersistId,
    }

    impl Queue {
        fn assign(&mut self, persist: Option<(PersistId, CarriesHardState)>) {
            if let Some((id, CarriesHardState::Yes)) = persist {
                self.last_hard_state_persist = id;
            }
            for (message, depends_on) in self.unassigned.drain(..) {
                let log_in = match (depends_on, persist) {
                    (DependsOn::HardStateAndLog, Some((id, _))) => id,
                    (DependsOn::HardStateAndLog, None) | (DependsOn::HardState, _) => PersistId(0),
                };
                self.held.push_back((message, self.last_hard_state_persist.max(log_in)));
            }
        }

        fn release(&mut self, current: Term, durable: PersistId, effects: &mut Vec<Effect>) {
            for (message, persist_id) in core::mem::take(&mut self.held) {
                if message.term() != current {
                    continue;
                }
                if persist_id > durable {
                    self.held.push_back((message, persist_id));
                    continue;
                }
                match effects.last_mut() {
                    Some(Effect::Send(earlier)) if supersedes(&message, earlier) => {
                        *earlier = message;
                    }
                    Some(_) | None => effects.push(Effect::Send(message)),
                }
            }
        }
    }
}
