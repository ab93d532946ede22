//! The injection of known bugs.

use raft_core::{
    AppendOutcome, Body, HardState, Input, LogIndex, Membership, Message, NodeId, ReadConsistency,
    ReadIndex, ReadIndexResponse, RoleKind, Rpc, Status,
};

use super::known_bug::KnownBug;
use super::run::Run;
use crate::cluster::{Cluster, RequestHandle};
use crate::network::slot_of;
use crate::trace::record::RecordKind;

impl Run {
    /// Injects the known bug after a random action.
    pub(super) fn inject_bug(&mut self) {
        match self.known_bug {
            None
            | Some(
                KnownBug::VoteLostAtRestart
                | KnownBug::WipedNodesKeepTheirIncarnation
                | KnownBug::RespondsToUnconfirmedReads
                | KnownBug::TakesContactForAnUpToDateState
                | KnownBug::ClocksDriftBeyondTheBound,
            ) => {}
            Some(KnownBug::PersistReportedBeforeWrite) => self.report_before_writing(),
            Some(KnownBug::RefusedVotesArriveGranted) => self.alter_newest(|body| {
                if let Body::RequestVoteResponse(response) = body {
                    response.granted = true;
                }
            }),
            Some(KnownBug::AcknowledgesOneEntryTooMany) => self.alter_newest(|body| {
                if let Body::AppendEntriesResponse(response) = body
                    && let AppendOutcome::Matched { match_index } = &mut response.outcome
                    && *match_index > LogIndex::ZERO
                {
                    *match_index = match_index.next();
                }
            }),
            Some(KnownBug::SnapshotsLackACommand) => self.shorten_snapshots(),
            Some(KnownBug::ReportsMemoryAsDurable) => self.report_memory_as_durable(),
            Some(KnownBug::CommitsOlderTermsByCounting) => self.announce_replicated_index(None),
            Some(KnownBug::CountsByAnEarlierMembership) => {
                let first = self.cluster.membership.clone();
                self.announce_replicated_index(Some(&first));
            }
            Some(KnownBug::AcceptsAcknowledgementsOfOlderRounds) => {
                self.raise_acknowledged_rounds()
            }
            Some(KnownBug::ReturnsUnconfirmedReadIndexes) => self.return_unconfirmed_read_index(),
        }
    }

    /// Changes the newest message on the wire, once.
    fn alter_newest(&mut self, change: impl FnOnce(&mut Body)) {
        let wire = &mut self.cluster.network.wire;
        if let Some(newest) = wire.back_mut()
            && newest.id > self.altered_up_to
        {
            self.altered_up_to = newest.id;
            alter(&mut newest.message, change);
        }
    }

    /// Removes the last command from every snapshot on the wire.
    fn shorten_snapshots(&mut self) {
        for in_flight in &mut self.cluster.network.wire {
            if let Some(transfer) = &mut in_flight.transfer
                && let Some(commands) = &mut transfer.snapshot.commands
                && let [shorter @ .., _] = &**commands
            {
                *commands = shorter.into();
            }
        }
    }

    /// Reports what a random node has applied as durably applied.
    fn report_memory_as_durable(&mut self) {
        let at = slot_of(NodeId(self.random_node()));
        let slot = &self.cluster.nodes[at];
        let applied = slot.status.applied_index;
        if slot.is_up() && applied > slot.status.durably_applied_index {
            let action = "memory counts as durable".to_owned();
            let kind = RecordKind::TestAction { action };
            self.cluster.step(at, Input::DurablyApplied(applied), kind, None);
        }
    }

    /// Raises the commit index of the appends on the wire to the highest index that a quorum has, of
    /// this membership or of the leader's.
    fn announce_replicated_index(&mut self, counted_by: Option<&Membership>) {
        let nodes = &self.cluster.nodes;
        for in_flight in &mut self.cluster.network.wire {
            let message = &mut in_flight.message;
            let status = &nodes[slot_of(message.from)].status;
            if status.role == RoleKind::Leader && status.term == message.term() {
                alter(message, |body| {
                    if let Body::AppendEntries(append) = body {
                        append.commit = append.commit.max(replicated_index(status, counted_by));
                    }
                });
            }
        }
    }

    /// Raises the round of the acknowledgements on the wire to the latest round of their receiver.
    fn raise_acknowledged_rounds(&mut self) {
        let Cluster { checker, network, .. } = &mut self.cluster;
        for in_flight in &mut network.wire {
            let message = &mut in_flight.message;
            let latest = checker.latest_round(message.to, message.term());
            alter(message, |body| {
                if let Body::AppendEntriesResponse(response) = body {
                    response.round = response.round.max(latest);
                }
            });
        }
    }

    /// Replaces the newest request for a read index by the response of its receiver, with its
    /// current commit index.
    fn return_unconfirmed_read_index(&mut self) {
        let Cluster { nodes, network, .. } = &mut self.cluster;
        let Some(newest) = network.wire.back_mut() else { return };
        let message = &mut newest.message;
        let leader = &nodes[slot_of(message.to)].status;
        if let Body::ReadIndex(ReadIndex { id }) = *message.body()
            && leader.role == RoleKind::Leader
            && leader.term == message.term()
        {
            let read_index = Some(leader.commit_index);
            alter(message, |body| {
                *body = Body::ReadIndexResponse(ReadIndexResponse { id, read_index });
            });
            std::mem::swap(&mut message.from, &mut message.to);
        }
    }

    /// Completes a read without a confirmation: at a leader, or one of the local state at a
    /// follower.
    pub(super) fn respond_to_unconfirmed_read(
        &mut self,
        read: RequestHandle,
        consistency: ReadConsistency,
    ) {
        let is_local = matches!(consistency, ReadConsistency::Local { .. });
        if self.known_bug == Some(KnownBug::RespondsToUnconfirmedReads) {
            self.cluster.respond_to_unconfirmed_read(read);
        } else if self.known_bug == Some(KnownBug::TakesContactForAnUpToDateState) && is_local {
            self.cluster.respond_to_unconfirmed_local_read(read);
        }
    }

    fn report_before_writing(&mut self) {
        for at in 0..self.cluster.nodes.len() {
            let slot = &self.cluster.nodes[at];
            let waiting = slot.persists.back().map(|(change, _)| change.id);
            if let Some(persist) = waiting
                && slot.is_up()
                && persist > slot.last_reported
            {
                self.cluster.nodes[at].last_reported = persist;
                let kind = RecordKind::PersistDone { persist };
                self.cluster.step(at, Input::Persisted(persist), kind, None);
            }
        }
    }

    /// Injects the known bug before a restart.
    pub(super) fn inject_bug_before_restart(&mut self, node: u64) {
        if self.known_bug != Some(KnownBug::VoteLostAtRestart) {
            return;
        }
        let slot = &mut self.cluster.nodes[slot_of(NodeId(node))];
        if let Some(store) = slot.store.as_mut() {
            let hard_state = HardState { voted_for: None, ..store.hard_state() };
            store.force_hard_state(hard_state);
        }
    }
}

/// Changes the body of a message, which stays consistent.
fn alter(message: &mut Message, change: impl FnOnce(&mut Body)) {
    let (term, mut body) = message.rpc.clone().into_parts();
    change(&mut body);
    message.rpc = Rpc::new(term, body).expect("an altered message is consistent");
}

/// The highest index that a quorum has acknowledged to the leader, of this membership or of its own.
fn replicated_index(status: &Status, counted_by: Option<&Membership>) -> LogIndex {
    counted_by.unwrap_or(&status.membership).quorum_index(|voter| {
        match status.progress.get(&voter) {
            Some(progress) => progress.match_index,
            None if voter == status.node => status.persisted_index,
            None => LogIndex::ZERO,
        }
    })
}
