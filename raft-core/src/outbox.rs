//! Messages that promise something wait here until what they promise is durable.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::effect::Effect;
use crate::message::{AppendOutcome, Body, Message};
use crate::types::{PersistId, Term};

/// What must be durable before a message may leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Promise {
    /// The term and the vote.
    HardState,
    /// The term, the vote, and the log as it is at the end of this step.
    HardStateAndLog,
}

/// Held messages, in the order in which they were written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    /// Written in this step: which persist they wait for is known at its end.
    fresh: VecDeque<(Message, Promise)>,
    held: VecDeque<(Message, PersistId)>,
    /// The last persist that carried the hard state.
    hard_state_in: PersistId,
    /// Every persist up to this one is durable.
    durable: PersistId,
}

impl Outbox {
    /// Writes a message that leaves once the promise is durable.
    pub(crate) fn hold(&mut self, message: Message, promise: Promise) {
        self.fresh.push_back((message, promise));
    }

    /// The step ends with this persist (or none): fresh messages learn what they wait for.
    pub(crate) fn seal(&mut self, persist: Option<(PersistId, HardStateIn)>) {
        if let Some((id, HardStateIn::Yes)) = persist {
            self.hard_state_in = id;
        }
        while let Some((message, promise)) = self.fresh.pop_front() {
            let log_in = match (promise, persist) {
                (Promise::HardStateAndLog, Some((id, _))) => id,
                (Promise::HardStateAndLog, None) | (Promise::HardState, _) => PersistId(0),
            };
            self.held.push_back((message, self.hard_state_in.max(log_in)));
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
    pub(crate) fn release(&mut self, current: Term, effects: &mut Vec<Effect>) {
        if self.held.is_empty() {
            return;
        }
        let first_released = effects.len();
        for (message, needs) in core::mem::take(&mut self.held) {
            if message.term != current {
                continue;
            }
            if needs > self.durable {
                self.held.push_back((message, needs));
                continue;
            }
            match effects.get_mut(first_released..).and_then(<[Effect]>::last_mut) {
                Some(Effect::Send(earlier)) if supersedes(&message, earlier) => *earlier = message,
                Some(_) | None => effects.push(Effect::Send(message)),
            }
        }
    }

    /// Drops vote requests that wait: the node is no candidate any more.
    pub(crate) fn discard_vote_requests(&mut self) {
        self.fresh.retain(|(message, _)| !matches!(message.body, Body::RequestVote(_)));
        self.held.retain(|(message, _)| !matches!(message.body, Body::RequestVote(_)));
    }

    /// Whether the term and vote last emitted are durable.
    pub(crate) const fn hard_state_is_durable(&self) -> bool {
        self.hard_state_in.get() <= self.durable.get()
    }
}

/// Whether a persist carries the hard state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HardStateIn {
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
