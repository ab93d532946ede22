//! Known bugs, put around the core by the kit: each must be found, or the swarm finds nothing.

use raft_core::{AppendOutcome, Body, HardState, Input, LogIndex, Message, RoleKind, Status};

use super::Run;
use crate::cluster::{Cluster, Handle};
use crate::network::place;
use crate::trace::record::RecordKind;

/// A bug that the shell around the core has, or a peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mutant {
    /// Nodes are told that their writes are durable before they are.
    ReportsBeforeWriting,
    /// Refused votes arrive as granted ones.
    RefusalsBecomeVotes,
    /// Followers seem to hold one entry more than they do.
    AcknowledgesOneTooMany,
    /// A node that restarts has forgotten its vote.
    ForgetsItsVote,
    /// Leaders announce as committed whatever a quorum holds, entries of older terms included
    /// (Raft §5.4.2, figure 8).
    CommitsByCounting,
    /// Leaders answer reads without confirming that they still lead.
    AnswersReadsUnconfirmed,
    /// Leaders take an acknowledgement of any round for one of their latest round.
    AcceptsOlderRounds,
}

impl Mutant {
    /// Every mutant.
    pub const ALL: [Self; 7] = [
        Self::ReportsBeforeWriting,
        Self::RefusalsBecomeVotes,
        Self::AcknowledgesOneTooMany,
        Self::ForgetsItsVote,
        Self::CommitsByCounting,
        Self::AnswersReadsUnconfirmed,
        Self::AcceptsOlderRounds,
    ];
}

impl Run {
    /// Does the mutant's damage, if there is any to do now.
    pub(super) fn damage(&mut self) {
        match self.mutant {
            None | Some(Mutant::ForgetsItsVote | Mutant::AnswersReadsUnconfirmed) => {}
            Some(Mutant::ReportsBeforeWriting) => self.report_before_writing(),
            Some(Mutant::RefusalsBecomeVotes) => self.tamper(|body| {
                if let Body::RequestVoteResponse(answer) = body {
                    answer.granted = true;
                }
            }),
            Some(Mutant::AcknowledgesOneTooMany) => self.tamper(|body| {
                if let Body::AppendEntriesResponse(answer) = body
                    && let AppendOutcome::Matched { match_index } = &mut answer.outcome
                    && *match_index > LogIndex::ZERO
                {
                    *match_index = match_index.next();
                }
            }),
            Some(Mutant::CommitsByCounting) => self.announce_what_a_quorum_holds(),
            Some(Mutant::AcceptsOlderRounds) => self.renew_rounds(),
        }
    }

    /// The newest message on the wire is changed right after it was sent.
    fn tamper(&mut self, change: impl FnOnce(&mut Body)) {
        let wire = &mut self.cluster.network.wire;
        if let Some(newest) = wire.back_mut()
            && newest.id > self.tampered_to
        {
            self.tampered_to = newest.id;
            change(&mut newest.message.body);
        }
    }

    /// Appends on the wire carry the highest index that a quorum holds as the commit index.
    fn announce_what_a_quorum_holds(&mut self) {
        let nodes = &self.cluster.nodes;
        for in_flight in &mut self.cluster.network.wire {
            let Message { from, term, body, .. } = &mut in_flight.message;
            let Body::AppendEntries(append) = body else { continue };
            let status = &nodes[place(*from)].status;
            if status.role == RoleKind::Leader && status.term == *term {
                append.commit = append.commit.max(held_by_quorum(status));
            }
        }
    }

    /// Acknowledgements on the wire carry the latest round of their receiver.
    fn renew_rounds(&mut self) {
        let Cluster { checker, network, .. } = &mut self.cluster;
        for in_flight in &mut network.wire {
            let Message { to, term, body, .. } = &mut in_flight.message;
            if let Body::AppendEntriesResponse(response) = body {
                response.round = response.round.max(checker.latest_round(*to, *term));
            }
        }
    }

    /// The node may have been asked to read: it answers with what it has applied.
    pub(super) fn answer_read_unconfirmed(&mut self, read: Handle) {
        if self.mutant == Some(Mutant::AnswersReadsUnconfirmed) {
            self.cluster.answer_read_unconfirmed(read);
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

    /// A node is about to restart.
    pub(super) fn damage_before_restart(&mut self, node: u64) {
        if self.mutant != Some(Mutant::ForgetsItsVote) {
            return;
        }
        let slot = &mut self.cluster.nodes[place(raft_core::NodeId(node))];
        if let Some(store) = slot.store.as_mut() {
            let hard_state = HardState { voted_for: None, ..store.hard_state() };
            store.stage_hard_state(hard_state);
        }
    }
}

/// The highest index that a quorum holds durably, as far as the leader knows.
fn held_by_quorum(status: &Status) -> LogIndex {
    status.membership.quorum_index(|voter| match status.progress.get(&voter) {
        Some(progress) => progress.match_index,
        None => status.persisted_index,
    })
}
