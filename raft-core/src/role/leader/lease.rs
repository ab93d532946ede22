//! The lease of a leader: reads without a round of messages (thesis §6.4.1).

use alloc::collections::VecDeque;
use core::time::Duration;

use super::commit;
use super::replication::Replication;
use crate::state::NodeState;
use crate::types::{LogIndex, Round, Timestamp};

/// How many rounds without a response of a quorum are retained. Dropping one delays the renewal of
/// the lease and nothing else.
const ROUNDS_MAX: usize = 64;

/// When the latest rounds began, from which the end of the lease follows.
///
/// A follower that has received an append votes for no other node within an election timeout. So no
/// other node is elected before an election timeout has passed since a round *began* that a quorum
/// has acknowledged. The responses themselves may be late: their arrival extends nothing.
///
/// The election timeout may be replicated ([`ClusterSettings`](crate::ClusterSettings)). Then a
/// round counts with the shortest one of the configurations since the commit index, and a follower
/// withholds its vote for the longest. The response of a follower counts only if it durably holds
/// the configuration that was in force when the round began: one that lacks it may withhold its vote
/// for a shorter time, or not at all.
///
/// Changes of the membership keep this true, because the quorum is one of the configuration in force
/// at the leader, whatever it was when the round began:
///
/// - A candidate wins by the configuration in force at itself. That one is the leader's, or the one
///   next to it: one change is made at a time, so that the one before is committed, and a candidate
///   with a still earlier one lacks a committed entry. Quorums of neighbouring configurations,
///   joint ones included, have a node in common (thesis §4.2, §4.3). That node has acknowledged the
///   round, or a later one, and withholds its vote.
/// - A configuration of an earlier leader that this one lacks wins no election either: this leader
///   has a lease, and changes the membership, only after it has committed an entry of its own term
///   by the configuration next to that one.
/// - A member that was added after the round began counts with an acknowledgement of a later round,
///   which shows contact after the beginning of the first. Several changes within one lease differ
///   from one in nothing.
/// - A member whose vote was lost with its disk counts only once its new incarnation is admitted,
///   and a node withholds its vote for an election timeout after each start.
#[derive(Clone, Debug, Default)]
pub(super) struct Lease {
    /// Ascending. Once a quorum has acknowledged a round, earlier ones are dropped.
    rounds: VecDeque<LeaseRound>,
    /// A voter was requested to campaign. Its campaign overrides what the followers guarantee, even
    /// if it begins after the leader has given up the transfer (raft-rs #234): this leadership has
    /// no lease any more.
    forfeited: bool,
}

#[derive(Clone, Copy, Debug)]
struct LeaseRound {
    round: Round,
    began: Timestamp,
    /// How long a lease lasts from then. Never rises.
    duration: Duration,
    /// The version of the configuration that was in force.
    version: LogIndex,
}

impl Lease {
    /// A round begins with a message to every follower.
    pub(super) fn on_round_begun(&mut self, state: &NodeState, round: Round) {
        let Some(duration) = state.config().lease_duration() else { return };
        if self.rounds.len() == ROUNDS_MAX {
            self.rounds.pop_front();
        }
        let (began, version) = (state.now(), state.membership_version());
        self.rounds.push_back(LeaseRound { round, began, duration, version });
    }

    /// Other settings are in force. A follower may have had them already when it received a round
    /// that began before.
    pub(super) fn on_settings(&mut self, state: &NodeState) {
        let Some(duration) = state.config().lease_duration() else {
            self.rounds.clear();
            return;
        };
        for round in &mut self.rounds {
            round.duration = round.duration.min(duration);
        }
    }

    /// Responses have arrived: rounds before the last acknowledged one no longer matter.
    pub(super) fn on_response(&mut self, state: &NodeState, replication: &Replication) {
        while let Some(next) = self.rounds.get(1)
            && is_acknowledged(state, replication, next)
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
        let round = self.rounds.front()?;
        let duration = round.duration.min(state.config().lease_duration()?);
        let holds = !self.forfeited
            && commit::has_committed_in_term(state)
            && is_acknowledged(state, replication, round);
        holds.then(|| round.began.after(duration))
    }
}

/// Whether a quorum withholds its votes since this round began.
///
/// A member that was added later may lack the configuration of the bootstrap, which is not an entry:
/// rounds from before the first entry with a configuration do not count after it.
fn is_acknowledged(state: &NodeState, replication: &Replication, round: &LeaseRound) -> bool {
    let is_of_bootstrap = round.version == LogIndex::ZERO;
    if is_of_bootstrap && state.membership_version() > LogIndex::ZERO {
        return false;
    }
    replication.is_acknowledged_by_holders(state, round.round, round.version)
}
