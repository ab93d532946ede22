//! Known bugs, put around the core by the kit: each must be found, or the swarm finds nothing.

use raft_core::{AppendOutcome, Body, HardState, Input, LogIndex};

use super::Run;
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
}

impl Mutant {
    /// Every mutant.
    pub const ALL: [Self; 4] = [
        Self::ReportsBeforeWriting,
        Self::RefusalsBecomeVotes,
        Self::AcknowledgesOneTooMany,
        Self::ForgetsItsVote,
    ];
}

impl Run {
    /// Does the mutant's damage, if there is any to do now.
    pub(super) fn damage(&mut self) {
        match self.mutant {
            None | Some(Mutant::ForgetsItsVote) => {}
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
