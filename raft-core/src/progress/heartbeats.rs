//! Heartbeats on their way to one follower: what their rejection would mean.

use alloc::collections::VecDeque;

use crate::types::{LogIndex, Round};

/// How many are remembered; the rejection of an older one is taken for an append's, which costs a
/// probe and nothing else.
const RETAINED_MAX: usize = 32;

/// Unanswered heartbeats, ascending by round.
#[derive(Clone, Debug)]
pub(crate) struct Heartbeats {
    sent: VecDeque<Heartbeat>,
}

#[derive(Clone, Copy, Debug)]
struct Heartbeat {
    round: Round,
    /// Its prev: the leader's last entry at the time.
    prev: LogIndex,
    /// The last entry that had been sent to the follower at the time.
    last_sent: LogIndex,
}

impl Heartbeats {
    pub(crate) const fn new() -> Self {
        Self { sent: VecDeque::new() }
    }

    pub(crate) fn record(&mut self, round: Round, prev: LogIndex, last_sent: LogIndex) {
        if self.sent.len() == RETAINED_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back(Heartbeat { round, prev, last_sent });
    }

    /// The last entry that had been sent when the heartbeat of this round and prev left.
    pub(crate) fn find(&self, round: Round, prev: LogIndex) -> Option<LogIndex> {
        let found = self.sent.iter().find(|sent| sent.round == round && sent.prev == prev);
        found.map(|sent| sent.last_sent)
    }

    /// A later round was answered: these will not be, or it no longer matters.
    pub(crate) fn remove_before(&mut self, round: Round) {
        while self.sent.front().is_some_and(|sent| sent.round < round) {
            self.sent.pop_front();
        }
    }
}
