//! The lease of a leader: reads without a round of messages (thesis §6.4.1).

use alloc::collections::VecDeque;

use super::commit;
use super::replication::Replication;
use crate::state::NodeState;
use crate::types::{Round, Timestamp};

/// How many rounds without a response of a quorum are retained. Dropping one delays the renewal of
/// the lease and nothing else.
const ROUNDS_MAX: usize = 64;

/// When the latest rounds began, from which the end of the lease follows.
///
/// A follower that has received an append votes for no other node within an election timeout. So no
/// other node is elected before an election timeout has passed since a round *began* that a quorum
/// has acknowledged. The responses themselves may be late: their arrival extends nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Lease {
    /// Ascending. Once a quorum has acknowledged a round, earlier ones are dropped.
    rounds: VecDeque<(Round, Timestamp)>,
    /// A voter was requested to campaign. Its campaign overrides what the followers guarantee, even
    /// if it begins after the leader has given up the transfer (raft-rs #234): this leadership has
    /// no lease any more.
    forfeited: bool,
}

impl Lease {
    /// A round begins with a message to every follower.
    pub(super) fn on_round_begun(&mut self, state: &NodeState, round: Round) {
        if state.config().lease.is_none() {
            return;
        }
        if self.rounds.len() == ROUNDS_MAX {
            self.rounds.pop_front();
        }
        self.rounds.push_back((round, state.now()));
    }

    /// Responses have arrived: rounds before the last acknowledged one no longer matter.
    pub(super) fn on_response(&mut self, state: &NodeState, replication: &Replication) {
        while let Some(&(next, _)) = self.rounds.get(1)
            && replication.is_acknowledged_by_quorum(state, next)
        {
            self.rounds.pop_front();
        }
    }

    /// A voter is requested to campaign.
    pub(super) const fn forfeit(&mut self) {
        self.forfeited = true;
    }

    /// When the lease ends or ended by this node's clock; `None` if there is none. The quorum is
    /// that of the configuration in force now.
    pub(super) fn end(&self, state: &NodeState, replication: &Replication) -> Option<Timestamp> {
        let duration = state.config().lease_duration()?;
        let &(round, began) = self.rounds.front()?;
        let holds = !self.forfeited
            && commit::has_committed_in_term(state)
            && replication.is_acknowledged_by_quorum(state, round);
        holds.then(|| began.after(duration))
    }
}
