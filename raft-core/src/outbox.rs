//! Messages that promise something wait here until what they promise is durable.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::effect::Effect;
use crate::message::{AppendOutcome, Body, Message};
use crate::types::{PersistId, Term};

/// What must be durable before a message may leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DependsOn {
    /// The term and the vote.
    HardState,
    /// The term, the vote, and the log as it is at the end of this step.
    HardStateAndLog,
}

/// Held messages. One that waits longer does not delay another: each leaves when its own persist
/// is durable, and those that leave together keep the order in which they were written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    /// Written in this step: which persist they wait for is known at its end.
    unassigned: VecDeque<(Message, DependsOn)>,
    /// Those that wait for the term and vote, and those that wait for entries as well. In each
    /// queue neither the persist that a message waits for nor the order of writing ever falls, so
    /// that a release finds what it sends at the front.
    for_hard_state: VecDeque<Held>,
    for_log: VecDeque<Held>,
    /// How many messages were written.
    sequence: u64,
    /// The term of all held messages.
    term: Term,
    /// The last persist that carried the hard state.
    last_hard_state_persist: PersistId,
    /// Every persist up to this one is durable.
    durable: PersistId,
    /// How often a release looked for a message to send.
    #[cfg(test)]
    visited: usize,
}

/// A message and what it waits for.
#[derive(Clone, Debug)]
struct Held {
    persist_id: PersistId,
    /// How many messages were written before it.
    sequence: u64,
    message: Message,
}

impl Outbox {
    /// Writes a message that leaves once the promise is durable.
    pub(crate) fn hold(&mut self, message: Message, depends_on: DependsOn) {
        self.unassigned.push_back((message, depends_on));
    }

    /// The step ends with this persist (or none): fresh messages learn what they wait for. Beyond
    /// [`HELD_MAX`] responses to appends are dropped, as a network may: while the disk hangs, every
    /// heartbeat would add one, and the response to a later heartbeat names the same index.
    pub(crate) fn assign(&mut self, persist: Option<(PersistId, CarriesHardState)>) {
        if let Some((id, CarriesHardState::Yes)) = persist {
            self.last_hard_state_persist = id;
        }
        while let Some((message, depends_on)) = self.unassigned.pop_front() {
            let held_count = self.held_count();
            let (queue, persist_id) = match (depends_on, persist) {
                (DependsOn::HardStateAndLog, Some((id, _))) => (&mut self.for_log, id),
                (DependsOn::HardStateAndLog, None) | (DependsOn::HardState, _) => {
                    (&mut self.for_hard_state, self.last_hard_state_persist)
                }
            };
            let is_append_response = matches!(message.body, Body::AppendEntriesResponse(_));
            if is_append_response && persist_id > self.durable && held_count >= HELD_MAX {
                continue;
            }
            let ascends = queue.back().is_none_or(|last| last.persist_id <= persist_id);
            assert!(ascends, "a later message never waits for an earlier persist");
            queue.push_back(Held { persist_id, sequence: self.sequence, message });
            self.sequence += 1;
        }
    }

    /// Every persist up to this one is durable.
    pub(crate) fn on_persisted(&mut self, id: PersistId) {
        self.durable = self.durable.max(id);
    }

    /// The last persist that is known to be durable, with all before it.
    pub(crate) const fn durable(&self) -> PersistId {
        self.durable
    }

    /// Sends every message whose promise is kept. What was written in an older term is dropped:
    /// its receiver has been deposed, or will learn of the new term. Of several append answers to
    /// one leader that are released together, the last says it all.
    ///
    /// The work is proportional to what is released, and once a term to what is held.
    pub(crate) fn release(&mut self, current: Term, effects: &mut Vec<Effect>) {
        if self.term != current {
            self.term = current;
            self.retain_held(|message| message.term == current);
        }
        let first_released = effects.len();
        while let Some(message) = self.pop_next_durable() {
            match effects.get_mut(first_released..).and_then(<[Effect]>::last_mut) {
                Some(Effect::Send(earlier)) if supersedes(&message, earlier) => *earlier = message,
                Some(_) | None => effects.push(Effect::Send(message)),
            }
        }
    }

    /// Drops vote requests that wait: the node is no candidate any more.
    pub(crate) fn discard_vote_requests(&mut self) {
        self.unassigned.retain(|(message, _)| !matches!(message.body, Body::RequestVote(_)));
        self.retain_held(|message| !matches!(message.body, Body::RequestVote(_)));
    }

    /// Takes the message that was written first among those whose promise is durable.
    fn pop_next_durable(&mut self) -> Option<Message> {
        #[cfg(test)]
        {
            self.visited += 1;
        }
        let durable = self.durable;
        let front = |queue: &VecDeque<Held>| {
            queue.front().filter(|held| held.persist_id <= durable).map(|held| held.sequence)
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

    /// Whether the term and vote last emitted are durable.
    pub(crate) const fn hard_state_is_durable(&self) -> bool {
        self.last_hard_state_persist.get() <= self.durable.get()
    }
}

/// How many messages are held before responses to appends are dropped: more than a leader sends
/// appends to a follower that does not answer.
const HELD_MAX: usize = 4096;

/// Whether a persist carries the hard state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CarriesHardState {
    Yes,
    No,
}

/// Whether `later` tells its receiver everything that `earlier` does.
fn supersedes(later: &Message, earlier: &Message) -> bool {
    match (&later.body, &earlier.body) {
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
    use crate::message::{AppendEntriesResponse, RequestVote, RequestVoteResponse};
    use crate::prng::Prng;
    use crate::types::{ClusterId, GroupId, Incarnation, LogId, LogIndex, NodeId, Round};

    fn message(to: u64, term: u64, body: Body) -> Message {
        Message {
            cluster: ClusterId(1),
            group: GroupId(0),
            from: NodeId(1),
            from_incarnation: Incarnation(1),
            to: NodeId(to),
            to_incarnation: None,
            term: Term(term),
            body,
        }
    }

    fn matched(round: u64, index: u64) -> Body {
        let outcome = AppendOutcome::Matched { match_index: LogIndex(index) };
        Body::AppendEntriesResponse(AppendEntriesResponse { round: Round(round), outcome })
    }

    /// During one slow sync every step holds another response: looking at all of them in each step
    /// makes the work quadratic.
    #[test]
    fn cost_of_a_release_does_not_grow_with_the_number_of_held_messages() {
        const STEPS: u64 = HELD_MAX as u64;
        let mut outbox = Outbox::default();
        let mut effects = Vec::new();
        for step in 1..=STEPS {
            outbox.hold(message(2, 1, matched(step, step)), DependsOn::HardStateAndLog);
            outbox.assign(Some((PersistId(step), CarriesHardState::No)));
            outbox.release(Term(1), &mut effects);
            // The response to a heartbeat leaves at once.
            outbox.hold(message(2, 1, matched(step, 0)), DependsOn::HardState);
            outbox.assign(None);
            outbox.release(Term(1), &mut effects);
        }
        assert_eq!(effects.len() as u64, STEPS, "one response to each heartbeat");
        outbox.on_persisted(PersistId(STEPS));
        outbox.release(Term(1), &mut effects);
        assert_eq!(effects.len() as u64, STEPS + 1, "the last of the held responses says it all");
        let per_step = outbox.visited as u64 / STEPS;
        assert!(per_step <= 5, "{per_step} looks in each of {STEPS} steps");
    }

    /// A term that never becomes durable holds back the responses to all heartbeats of its leader.
    #[test]
    fn stalled_disk_does_not_make_the_outbox_grow_without_bound() {
        let mut outbox = Outbox::default();
        let mut effects = Vec::new();
        for step in 1..=3 * HELD_MAX as u64 {
            outbox.hold(message(2, 1, matched(step, 0)), DependsOn::HardState);
            outbox.assign((step == 1).then_some((PersistId(1), CarriesHardState::Yes)));
            outbox.release(Term(1), &mut effects);
        }
        assert_eq!((effects.len(), outbox.held_count()), (0, HELD_MAX));
        let vote = Body::RequestVoteResponse(RequestVoteResponse { granted: true });
        outbox.hold(message(3, 1, vote), DependsOn::HardState);
        outbox.assign(None);
        outbox.on_persisted(PersistId(1));
        outbox.release(Term(1), &mut effects);
        assert_eq!(effects.len(), 2, "the responses in one, and the vote");
    }

    /// The order of what leaves is that of a queue which is searched from its beginning.
    #[test]
    fn released_messages_keep_the_order_in_which_they_were_held() {
        for seed in 0..200 {
            let mut prng = Prng::new(seed);
            let (mut outbox, mut queue) = (Outbox::default(), Queue::default());
            let (mut term, mut last, mut durable) = (1, 0, 0);
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
                let persist = (prng.below(2) == 0).then(|| {
                    last += 1;
                    let carries_hard_state = match prng.below(4) {
                        0 => CarriesHardState::Yes,
                        _ => CarriesHardState::No,
                    };
                    (PersistId(last), carries_hard_state)
                });
                outbox.assign(persist);
                queue.assign(persist);
                if prng.below(3) == 0 {
                    durable += prng.below(last - durable + 1);
                    outbox.on_persisted(PersistId(durable));
                }
                let (mut sent, mut expected) = (Vec::new(), Vec::new());
                outbox.release(Term(term), &mut sent);
                queue.release(Term(term), PersistId(durable), &mut expected);
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
                if message.term != current {
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
