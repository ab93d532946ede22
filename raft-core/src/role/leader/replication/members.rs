//! Followers that come and go: replication sessions, and removed members.

use alloc::vec::Vec;

use super::Replication;
use crate::event::Event;
use crate::progress::{Departure, Progress};
use crate::state::NodeState;
use crate::types::{LogIndex, NodeId, Timestamp};

/// How many election timeouts a leader sends to a removed member that does not respond.
const DEPARTURE_TIMEOUTS: u32 = 10;

impl Replication {
    /// Another configuration is in force. New members, and the members in `superseded`, whose
    /// incarnation changed, begin a replication session with a new round: responses to earlier ones
    /// count for nothing. Removed members are sent to until they know it.
    pub(in crate::role::leader) fn on_membership(
        &mut self,
        state: &NodeState,
        superseded: &[NodeId],
    ) {
        let version = state.membership_version();
        let is_member = |peer| state.membership().contains(peer);
        for (&peer, progress) in &mut self.progress {
            if progress.departure.is_none() && !is_member(peer) {
                progress.departure = Some(Departure::new(version));
            }
        }
        let keeps_session = |progress: &Progress| progress.departure.is_none();
        let begins: Vec<NodeId> = state
            .peers()
            .filter(|peer| {
                superseded.contains(peer) || !self.progress.get(peer).is_some_and(keeps_session)
            })
            .collect();
        self.begin_sessions(state, &begins);
    }

    /// The follower runs with a new incarnation: what the earlier one acknowledged does not count.
    pub(in crate::role::leader) fn on_new_incarnation(&mut self, state: &NodeState, peer: NodeId) {
        if self.progress.contains_key(&peer) {
            self.begin_sessions(state, &[peer]);
        }
    }

    fn begin_sessions(&mut self, state: &NodeState, peers: &[NodeId]) {
        if peers.is_empty() {
            return;
        }
        self.round = self.round.next();
        for &peer in peers {
            let next_index = state.log().last().index;
            let next_index = next_index.max(LogIndex::ZERO.next());
            self.progress.insert(peer, Progress::new(next_index, self.round, state.now()));
        }
    }

    /// The commit index has advanced. Begins a round if that commits the removal of a follower, so
    /// that the follower learns of it.
    pub(in crate::role::leader) fn announce_removals(&mut self, state: &mut NodeState) {
        let (commit, now) = (state.commit_index(), state.now());
        let limit = state.config().election_timeout_min.saturating_mul(DEPARTURE_TIMEOUTS);
        let next_round = self.round.next();
        let mut announces = false;
        for progress in self.progress.values_mut() {
            if let Some(departure) = &mut progress.departure {
                announces |= departure.on_committed(commit, next_round, now, limit);
            }
        }
        if announces {
            self.begin_round(state);
        }
    }

    /// Reports the followers that have not responded for an election timeout, each once.
    pub(in crate::role::leader) fn report_silent(&mut self, state: &mut NodeState) {
        let timeout = state.config().election_timeout_min;
        for (&follower, progress) in &mut self.progress {
            let is_silent = state.now().since(progress.last_contact) > timeout;
            if is_silent && !progress.is_silent {
                progress.is_silent = true;
                let match_index = progress.match_index;
                state.event(Event::FollowerSilent { follower, match_index });
            }
        }
    }

    /// Stops sending to removed members that did not respond in time.
    pub(in crate::role::leader) fn remove_expired(&mut self, now: Timestamp) {
        self.progress.retain(|_, progress| {
            progress.departure.as_ref().is_none_or(|departure| !departure.is_expired(now))
        });
    }
}
