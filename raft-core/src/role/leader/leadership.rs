//! The leader: how replication, commitment and reads act together.

mod insight;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::commit;
use super::lease::Lease;
use super::membership_change::MembershipChanges;
use super::preference::Preference;
use super::read_index::{Confirmation, ReadQueue, Reader};
use super::replication::Replication;
use super::transfer::LeadershipTransfer;
use crate::config::CommitNotification;
use crate::effect::Refusal;
use crate::entry::Entry;
use crate::event::RoleCause;
use crate::input::{EntriesFetched, Proposal, ReadConsistency, SnapshotSent};
use crate::membership::MembershipRequest;
use crate::message::{
    AppendEntriesResponse, Body, DeclineReason, MessageRefusal, ReadIndexResponse,
};
use crate::progress::Progress;
use crate::role::transition::Transition;
use crate::role::votes::QuorumOfVotes;
use crate::state::{CompactionCause, NodeState};
use crate::types::{LogId, LogIndex, NodeId, ReadIndexId, RequestId, Timestamp};

/// Replicates its log (Raft §5.3).
#[derive(Clone, Debug)]
pub(crate) struct Leader {
    replication: Replication,
    reads: ReadQueue,
    lease: Lease,
    membership_changes: MembershipChanges,
    /// The transfer in progress. It ends with this leadership at the latest.
    transfer: LeadershipTransfer,
    preference: Preference,
    heartbeat_deadline: Timestamp,
    quorum_check_deadline: Timestamp,
}

impl Leader {
    /// Begins to lead the term that was won: appends an empty entry and sends it to every member
    /// (Raft §8).
    pub(crate) fn begin(state: &mut NodeState, proof: &QuorumOfVotes) -> Self {
        assert!(proof.term() == state.term(), "votes elect only in their own term");
        let mut replication = Replication::begin(state);
        let next_index = state.log().last().index.next();
        state.append(Entry::empty(LogId::new(state.term(), next_index)));
        replication.send_to_all(state);
        let mut lease = Lease::default();
        lease.on_round_begun(state, replication.round());
        Self {
            replication,
            reads: ReadQueue::default(),
            lease,
            membership_changes: MembershipChanges::default(),
            transfer: LeadershipTransfer::default(),
            preference: Preference::default(),
            heartbeat_deadline: state.now().after(state.config().heartbeat_interval),
            quorum_check_deadline: state.now().after(state.config().election_timeout_min),
        }
    }

    /// When a tick is next useful.
    pub(crate) fn deadline(&self) -> Timestamp {
        let deadline = self.heartbeat_deadline.min(self.quorum_check_deadline);
        self.transfer.deadline().map_or(deadline, |transfer| transfer.min(deadline))
    }

    /// The progress of each other member.
    pub(crate) const fn progress(&self) -> &BTreeMap<NodeId, Progress> {
        self.replication.progress()
    }

    /// The target of the transfer in progress, if there is one.
    pub(crate) fn transfer_target(&self) -> Option<NodeId> {
        self.transfer.target()
    }

    pub(crate) fn on_tick(&mut self, state: &mut NodeState) -> Option<Transition> {
        if state.now() >= self.quorum_check_deadline {
            self.quorum_check_deadline = state.now().after(state.config().election_timeout_min);
            if state.config().check_quorum
                && !self.replication.has_recent_contact_with_quorum(state)
            {
                let cause = RoleCause::QuorumLost;
                return Some(Transition::Follower { leader: None, cause });
            }
        }
        if state.storage_is_stalled() {
            let cause = RoleCause::StorageStalled;
            return Some(Transition::Follower { leader: None, cause });
        }
        if state.now() >= self.heartbeat_deadline {
            self.heartbeat_deadline = state.now().after(state.config().heartbeat_interval);
            state.retry_failed_fetch();
            self.replication.remove_expired(state.now());
            self.replication.report_silent(state);
            self.replication.retry_failures(state);
            self.begin_round(state);
            self.transfer.repeat_request(state, &self.replication);
            self.forfeit_lease_of_transfer();
            self.continue_promotion(state);
            if self.transfer_target().is_none() {
                self.membership_changes.pin_incarnations(state, &mut self.replication);
                self.transfer_to_preferred(state);
            }
            self.compact(state, CompactionCause::Policy);
        }
        self.transfer.give_up_late(state);
        None
    }

    /// Other settings are in force. The followers have the time of a whole election timeout to
    /// respond, since they may have responded last before heartbeats became more frequent.
    pub(crate) fn restart_timers(&mut self, state: &NodeState) {
        let heartbeat_deadline = state.now().after(state.config().heartbeat_interval);
        self.heartbeat_deadline = self.heartbeat_deadline.min(heartbeat_deadline);
        self.quorum_check_deadline = state.now().after(state.config().election_timeout_min);
        self.lease.on_settings(state);
    }

    /// Begins a change of the membership, or refuses it.
    pub(crate) fn on_change_membership(
        &mut self,
        state: &mut NodeState,
        request: &MembershipRequest,
    ) {
        match self.transfer_target() {
            Some(to) => state.refuse(request.id, Refusal::TransferInProgress { to }),
            None => self.membership_changes.on_request(state, &mut self.replication, request),
        }
    }

    /// Transfers the leadership to a voter of a higher priority that has been caught up for a while.
    fn transfer_to_preferred(&mut self, state: &mut NodeState) {
        if let Some(preferred) = self.preference.due(state, &self.replication) {
            self.transfer.begin(state, &self.replication, None, Some(preferred));
            self.forfeit_lease_of_transfer();
        }
    }

    /// Continues a promotion that waits for its learner, unless a transfer is in progress.
    fn continue_promotion(&mut self, state: &mut NodeState) {
        if self.transfer_target().is_none() {
            self.membership_changes.continue_promotion(state, &mut self.replication);
        }
    }

    /// Appends a batch of commands and sends it to every member (Raft §5.3).
    pub(crate) fn on_propose(&mut self, state: &mut NodeState, proposals: Vec<Proposal>) {
        if let Some(to) = self.transfer_target() {
            for Proposal { id, .. } in proposals {
                state.refuse(id, Refusal::TransferInProgress { to });
            }
            return;
        }
        let limits = state.config().limits;
        let last_before = state.log().last();
        for Proposal { id, command } in proposals {
            let bytes = command.len() as u64;
            if bytes > limits.command_bytes_max {
                let bytes_max = limits.command_bytes_max;
                state.refuse(id, Refusal::TooLarge { bytes, bytes_max });
                continue;
            }
            let index = state.log().last().index.next();
            let entry = Entry::command(LogId::new(state.term(), index), command);
            // Entries of an earlier leadership that no caller waits for are not counted: they are
            // durable, since this node's vote for itself was made durable after them.
            let unapplied_bytes = state.apply().unapplied_bytes() + entry.weight_bytes();
            if unapplied_bytes > limits.unapplied_bytes_max {
                state.refuse(id, Refusal::Busy);
                continue;
            }
            state.append_proposed(entry, id);
        }
        if state.log().last() != last_before {
            self.replication.send_to_all(state);
        }
    }

    /// Transfers the leadership to another voter (thesis §3.10).
    pub(crate) fn on_transfer_leadership(
        &mut self,
        state: &mut NodeState,
        id: RequestId,
        to: Option<NodeId>,
    ) {
        self.transfer.begin(state, &self.replication, Some(id), to);
        self.forfeit_lease_of_transfer();
    }

    /// When the lease ends or ended by this node's clock; `None` if this leader has none. A transfer
    /// in progress suspends it.
    pub(crate) fn lease_end(&self, state: &NodeState) -> Option<Timestamp> {
        if self.transfer.target().is_some() {
            return None;
        }
        self.lease.end(state, &self.replication)
    }

    fn begin_round(&mut self, state: &mut NodeState) {
        self.replication.begin_round(state);
        self.lease.on_round_begun(state, self.replication.round());
        // In a cluster of one there are no responses.
        self.lease.on_response(state, &self.replication);
    }

    fn forfeit_lease_of_transfer(&mut self) {
        if self.transfer.has_requested_campaign() {
            self.lease.forfeit();
        }
    }

    /// The target of a transfer does not campaign.
    pub(crate) fn on_transfer_declined(
        &mut self,
        state: &mut NodeState,
        from: NodeId,
        reason: DeclineReason,
    ) {
        self.transfer.on_declined(state, from, reason);
    }

    /// Registers reads and confirms them with a round of heartbeats (thesis §6.4), or permits them
    /// at once if the lease holds and may be used (thesis §6.4.1).
    pub(crate) fn on_read(
        &mut self,
        state: &mut NodeState,
        requests: Vec<RequestId>,
        consistency: ReadConsistency,
    ) {
        if !commit::has_committed_in_term(state) {
            for id in requests {
                state.refuse(id, Refusal::NotReady);
            }
            return;
        }
        let holds_lease = self.lease_end(state).is_some_and(|end| state.now() < end);
        let may_use_lease = match consistency {
            ReadConsistency::Linearizable => false,
            ReadConsistency::Leased | ReadConsistency::Local { .. } => true,
        };
        if may_use_lease && holds_lease {
            state.complete_reads_at(state.commit_index(), requests);
            return;
        }
        self.reads.register(requests);
        self.confirm_reads(state);
    }

    /// A member requests the read index for reads of its own.
    pub(crate) fn on_read_index(&mut self, state: &mut NodeState, from: NodeId, id: ReadIndexId) {
        if !state.membership().contains(from) {
            return;
        }
        if commit::has_committed_in_term(state) {
            self.reads.register_peer(from, id);
            self.confirm_reads(state);
        } else {
            respond_to_read_index(state, from, id, None);
        }
    }

    /// A follower responded to an append.
    ///
    /// # Errors
    /// When the response cannot be one to an append of this term; it has no effect then.
    pub(crate) fn on_append_response(
        &mut self,
        state: &mut NodeState,
        from: NodeId,
        response: AppendEntriesResponse,
    ) -> Result<Option<Transition>, MessageRefusal> {
        self.replication.on_append_response(state, from, response)?;
        self.continue_promotion(state);
        let next = self.advance_commit(state);
        self.confirm_reads(state);
        self.lease.on_response(state, &self.replication);
        if next.is_none() {
            self.transfer.request_campaign(state, &self.replication);
        }
        self.forfeit_lease_of_transfer();
        Ok(next)
    }

    /// Advances the commit index if a quorum holds more entries durably than it covers. Returns the
    /// change of role that a committed configuration causes.
    pub(crate) fn advance_commit(&mut self, state: &mut NodeState) -> Option<Transition> {
        let index = commit::next_commit_index(state, &self.replication)?;
        state.commit_to(index);
        self.replication.announce_removals(state);
        match state.config().commit_notification {
            CommitNotification::NextMessage => {}
            CommitNotification::Immediate => self.replication.send_heartbeats(state),
        }
        let next = self.membership_changes.on_commit_advanced(state, &mut self.replication);
        // Without a removed voter the others may be a quorum.
        self.confirm_reads(state);
        next
    }

    /// Completes the reads that a quorum has confirmed, and begins the round that confirms the next
    /// ones.
    fn confirm_reads(&mut self, state: &mut NodeState) {
        loop {
            if self.reads.may_begin_round() {
                self.begin_round(state);
                self.reads.begin_round(self.replication.round(), state);
            }
            let Some(round) = self.reads.confirming_round() else { return };
            if !self.replication.is_acknowledged_by_quorum(state, round) {
                return;
            }
            if let Some(confirmation) = self.reads.finish_round() {
                complete(state, confirmation);
            }
        }
    }

    /// Leadership is lost: reads that are not confirmed are refused, so that a retry is safe, and a
    /// change of the membership ends. A transfer in progress now waits for the next leader.
    pub(crate) fn end(self, state: &mut NodeState) {
        self.membership_changes.end(state);
        let refusal = state.not_leader();
        for id in self.reads.into_requests() {
            state.refuse(id, refusal);
        }
        self.transfer.await_successor(state);
    }

    /// The store reported the result of the request of these followers.
    pub(crate) fn on_entries_fetched(
        &mut self,
        state: &mut NodeState,
        followers: &[NodeId],
        fetched: &EntriesFetched,
    ) {
        self.replication.on_entries_fetched(state, followers, fetched);
    }

    /// A snapshot can be sent, or there is none.
    pub(crate) fn on_snapshot_taken(&mut self, state: &mut NodeState, can_be_sent: bool) {
        self.replication.on_snapshot_taken(state, can_be_sent);
    }

    /// A transfer has ended.
    pub(crate) fn on_snapshot_sent(&mut self, state: &mut NodeState, sent: SnapshotSent) {
        self.replication.on_snapshot_sent(state, sent);
    }

    /// Compacts the log as far as the followers' needs permit.
    pub(crate) fn compact(&self, state: &mut NodeState, cause: CompactionCause) {
        let retentions = self.replication.retentions(state);
        state.compact(cause, retentions.into_iter());
    }

    /// Messages to this peer may be lost.
    pub(crate) fn on_peer_unreachable(&mut self, peer: NodeId) {
        self.replication.on_peer_unreachable(peer);
    }

    /// The peer has lost its data: it runs with a new incarnation.
    pub(crate) fn on_new_incarnation(&mut self, state: &NodeState, peer: NodeId) {
        self.replication.on_new_incarnation(state, peer);
    }
}

/// Completes reads that are confirmed.
fn complete(state: &mut NodeState, confirmation: Confirmation) {
    let Confirmation { read_index, readers, began_at, .. } = confirmation;
    state.on_read_index_confirmed(read_index, began_at);
    let mut requests = Vec::with_capacity(readers.len());
    for reader in readers {
        match reader {
            Reader::Local(request) => requests.push(request),
            Reader::Peer { node, id } => respond_to_read_index(state, node, id, Some(read_index)),
        }
    }
    state.complete_reads_at(read_index, requests);
}

fn respond_to_read_index(
    state: &mut NodeState,
    to: NodeId,
    id: ReadIndexId,
    read_index: Option<LogIndex>,
) {
    state.send(to, Body::ReadIndexResponse(ReadIndexResponse { id, read_index }));
}
