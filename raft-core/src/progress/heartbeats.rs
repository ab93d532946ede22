//! The heartbeats in flight to one follower, from which the cause of a rejection is found.

use alloc::collections::VecDeque;

use crate::types::{LogIndex, Round};

/// How many heartbeats are retained. The rejection of an older one is treated as that of an append:
/// this costs a probe and nothing else.
const RETAINED_MAX: usize = 32;

/// Heartbeats without a response, ascending by round.
#[derive(Clone, Debug)]
pub(crate) struct Heartbeats {
    in_flight: VecDeque<Heartbeat>,
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
        Self { in_flight: VecDeque::new() }
    }

    /// A heartbeat is sent.
    pub(crate) fn record(&mut self, round: Round, prev: LogIndex, last_sent: LogIndex) {
        if self.in_flight.len() == RETAINED_MAX {
            self.in_flight.pop_front();
        }
        self.in_flight.push_back(Heartbeat { round, prev, last_sent });
    }

    /// The last entry that had been sent to the follower when the heartbeat of this round and prev
    /// was.
    pub(crate) fn last_sent_at(&self, round: Round, prev: LogIndex) -> Option<LogIndex> {
        let mut in_flight = self.in_flight.iter();
        let heartbeat = in_flight.find(|sent| sent.round == round && sent.prev == prev)?;
        Some(heartbeat.last_sent)
    }

    /// A response to this round was received: responses to earlier ones no longer matter.
    pub(crate) fn remove_before(&mut self, round: Round) {
        while self.in_flight.front().is_some_and(|heartbeat| heartbeat.round < round) {
            self.in_flight.pop_front();
        }
    }
}
