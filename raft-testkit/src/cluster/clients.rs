//! Requests of clients and their outcomes.

use std::time::Duration;

use bytes::Bytes;
use raft_core::ports::{LogStore, StateMachine};
use raft_core::{
    Input, NodeId, Outcome, Proposal, ReadConsistency, Refusal, RequestId, Response, RoleKind,
    Timestamp,
};

use super::requests::{Request, RequestHandle};
use super::sim_cluster::Cluster;
use crate::check::{LocalReadView, ReadArrival};
use crate::network::slot_of;
use crate::trace::record::{CommandOutcome, RecordKind, command_text};

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Submits a command to a node. A node that is down refuses it.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn propose(&mut self, node: u64, command: impl AsRef<[u8]>) -> RequestHandle {
        let command = Bytes::copy_from_slice(command.as_ref());
        let text = if self.recorder.is_enabled() { command_text(&command) } else { String::new() };
        let record = |command| RecordKind::CommandStarted { command, text };
        self.submit(node, record, |id| Input::Propose(vec![Proposal { id, command }]))
    }

    /// Submits a linearizable read to a node (thesis §6.4). A follower redirects it, or requests the
    /// read index from the leader ([`Cluster::follower_reads`]). It ends as
    /// [`CommandOutcome::ReadReady`], refused or unknown.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn read(&mut self, node: u64) -> RequestHandle {
        self.read_with(node, ReadConsistency::Linearizable)
    }

    /// Submits a leased read to a node (thesis §6.4.1). Without a lease it is like
    /// [`Cluster::read`].
    ///
    /// # Panics
    /// If there is no such node.
    pub fn read_leased(&mut self, node: u64) -> RequestHandle {
        self.read_with(node, ReadConsistency::Leased)
    }

    /// Submits a read of the node's own state to a node, which may be as old as `staleness_max`. If
    /// the node does not know that it is not older, the read is like [`Cluster::read`].
    ///
    /// # Panics
    /// If there is no such node.
    pub fn read_local(&mut self, node: u64, staleness_max: Duration) -> RequestHandle {
        self.read_with(node, ReadConsistency::Local { staleness_max })
    }

    pub(crate) fn read_with(&mut self, node: u64, consistency: ReadConsistency) -> RequestHandle {
        let text = match consistency {
            ReadConsistency::Linearizable => "read".to_owned(),
            ReadConsistency::Leased => "leased read".to_owned(),
            ReadConsistency::Local { staleness_max } => {
                format!("read of a state of {} ms", staleness_max.as_millis())
            }
        };
        let record = |command| RecordKind::CommandStarted { command, text };
        self.submit(node, record, |id| Input::Read { requests: vec![id], consistency })
    }

    /// Requests the node to transfer its leadership (thesis §3.10), to the node `to` or, with
    /// `None`, to the voter that the leader selects. It ends as [`CommandOutcome::Transferred`],
    /// [`CommandOutcome::NotTransferred`], refused or unknown.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn transfer(&mut self, node: u64, to: impl Into<Option<u64>>) -> RequestHandle {
        let to = to.into().map(NodeId);
        let text = to.map_or_else(|| "transfer".to_owned(), |to| format!("transfer to {to}"));
        let record = |command| RecordKind::CommandStarted { command, text };
        self.submit(node, record, |id| Input::TransferLeadership { id, to })
    }

    /// Completes a read that waits for its confirmation at a follower, as a node would that takes
    /// its contact with the leader for a proof of its own state.
    pub(crate) fn respond_to_unconfirmed_local_read(&mut self, read: RequestHandle) {
        let Request { node, outcome, record, .. } = self.clients.get(read);
        let (at, record) = (slot_of(*node), *record);
        let status = &self.nodes[at].status;
        if outcome.is_none() && status.role == RoleKind::Follower && status.leader.is_some() {
            let (applied_index, staleness) = (status.applied_index, Duration::ZERO);
            let outcome = Outcome::LocalReadReady { applied_index, staleness };
            self.on_response(at, Response { id: RequestId(read.0), outcome }, record);
            self.panic_if_violated();
        }
    }

    /// Completes a read that waits for its confirmation at a leader, as a faulty leader would: at
    /// the leader's commit index.
    pub(crate) fn respond_to_unconfirmed_read(&mut self, read: RequestHandle) {
        let Request { node, outcome, record, .. } = self.clients.get(read);
        let (at, record) = (slot_of(*node), *record);
        let status = &self.nodes[at].status;
        let applied = status.applied_index == status.commit_index;
        if outcome.is_none() && status.role == RoleKind::Leader && applied {
            let outcome = Outcome::ReadReady { read_index: status.commit_index };
            self.on_response(at, Response { id: RequestId(read.0), outcome }, record);
            self.panic_if_violated();
        }
    }

    pub(super) fn submit(
        &mut self,
        node: u64,
        record: impl FnOnce(u64) -> RecordKind,
        input: impl FnOnce(RequestId) -> Input,
    ) -> RequestHandle {
        let at = self.slot(node);
        let id = self.clients.requests.len() as u64 + 1;
        let started = self.record_at(at, record(id), None);
        let node = NodeId(node);
        let outcome = None;
        let floor = self.checker.client_seen();
        let request = Request { node, outcome, collected: false, record: started, floor };
        self.clients.requests.push(request);
        if self.nodes[at].is_up() {
            let input = input(RequestId(id));
            if let Input::Read { consistency, .. } = input {
                // A follower's read is confirmed by the leader that it follows now.
                let leader = self.nodes[at].status.leader.unwrap_or(node);
                let now = self.now;
                let arrival = ReadArrival { leader, consistency, now };
                self.checker.on_read_arrived(at, RequestId(id), arrival, started);
            }
            self.step_as(at, input, started);
            self.settle(at);
        } else {
            let outcome = CommandOutcome::Retry("the node is down".to_owned());
            self.record_outcome(at, id, outcome, started);
        }
        RequestHandle(id)
    }

    /// Takes the outcome of a request and records it. A request without an outcome is recorded as
    /// [`CommandOutcome::TimedOut`].
    pub fn collect(&mut self, handle: RequestHandle) -> CommandOutcome {
        let request = self.clients.get(handle);
        let outcome = request.outcome.clone().unwrap_or(CommandOutcome::TimedOut);
        if !request.collected {
            let (at, cause) = (slot_of(request.node), request.record);
            let kind = RecordKind::CommandDone { command: handle.0, outcome: outcome.clone() };
            self.record_at(at, kind, Some(cause));
            if let Some(request) = self.clients.get_mut(handle.0) {
                request.collected = true;
            }
        }
        outcome
    }

    /// The outcome of a request so far. Records nothing.
    #[must_use]
    pub fn outcome(&self, handle: RequestHandle) -> Option<&CommandOutcome> {
        self.clients.get(handle).outcome.as_ref()
    }

    /// The outcomes of all requests that have one.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = &CommandOutcome> {
        self.clients.requests.iter().filter_map(|request| request.outcome.as_ref())
    }

    pub(super) fn on_response(&mut self, at: usize, response: Response, record: u64) {
        let outcome = match response.outcome {
            Outcome::Unknown { .. } => CommandOutcome::Unknown,
            Outcome::MembershipChanged { version } => CommandOutcome::MembershipChanged(version),
            Outcome::ReadReady { read_index } => {
                if let Some(request) = self.clients.get_mut(response.id.get()) {
                    let floor = request.floor;
                    self.checker.on_read_ready(at, floor, read_index, record);
                }
                self.checker.on_read_response(response.id, record);
                CommandOutcome::ReadReady(read_index)
            }
            Outcome::LocalReadReady { applied_index: applied, staleness } => {
                let clock = &self.nodes[at].clock;
                let age = u64::try_from(staleness.as_nanos()).unwrap_or(u64::MAX);
                let as_of = clock.when(Timestamp(clock.at(self.now).0.saturating_sub(age)));
                let view = LocalReadView { request: response.id, applied, staleness, as_of };
                self.checker.on_local_read(at, view, record);
                CommandOutcome::LocalReadReady { applied, staleness }
            }
            Outcome::Transferred { leader } => CommandOutcome::Transferred(leader),
            Outcome::TransferFailed(failure) => CommandOutcome::NotTransferred(failure.to_string()),
            Outcome::Refused(refusal) => match refusal {
                Refusal::NotLeader { leader } => CommandOutcome::Redirect(leader),
                Refusal::NoLeader
                | Refusal::NotReady
                | Refusal::NoReadIndex
                | Refusal::TooStale { .. }
                | Refusal::Busy
                | Refusal::TransferInProgress { .. }
                | Refusal::NoTarget => CommandOutcome::Retry(refusal.to_string()),
                Refusal::TooLarge { .. }
                | Refusal::Membership(_)
                | Refusal::InvalidTarget { .. }
                | Refusal::Stopped => CommandOutcome::Refused(refusal.to_string()),
            },
        };
        self.checker.on_read_ended(response.id);
        self.record_outcome(at, response.id.get(), outcome, record);
    }

    pub(super) fn on_applied(&mut self, at: usize, id: RequestId, text: String, record: u64) {
        self.record_outcome(at, id.get(), CommandOutcome::Applied(text), record);
    }

    pub(super) fn on_apply_failed(&mut self, at: usize, id: RequestId, why: String, record: u64) {
        self.record_outcome(at, id.get(), CommandOutcome::ApplyFailed(why), record);
    }

    fn record_outcome(&mut self, at: usize, id: u64, outcome: CommandOutcome, cause: u64) {
        let kind = RecordKind::CommandResponded { command: id, outcome: outcome.clone() };
        let record = self.record_at(at, kind, Some(cause));
        if let Some(request) = self.clients.get_mut(id)
            && request.outcome.is_none()
        {
            request.outcome = Some(outcome);
            request.record = record;
        }
    }

    /// The outcome of the requests in progress at a stopped node is unknown.
    pub(super) fn on_node_stopped(&mut self, at: usize, record: u64) {
        let node = self.nodes[at].id;
        for request in &mut self.clients.requests {
            if request.node == node && request.outcome.is_none() {
                request.outcome = Some(CommandOutcome::Unknown);
                request.record = record;
            }
        }
    }
}
