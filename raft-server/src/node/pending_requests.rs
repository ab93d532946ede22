//! Pending requests: those that the driver has taken and whose caller has no response yet.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft_core::ports::QueryError;
use raft_core::{
    ApplyFailure, Input, LogIndex, MembershipRequest, NodeId, Outcome, Proposal, ReadConsistency,
    Refusal, RequestId, Response, TransferFailure,
};

use super::arrivals::ApplierReport;
use super::consistency::{Freshness, ReadOutput};
use super::counters::Counters;
use super::error::{ChangeMembershipError, ProposeError, ReadError, TransferError};
use super::queue_limits::QueueLimits;
use super::request::{
    MembershipChangeSender, ProposalSender, QueuedMembershipChange, QueuedProposal, QueuedRead,
    QueuedTransfer, ReadSender, TransferSender,
};

/// What a request counts for beside its query: its entry here, the channel for its outcome, and
/// what the core and the threads hold of it.
const REQUEST_BYTES: u64 = 256;

/// The pending requests. Each caller gets one response, which ends the request. The request of a
/// caller that no longer waits stays here until the core or the applier ends it, so that the limits
/// cover everything that those two hold.
#[derive(Debug)]
pub(super) struct PendingRequests {
    requests: HashMap<RequestId, Charged, BuildHasherDefault<RequestIdHasher>>,
    /// The sum of the charges.
    bytes: u64,
    /// The last id that was used.
    last: u64,
    requests_max: usize,
    bytes_max: u64,
    counters: Arc<Counters>,
}

/// A request and what it counts for until it ends.
#[derive(Debug)]
struct Charged {
    request: Pending,
    bytes: u64,
}

#[derive(Debug)]
enum Pending {
    /// Waits for the output of the state machine.
    Proposal(ProposalSender),
    /// Waits until the state is fresh enough.
    Barrier(ReadSender<Freshness>),
    /// Waits until the state is fresh enough for the query to be submitted.
    Unconfirmed { query: Bytes, outcome: ReadSender<ReadOutput> },
    /// Waits for the result of a query that was submitted to the state machine, whose state may be
    /// as old as this.
    Query { staleness: Option<Duration>, outcome: ReadSender<ReadOutput> },
    /// Waits for the end of a transfer of the leadership.
    Transfer(TransferSender),
    /// Waits for the end of a change of the membership.
    MembershipChange(MembershipChangeSender),
}

/// What the driver does next for a read.
#[derive(Debug)]
pub(super) enum AdmittedRead {
    /// Have the core confirm that the state is fresh enough.
    Confirm(RequestId, ReadConsistency),
    /// Submit the query to the state machine.
    Query(RequestId, Bytes),
}

impl PendingRequests {
    pub(super) fn new(limits: QueueLimits, counters: Arc<Counters>) -> Self {
        Self {
            requests: HashMap::default(),
            bytes: 0,
            last: 0,
            requests_max: limits.pending_max,
            bytes_max: limits.pending_bytes_max,
            counters,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Admits a proposal unless its caller no longer waits or the limits refuse it.
    pub(super) fn admit_proposal(&mut self, proposal: QueuedProposal) -> Option<Proposal> {
        let QueuedProposal { command, outcome } = proposal;
        if outcome.is_closed() {
            self.counters.proposals_failed.add(1);
            return None;
        }
        if !self.has_room_for(0) {
            self.counters.proposals_failed.add(1);
            let _ = outcome.send(Err(ProposeError::Refused(Refusal::Busy)));
            return None;
        }
        let id = self.insert(Pending::Proposal(outcome), 0);
        Some(Proposal { id, command })
    }

    /// Admits a read unless its caller no longer waits or the limits refuse it.
    pub(super) fn admit_read(&mut self, read: QueuedRead) -> Option<AdmittedRead> {
        if read.is_cancelled() {
            self.counters.reads_failed.add(1);
            return None;
        }
        let query_bytes = read.query_bytes();
        if !self.has_room_for(query_bytes) {
            self.counters.reads_failed.add(1);
            read.fail(ReadError::Refused(Refusal::Busy));
            return None;
        }
        match read {
            QueuedRead::Barrier { consistency, outcome } => {
                let id = self.insert(Pending::Barrier(outcome), query_bytes);
                Some(AdmittedRead::Confirm(id, consistency))
            }
            QueuedRead::Query { query, consistency, outcome } => match consistency.confirmation() {
                Some(consistency) => {
                    let id = self.insert(Pending::Unconfirmed { query, outcome }, query_bytes);
                    Some(AdmittedRead::Confirm(id, consistency))
                }
                None => {
                    let id = self.insert(Pending::Query { staleness: None, outcome }, query_bytes);
                    Some(AdmittedRead::Query(id, query))
                }
            },
        }
    }

    /// Admits a transfer of the leadership unless the limits refuse it.
    pub(super) fn admit_transfer(&mut self, transfer: QueuedTransfer) -> Option<Input> {
        let QueuedTransfer { to, outcome } = transfer;
        if !self.has_room_for(0) {
            let _ = outcome.send(Err(TransferError::Refused(Refusal::Busy)));
            return None;
        }
        let id = self.insert(Pending::Transfer(outcome), 0);
        Some(Input::TransferLeadership { id, to })
    }

    /// Admits a change of the membership unless the limits refuse it.
    pub(super) fn admit_membership_change(
        &mut self,
        change: QueuedMembershipChange,
    ) -> Option<Input> {
        let QueuedMembershipChange { change, if_version, outcome } = change;
        if !self.has_room_for(0) {
            let _ = outcome.send(Err(ChangeMembershipError::Refused(Refusal::Busy)));
            return None;
        }
        let id = self.insert(Pending::MembershipChange(outcome), 0);
        Some(Input::ChangeMembership(MembershipRequest { id, change, if_version }))
    }

    /// Passes a response of the core to the caller. Returns the query of a linearizable read that
    /// may be submitted to the state machine now.
    pub(super) fn respond(&mut self, response: Response) -> Option<Bytes> {
        let Response { id, outcome: result } = response;
        let Charged { request, bytes } = self.remove(id)?;
        match request {
            Pending::Proposal(outcome) => {
                self.counters.proposals_failed.add(1);
                let _ = outcome.send(Err(propose_error(result)));
            }
            Pending::Barrier(outcome) => {
                let freshness = freshness(result);
                if freshness.is_err() {
                    self.counters.reads_failed.add(1);
                }
                let _ = outcome.send(freshness);
            }
            Pending::Unconfirmed { query, outcome } => match freshness(result) {
                Ok(Freshness { staleness, .. }) => {
                    let request = Pending::Query { staleness: Some(staleness), outcome };
                    self.put(id, Charged { request, bytes });
                    return Some(query);
                }
                Err(error) => {
                    self.counters.reads_failed.add(1);
                    let _ = outcome.send(Err(error));
                }
            },
            Pending::Transfer(outcome) => drop(outcome.send(transferred(result))),
            Pending::MembershipChange(outcome) => drop(outcome.send(membership_changed(result))),
            // The core has responded to it before; the result of the query is still missing.
            request @ Pending::Query { .. } => self.put(id, Charged { request, bytes }),
        }
        None
    }

    /// Responds to the callers whose requests the applier has completed. Returns the input that
    /// reports its progress to the core.
    pub(super) fn complete(&mut self, report: ApplierReport) -> Option<Input> {
        match report {
            ApplierReport::Applied { last, outputs } => {
                for (id, output) in outputs {
                    self.complete_proposal(id, Ok(output));
                }
                Some(Input::Applied(last))
            }
            ApplierReport::Durable(index) => Some(Input::DurablyApplied(index)),
            ApplierReport::Failed { failure, request } => {
                if let Some(id) = request {
                    self.counters.proposals_failed.add(1);
                    let ApplyFailure { index, reason } = failure.clone();
                    self.complete_proposal(id, Err(ProposeError::ApplyFailed { index, reason }));
                }
                Some(Input::ApplyFailed(failure))
            }
            ApplierReport::Queried(results) => {
                for (id, result) in results {
                    self.complete_query(id, result);
                }
                None
            }
        }
    }

    /// Ends all requests: the node stops. The outcome of a proposal is unknown then.
    pub(super) fn abandon_all(&mut self, leader: Option<NodeId>) {
        self.bytes = 0;
        for (_, Charged { request, .. }) in self.requests.drain() {
            let failed = match request {
                Pending::Transfer(outcome) => {
                    let _ = outcome.send(Err(TransferError::Stopped));
                    continue;
                }
                Pending::MembershipChange(outcome) => {
                    let _ = outcome.send(Err(ChangeMembershipError::Unknown { leader }));
                    continue;
                }
                Pending::Proposal(outcome) => {
                    let _ = outcome.send(Err(ProposeError::Unknown { leader }));
                    &self.counters.proposals_failed
                }
                Pending::Barrier(outcome) => {
                    let _ = outcome.send(Err(ReadError::Stopped));
                    &self.counters.reads_failed
                }
                Pending::Unconfirmed { outcome, .. } | Pending::Query { outcome, .. } => {
                    let _ = outcome.send(Err(ReadError::Stopped));
                    &self.counters.reads_failed
                }
            };
            failed.add(1);
        }
    }

    fn complete_proposal(&mut self, id: RequestId, result: Result<Bytes, ProposeError>) {
        if let Some(Charged { request: Pending::Proposal(outcome), .. }) = self.remove(id) {
            let _ = outcome.send(result);
        }
    }

    fn complete_query(&mut self, id: RequestId, result: Result<Bytes, QueryError>) {
        if result.is_err() {
            self.counters.reads_failed.add(1);
        }
        if let Some(Charged { request: Pending::Query { staleness, outcome }, .. }) =
            self.remove(id)
        {
            let result = result.map(|output| ReadOutput { output, staleness });
            let _ = outcome.send(result.map_err(ReadError::Query));
        }
    }

    /// Whether the limits permit another request, with a query of this length.
    fn has_room_for(&self, query_bytes: u64) -> bool {
        let bytes = self.bytes.saturating_add(REQUEST_BYTES).saturating_add(query_bytes);
        self.len() < self.requests_max && (self.is_empty() || bytes <= self.bytes_max)
    }

    /// Adds a request under an id that no request had before.
    fn insert(&mut self, request: Pending, query_bytes: u64) -> RequestId {
        self.last += 1;
        let id = RequestId(self.last);
        self.put(id, Charged { request, bytes: REQUEST_BYTES + query_bytes });
        id
    }

    fn put(&mut self, id: RequestId, charged: Charged) {
        self.bytes += charged.bytes;
        self.requests.insert(id, charged);
    }

    fn remove(&mut self, id: RequestId) -> Option<Charged> {
        let charged = self.requests.remove(&id)?;
        self.bytes -= charged.bytes;
        Some(charged)
    }
}

fn propose_error(outcome: Outcome) -> ProposeError {
    match outcome {
        Outcome::Refused(Refusal::Stopped) => ProposeError::Stopped,
        Outcome::Refused(refusal) => ProposeError::Refused(refusal),
        Outcome::Unknown { leader } => ProposeError::Unknown { leader },
        Outcome::ReadReady { .. }
        | Outcome::LocalReadReady { .. }
        | Outcome::MembershipChanged { .. }
        | Outcome::Transferred { .. }
        | Outcome::TransferFailed(_) => ProposeError::Unknown { leader: None },
    }
}

/// A read has no effect, so that a read of unknown outcome may be retried like a refused one.
fn freshness(outcome: Outcome) -> Result<Freshness, ReadError> {
    match outcome {
        Outcome::ReadReady { read_index: index } => {
            Ok(Freshness { index, staleness: Duration::ZERO })
        }
        Outcome::LocalReadReady { applied_index: index, staleness } => {
            Ok(Freshness { index, staleness })
        }
        Outcome::Refused(Refusal::Stopped) => Err(ReadError::Stopped),
        Outcome::Refused(refusal) => Err(ReadError::Refused(refusal)),
        Outcome::Unknown { leader: Some(leader) } => {
            Err(ReadError::Refused(Refusal::NotLeader { leader }))
        }
        Outcome::Unknown { leader: None }
        | Outcome::MembershipChanged { .. }
        | Outcome::Transferred { .. }
        | Outcome::TransferFailed(_) => Err(ReadError::Refused(Refusal::NoLeader)),
    }
}

fn transferred(outcome: Outcome) -> Result<NodeId, TransferError> {
    match outcome {
        Outcome::Transferred { leader } => Ok(leader),
        Outcome::TransferFailed(failure) => Err(TransferError::Failed(failure)),
        Outcome::Refused(Refusal::Stopped) => Err(TransferError::Stopped),
        Outcome::Refused(refusal) => Err(TransferError::Refused(refusal)),
        Outcome::Unknown { leader } => {
            Err(TransferError::Failed(TransferFailure::LeadershipLost { leader }))
        }
        Outcome::ReadReady { .. }
        | Outcome::LocalReadReady { .. }
        | Outcome::MembershipChanged { .. } => {
            Err(TransferError::Failed(TransferFailure::LeadershipLost { leader: None }))
        }
    }
}

fn membership_changed(outcome: Outcome) -> Result<LogIndex, ChangeMembershipError> {
    match outcome {
        Outcome::MembershipChanged { version } => Ok(version),
        Outcome::Refused(Refusal::Stopped) => Err(ChangeMembershipError::Stopped),
        Outcome::Refused(refusal) => Err(ChangeMembershipError::Refused(refusal)),
        Outcome::Unknown { leader } => Err(ChangeMembershipError::Unknown { leader }),
        Outcome::ReadReady { .. }
        | Outcome::LocalReadReady { .. }
        | Outcome::Transferred { .. }
        | Outcome::TransferFailed(_) => Err(ChangeMembershipError::Unknown { leader: None }),
    }
}

/// Spreads consecutive request ids. The node chooses the ids, so that the hash need not resist
/// chosen keys.
#[derive(Debug, Default)]
struct RequestIdHasher(u64);

impl Hasher for RequestIdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}
