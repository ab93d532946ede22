//! The persists of a node: their numbers, and how long the disk has made no progress.

use core::time::Duration;

use crate::types::{PersistId, Timestamp};

/// Counts the persists of a node and watches their completion.
#[derive(Clone, Debug, Default)]
pub(crate) struct Persists {
    /// The last persist that was emitted.
    last: PersistId,
    /// The last persist with a new term or vote.
    last_hard_state: PersistId,
    /// The last persist that is durable, with all before it.
    durable: PersistId,
    /// While a persist is outstanding: when one last completed, or else when it was emitted.
    waiting_since: Option<Timestamp>,
}

/// Whether a persist carries a term or a vote that the one before it does not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CarriesHardState {
    Yes,
    No,
}

impl Persists {
    /// The number of the next persist.
    pub(crate) const fn next(&self) -> PersistId {
        PersistId(self.last.get() + 1)
    }

    /// The last persist that is known to be durable, with all before it.
    pub(crate) const fn durable(&self) -> PersistId {
        self.durable
    }

    /// The last persist with a new term or vote: once it is durable, they are.
    pub(crate) const fn last_hard_state(&self) -> PersistId {
        self.last_hard_state
    }

    /// Whether the term and vote that were last emitted are durable.
    pub(crate) const fn hard_state_is_durable(&self) -> bool {
        self.last_hard_state.get() <= self.durable.get()
    }

    /// The next persist is emitted.
    pub(crate) fn on_emitted(&mut self, hard_state: CarriesHardState, now: Timestamp) {
        self.last = self.next();
        if hard_state == CarriesHardState::Yes {
            self.last_hard_state = self.last;
        }
        self.waiting_since.get_or_insert(now);
    }

    /// Every persist up to this number is durable. A repeated report has no effect.
    pub(crate) fn on_durable(&mut self, id: PersistId, now: Timestamp) {
        assert!(id <= self.last, "only persists that were emitted are reported as durable");
        if id > self.durable {
            self.durable = id;
            self.waiting_since = (id < self.last).then_some(now);
        }
    }

    /// Whether a persist is outstanding.
    pub(crate) const fn is_outstanding(&self) -> bool {
        self.waiting_since.is_some()
    }

    /// How long the disk has made no progress; zero while no persist is outstanding.
    pub(crate) fn waiting(&self, now: Timestamp) -> Duration {
        self.waiting_since.map_or(Duration::ZERO, |since| now.since(since))
    }

    /// Whether a persist is outstanding and none has completed for `timeout`.
    pub(crate) fn is_stalled(&self, now: Timestamp, timeout: Duration) -> bool {
        self.waiting_since.is_some_and(|since| now.since(since) >= timeout)
    }
}
