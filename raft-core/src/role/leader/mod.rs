//! Leading: one log, copied to everyone.

mod commit;
mod read_index;
mod replication;

use alloc::collections::BTreeMap;

use super::{QuorumOfVotes, Transition};
use crate::core::Core;
use crate::effect::Refusal;
use crate::entry::Entry;
use crate::event::RoleCause;
use crate::input::Proposal;
use crate::progress::Progress;
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
    pub(crate) fn begin(core: &mut Core, proof: &QuorumOfVotes) -> Self {
        assert!(proof.term() == core.term(), "votes elect in their own term only");
        let next_index = core.log.last().index.next();
        let now = core.now;
        let mut leader = Self {
            progress: core
                .peers()
                .into_iter()
                .map(|peer| (peer, Progress::new(next_index, now)))
                .collect(),
            heartbeat_deadline: now.after(core.config.heartbeat_interval),
            quorum_check_deadline: now.after(core.config.election_timeout_min),
            round: Round(1),
            reads: ReadQueue::default(),
        };
        core.append(Entry::empty(LogId::new(core.term(), next_index)));
        leader.replicate_to_all(core);
        leader
    }

    pub(crate) fn deadline(&self) -> Timestamp {
        self.heartbeat_deadline.min(self.quorum_check_deadline)
    }

    pub(crate) const fn progress(&self) -> &BTreeMap<NodeId, Progress> {
        &self.progress
    }

    pub(crate) fn on_tick(&mut self, core: &mut Core) -> Option<Transition> {
        if core.now >= self.quorum_check_deadline {
            self.quorum_check_deadline = core.now.after(core.config.election_timeout_min);
            if core.config.check_quorum && !self.hears_from_quorum(core) {
                let cause = RoleCause::QuorumLost;
                return Some(Transition::Follower { leader: None, cause });
            }
        }
        if core.storage_is_stalled() {
            let cause = RoleCause::StorageStalled;
            return Some(Transition::Follower { leader: None, cause });
        }
        if core.now >= self.heartbeat_deadline {
            self.heartbeat_deadline = core.now.after(core.config.heartbeat_interval);
            core.retry_failed_fetch();
            self.retry_failed_fetches(core);
            self.begin_round(core);
        }
        None
    }

    /// Appends a batch of commands and sends it on its way (Raft §5.3).
    pub(crate) fn on_propose(&mut self, core: &mut Core, proposals: alloc::vec::Vec<Proposal>) {
        let limits = core.config.limits;
        let last_before = core.log.last();
        for Proposal { id, command } in proposals {
            let bytes = command.len() as u64;
            if bytes > limits.command_bytes_max {
                let bytes_max = limits.command_bytes_max;
                core.refuse(id, Refusal::TooLarge { bytes, bytes_max });
                continue;
            }
            let entry =
                Entry::command(LogId::new(core.term(), core.log.last().index.next()), command);
            // Entries of an earlier leadership that no caller waits for are not counted: they are
            // durable, since this node's vote for itself was made durable after them.
            let unapplied_bytes = core.apply.unapplied_bytes() + entry.weight_bytes();
            if unapplied_bytes > limits.unapplied_bytes_max {
                core.refuse(id, Refusal::Busy);
                continue;
            }
            core.apply.expect_result(&entry, id);
            core.append(entry);
        }
        if core.log.last() != last_before {
            self.replicate_to_all(core);
        }
    }

    /// Whether a quorum answered within the last election timeout (thesis §6.2).
    fn hears_from_quorum(&self, core: &Core) -> bool {
        core.membership().is_quorum(|voter| {
            voter == core.id()
                || self.progress.get(&voter).is_some_and(|progress| {
                    core.now.since(progress.last_heard) <= core.config.election_timeout_min
                })
        })
    }
}
