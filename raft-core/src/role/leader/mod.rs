//! Leading: one log, copied to everyone.

mod commit;
mod read_index;
mod replication;

use alloc::collections::BTreeMap;

use super::{QuorumOfVotes, Transition};
use crate::effect::Refusal;
use crate::entry::Entry;
use crate::event::RoleCause;
use crate::input::Proposal;
use crate::progress::Progress;
use crate::state::NodeState;
use crate::types::{LogId, NodeId, Round, Timestamp};

use self::read_index::ReadQueue;

/// Replicates its log (Raft §5.3).
#[derive(Clone, Debug)]
pub(crate) struct Leader {
    progress: BTreeMap<NodeId, Progress>,
    heartbeat_deadline: Timestamp,
    quorum_check_deadline: Timestamp,
    /// Counts heartbeats; every append carries the current one.
    round: Round,
    reads: ReadQueue,
}

impl Leader {
    /// Begins to lead the term that was won: an empty entry, sent to everyone (Raft §8).
    pub(crate) fn begin(state: &mut NodeState, proof: &QuorumOfVotes) -> Self {
        assert!(proof.term() == state.term(), "votes elect in their own term only");
        let next_index = state.log.last().index.next();
        let now = state.now;
        let mut leader = Self {
            progress: state
                .peers()
                .into_iter()
                .map(|peer| (peer, Progress::new(next_index, now)))
                .collect(),
            heartbeat_deadline: now.after(state.config.heartbeat_interval),
            quorum_check_deadline: now.after(state.config.election_timeout_min),
            round: Round(1),
            reads: ReadQueue::default(),
        };
        state.append(Entry::empty(LogId::new(state.term(), next_index)));
        leader.replicate_to_all(state);
        leader
    }

    pub(crate) fn deadline(&self) -> Timestamp {
        self.heartbeat_deadline.min(self.quorum_check_deadline)
    }

    pub(crate) const fn progress(&self) -> &BTreeMap<NodeId, Progress> {
        &self.progress
    }

    pub(crate) fn on_tick(&mut self, state: &mut NodeState) -> Option<Transition> {
        if state.now >= self.quorum_check_deadline {
            self.quorum_check_deadline = state.now.after(state.config.election_timeout_min);
            if state.config.check_quorum && !self.has_recent_contact_with_quorum(state) {
                let cause = RoleCause::QuorumLost;
                return Some(Transition::Follower { leader: None, cause });
            }
        }
        if state.storage_is_stalled() {
            let cause = RoleCause::StorageStalled;
            return Some(Transition::Follower { leader: None, cause });
        }
        if state.now >= self.heartbeat_deadline {
            self.heartbeat_deadline = state.now.after(state.config.heartbeat_interval);
            state.retry_failed_fetch();
            self.retry_failed_fetches(state);
            self.begin_round(state);
        }
        None
    }

    /// Appends a batch of commands and sends it on its way (Raft §5.3).
    pub(crate) fn on_propose(
        &mut self,
        state: &mut NodeState,
        proposals: alloc::vec::Vec<Proposal>,
    ) {
        let limits = state.config.limits;
        let last_before = state.log.last();
        for Proposal { id, command } in proposals {
            let bytes = command.len() as u64;
            if bytes > limits.command_bytes_max {
                let bytes_max = limits.command_bytes_max;
                state.refuse(id, Refusal::TooLarge { bytes, bytes_max });
                continue;
            }
            let entry =
                Entry::command(LogId::new(state.term(), state.log.last().index.next()), command);
            // Entries of an earlier leadership that no caller waits for are not counted: they are
            // durable, since this node's vote for itself was made durable after them.
            let unapplied_bytes = state.apply.unapplied_bytes() + entry.weight_bytes();
            if unapplied_bytes > limits.unapplied_bytes_max {
                state.refuse(id, Refusal::Busy);
                continue;
            }
            state.apply.register_request(&entry, id);
            state.append(entry);
        }
        if state.log.last() != last_before {
            self.replicate_to_all(state);
        }
    }

    /// Whether a quorum answered within the last election timeout (thesis §6.2).
    fn has_recent_contact_with_quorum(&self, state: &NodeState) -> bool {
        state.membership().is_quorum(|voter| {
            voter == state.id()
                || self.progress.get(&voter).is_some_and(|progress| {
                    state.now.since(progress.last_contact) <= state.config.election_timeout_min
                })
        })
    }
}
