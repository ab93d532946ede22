//! What a follower guarantees to a leader with a lease: no vote for another node (thesis §6.4.1).

use super::NodeState;
use crate::config::Config;
use crate::ports::HardState;
use crate::types::{Term, Timestamp};

impl NodeState {
    /// An append of a leader arrived: with leases, no other node gets the vote of this one within an
    /// election timeout. This outlasts the term: a later one alone is no reason to vote. A shorter
    /// timeout that comes into force does not shorten it.
    pub(crate) fn withhold_vote(&mut self) {
        if let Some(withholding) = self.config().vote_withholding() {
            let until = self.now().after(withholding);
            self.vote_withheld_until = self.vote_withheld_until.max(until);
        }
    }

    /// Whether a leader may hold a lease that depends on this node not to vote.
    pub(crate) fn withholds_vote(&self) -> bool {
        self.now() < self.vote_withheld_until
    }
}

/// Until when a node that starts withholds its vote: it may have responded to a leader just before
/// it stopped. A node in term 0 has responded to none.
pub(super) fn withheld_after_start(
    config: &Config,
    recovered: HardState,
    now: Timestamp,
) -> Timestamp {
    match config.vote_withholding() {
        Some(withholding) if recovered.term > Term(0) => now.after(withholding),
        Some(_) | None => Timestamp(0),
    }
}
