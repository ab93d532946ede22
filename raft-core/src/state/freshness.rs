//! How recent the applied state is known to be.

use core::time::Duration;

use crate::types::{LogIndex, Timestamp};

/// How recent the state of the state machine is known to be.
///
/// A confirmed read index covers every write that was acknowledged before its confirmation was
/// requested (thesis §6.4). So a state that has applied that index is at most as old as the request.
/// This holds whatever the delays of messages and the clocks of other nodes are, and after every
/// change of leader. The arrival of an append shows no such thing: it may have been delayed, and its
/// sender may be superseded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Freshness {
    /// The state contains every write that was acknowledged before this time. `None` until a
    /// confirmed index is applied.
    current_at: Option<Timestamp>,
    /// The first confirmation that is not applied yet, and the last one. With the last one alone, a
    /// state machine that is always a little behind would never reach it.
    next: Option<Confirmed>,
    last: Option<Confirmed>,
}

/// An index that covers every write that was acknowledged before a time.
#[derive(Clone, Copy, Debug)]
struct Confirmed {
    index: LogIndex,
    requested_at: Timestamp,
}

impl Freshness {
    /// For how long writes that this state lacks may have been acknowledged.
    pub(crate) fn staleness(&self, now: Timestamp) -> Option<Duration> {
        self.current_at.map(|at| now.since(at))
    }

    /// `index` covers every write that was acknowledged before `requested_at`.
    pub(crate) fn on_confirmed(
        &mut self,
        index: LogIndex,
        requested_at: Timestamp,
        applied: LogIndex,
    ) {
        let confirmed = Confirmed { index, requested_at };
        if self.next.is_none() {
            self.next = Some(confirmed);
        } else {
            self.last = Some(confirmed);
        }
        self.on_applied(applied);
    }

    /// The state machine has applied every entry up to `applied`.
    pub(crate) fn on_applied(&mut self, applied: LogIndex) {
        while let Some(confirmed) = self.next
            && confirmed.index <= applied
        {
            self.current_at = self.current_at.max(Some(confirmed.requested_at));
            self.next = self.last.take();
        }
    }
}
