//! The progress of one follower.

use super::catch_up::CatchUp;
use super::departure::Departure;
use super::heartbeats::Heartbeats;
use super::inflights::Inflights;
use super::snapshot::SnapshotReplication;
use crate::config::Limits;
use crate::types::{LogIndex, Round, Timestamp};

/// How far one follower is replicated, and how (Raft figure 2, `nextIndex` and `matchIndex`).
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    /// The first round of this replication session. A response to an earlier round acknowledges
    /// what the follower held before it was removed and added again, or before it lost its data: it
    /// counts for nothing (raft-rs #571, etcd-io/raft #349, openraft #584).
    pub(crate) first_round: Round,
    /// The highest index known to agree and be durable there. Never falls within a session.
    pub(crate) match_index: LogIndex,
    /// The round in progress when `match_index` last rose.
    pub(crate) matched_in: Round,
    /// The follower has lost entries that it had acknowledged. Reported once a session.
    pub(crate) acknowledgement_fell: bool,
    /// The next entry to send; always above `match_index`.
    pub(crate) next_index: LogIndex,
    pub(crate) mode: ReplicationMode,
    /// When a response of this term was last received; when the leadership began, if none was.
    pub(crate) last_contact: Timestamp,
    /// It has not responded for an election timeout, and that was reported.
    pub(crate) is_silent: bool,
    /// The highest round that the follower has responded to.
    pub(crate) round_acknowledged: Round,
    /// Heartbeats without a response so far.
    pub(crate) heartbeats: Heartbeats,
    /// The store did not return the next entries; they are requested again after the next
    /// heartbeat.
    pub(crate) fetch_failed: bool,
    /// Set once it has installed a snapshot, until it holds what the leader's log held then: the
    /// entries that were appended meanwhile.
    pub(crate) behind_snapshot_until: Option<LogIndex>,
    /// Whether it keeps up.
    pub(crate) catch_up: CatchUp,
    /// Set once it is no longer a member.
    pub(crate) departure: Option<Departure>,
}

/// How entries are sent to a follower.
#[derive(Clone, Debug)]
pub(crate) enum ReplicationMode {
    /// It is not known where the logs agree: one append at a time.
    Probe {
        /// The round of the probe that is outstanding, if one is.
        outstanding: Option<Round>,
    },
    /// The logs agree up to `next_index - 1` as far as is known: appends are pipelined.
    Replicate { inflights: Inflights },
    /// It needs entries that the leader has compacted: it gets a snapshot first.
    Snapshot(SnapshotReplication),
}

impl Progress {
    /// A follower of which nothing is known, to be probed from `next_index` on, which is at most the
    /// leader's next entry. Responses to rounds before `first_round` do not count.
    pub(crate) const fn new(next_index: LogIndex, first_round: Round, now: Timestamp) -> Self {
        Self {
            first_round,
            match_index: LogIndex::ZERO,
            matched_in: first_round,
            acknowledgement_fell: false,
            next_index,
            mode: ReplicationMode::Probe { outstanding: None },
            last_contact: now,
            is_silent: false,
            round_acknowledged: Round(0),
            heartbeats: Heartbeats::new(),
            fetch_failed: false,
            behind_snapshot_until: None,
            catch_up: CatchUp::new(next_index.previous(), now),
            departure: None,
        }
    }

    /// The follower's log agrees, durably, up to here. The leader's log has the entries after `base`
    /// up to `last`; `round` is the round in progress.
    pub(crate) fn on_matched(
        &mut self,
        match_index: LogIndex,
        base: LogIndex,
        last: LogIndex,
        round: Round,
    ) {
        if match_index > self.match_index {
            self.match_index = match_index;
            self.matched_in = round;
        }
        self.next_index = self.next_index.max(self.match_index.next());
        match &mut self.mode {
            ReplicationMode::Probe { .. } => {
                self.mode = ReplicationMode::Replicate { inflights: Inflights::default() };
            }
            ReplicationMode::Replicate { inflights } => inflights.free_to(self.match_index),
            ReplicationMode::Snapshot(snapshot) => {
                if self.match_index >= base {
                    self.mode = ReplicationMode::Replicate { inflights: Inflights::default() };
                    self.behind_snapshot_until = Some(last);
                } else {
                    snapshot.restart_if_covered(self.match_index);
                }
            }
        }
        if self.behind_snapshot_until.is_some_and(|last| self.match_index >= last) {
            self.behind_snapshot_until = None;
        }
    }

    /// The follower needs entries that the leader has compacted.
    pub(crate) fn begin_snapshot(&mut self) {
        self.next_index = self.match_index.next();
        self.mode = ReplicationMode::Snapshot(SnapshotReplication::new());
    }

    /// Whether another append with entries may be sent.
    pub(crate) fn window_has_room(&self, limits: &Limits) -> bool {
        match &self.mode {
            ReplicationMode::Probe { outstanding } => outstanding.is_none(),
            ReplicationMode::Replicate { inflights } => {
                inflights.has_room(limits.inflight_appends_max, limits.inflight_bytes_max)
            }
            ReplicationMode::Snapshot(_) => false,
        }
    }

    /// An append was lost, or the logs disagree: the follower is probed from `next_index` on.
    pub(crate) fn probe_from(&mut self, next_index: LogIndex) {
        self.next_index = next_index.max(self.match_index.next());
        self.mode = ReplicationMode::Probe { outstanding: None };
    }
}
