//! Serves one request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft_core::{ClusterId, LogIndex, NodeId, ReadConsistency, RoleKind};

use super::budget::{Charge, ConnectionBudget};
use super::config::{ClientApiConfig, MemberAddresses};
use super::disk_reads::{DiskReads, unreadable};
use super::explain::explain;
use super::members::{Members, change_of, refusal_of};
use super::response_size::{output_bytes_max, range_bytes_max, response_bytes};
use super::saves::{PART_BYTES, Saves};
use crate::kv::protocol::{
    Consistency, FollowerReport, LeaderHint, MemberChange, Refusal, RequestBody, ResponseBody,
    SnapshotRequest, SnapshotResponse, StatusReport,
};
use crate::kv::state_machine::{Command, KvReader, LimitExceeded, Limits, Output, RangeRequest};
use crate::space::{SpaceMonitor, SpaceReport};
use crate::{ChangeMembershipError, NodeHandle, ProposeError, ReadError, TransferError};

/// The range from which `retry_after_ms` of a refusal is drawn, so that clients do not retry at the
/// same moment.
const RETRY_AFTER_MS: std::ops::Range<u32> = 10..50;

/// A response and its charge to the budgets of its connection.
pub(super) type ChargedResponse<'b> = (ResponseBody, Option<Charge<'b>>);

/// Serves the requests of all connections.
#[derive(Debug)]
pub(super) struct Service {
    cluster: ClusterId,
    node_id: NodeId,
    members: Members,
    limits: Limits,
    space: Option<Arc<SpaceMonitor>>,
    node: NodeHandle,
    reader: KvReader,
    disk_reads: DiskReads,
    saves: Saves,
}

impl Service {
    pub(super) fn new(config: &ClientApiConfig, node: NodeHandle, reader: KvReader) -> Self {
        Self {
            cluster: config.cluster,
            node_id: config.node,
            members: Members::new(&node, config.members.clone()),
            limits: config.limits,
            space: config.space.clone(),
            node,
            disk_reads: DiskReads::new(reader.clone(), config.disk_reads_max),
            reader,
            saves: Saves::default(),
        }
    }

    pub(super) fn set_members(&self, members: BTreeMap<NodeId, MemberAddresses>) {
        self.members.set_listed(members);
    }

    pub(super) const fn disk_reads(&self) -> &DiskReads {
        &self.disk_reads
    }

    /// The client addresses of the members.
    pub(super) fn client_addresses(&self) -> Vec<(NodeId, String)> {
        self.members.client_addresses()
    }

    /// Serves one request. The memory of the response is charged to the budget until the charge is
    /// dropped.
    pub(super) async fn serve<'b>(
        &self,
        body: RequestBody,
        budget: &'b ConnectionBudget<'_>,
    ) -> ChargedResponse<'b> {
        match body {
            RequestBody::Command(command) => self.command(&command, budget).await,
            RequestBody::Range { request, consistency } => {
                self.range(request, consistency, budget).await
            }
            RequestBody::Status => (ResponseBody::Status(Box::new(self.status().await)), None),
            RequestBody::Members => {
                let status = self.node.status().await;
                (ResponseBody::Members(self.members.reports(&status)), None)
            }
            RequestBody::Membership => {
                let status = self.node.status().await;
                (ResponseBody::Membership(self.members.report(&status)), None)
            }
            RequestBody::ChangeMembership { change, if_version } => {
                (self.change_membership(change, if_version).await, None)
            }
            RequestBody::Ping => (ResponseBody::Pong, None),
            RequestBody::Transfer { to } => (self.transfer(to).await, None),
            RequestBody::Explain => {
                (ResponseBody::Explanation(Box::new(explain(&self.node).await)), None)
            }
            RequestBody::Snapshot(request) => self.snapshot(request, budget).await,
        }
    }

    async fn command<'b>(
        &self,
        command: &Command,
        budget: &'b ConnectionBudget<'_>,
    ) -> ChargedResponse<'b> {
        let encoded = command.encode();
        if let Err(exceeded) = self.limits.check(command, encoded.len()) {
            return (invalid(&exceeded), None);
        }
        let charge = budget.charge(output_bytes_max(command, &self.limits)).await;
        if let Some(refusal) = self.refusal_for_space(command) {
            return (ResponseBody::Refused(refusal), None);
        }
        corrected(self.propose(encoded).await, charge)
    }

    async fn range<'b>(
        &self,
        request: RangeRequest,
        consistency: Consistency,
        budget: &'b ConnectionBudget<'_>,
    ) -> ChargedResponse<'b> {
        if let Err(exceeded) = self.limits.check_range(&request) {
            return (invalid(&exceeded), None);
        }
        let staleness_ms = match self.wait_until_readable(consistency).await {
            Ok(staleness) => staleness.map(whole_millis),
            Err(refusal) => return (ResponseBody::Refused(refusal), None),
        };
        // This thread also drives Raft, so it reads from memory only. That is faster than waking
        // another thread.
        match self.reader.range_in_memory(&request) {
            Ok(Some(result)) => {
                let response = ResponseBody::Range { result, staleness_ms };
                if let Ok(charge) = budget.try_charge(response_bytes(&response)) {
                    return (response, charge);
                }
                // The budget is exhausted: the key is read again when there is space.
            }
            Ok(None) => {}
            Err(error) => return (ResponseBody::Refused(unreadable(&error)), None),
        }
        let charge = budget.charge(range_bytes_max(&request, &self.limits)).await;
        let read = self.disk_reads.read(request).await;
        let read = read.map(|result| ResponseBody::Range { result, staleness_ms });
        corrected(read.unwrap_or_else(ResponseBody::Refused), charge)
    }

    async fn snapshot<'b>(
        &self,
        request: SnapshotRequest,
        budget: &'b ConnectionBudget<'_>,
    ) -> ChargedResponse<'b> {
        let (response, charge) = match request {
            SnapshotRequest::CompactLog => {
                let response = match self.node.compact().await {
                    Ok(first_index) => SnapshotResponse::Compacted { first_index },
                    Err(error) => SnapshotResponse::Failed { reason: error.to_string() },
                };
                (response, None)
            }
            SnapshotRequest::Begin => (self.saves.begin(&self.node).await, None),
            SnapshotRequest::Read { id, offset } => {
                let charge = budget.charge(PART_BYTES as u64).await;
                (self.saves.read(id, offset).await, charge)
            }
        };
        corrected(ResponseBody::Snapshot(response), charge)
    }

    async fn propose(&self, encoded: Bytes) -> ResponseBody {
        match self.node.propose(encoded).await {
            Ok(output) => match Output::decode(&output) {
                Ok(output) => ResponseBody::Output(output),
                Err(error) => {
                    ResponseBody::Failed { reason: format!("unreadable output: {error}") }
                }
            },
            Err(ProposeError::Refused(refusal)) => ResponseBody::Refused(self.refusal(refusal)),
            Err(ProposeError::Unknown { leader }) => {
                ResponseBody::Unknown { leader: leader.map(|node| self.hint(node)) }
            }
            Err(error @ ProposeError::ApplyFailed { .. }) => {
                ResponseBody::Failed { reason: error.to_string() }
            }
            Err(ProposeError::Stopped) => ResponseBody::Refused(Refusal::Stopped),
        }
    }

    /// The refusal of a leader that has too little disk space for the command. Other nodes refuse
    /// every command anyway.
    fn refusal_for_space(&self, command: &Command) -> Option<Refusal> {
        let space = self.space.as_ref()?;
        match self.node.leadership().role {
            RoleKind::Leader => space.admit(command.space_use()).err().map(Refusal::NoSpace),
            RoleKind::Follower | RoleKind::PreCandidate | RoleKind::Candidate => None,
        }
    }

    async fn transfer(&self, to: Option<NodeId>) -> ResponseBody {
        // A retry of a request whose response was lost finds that the target leads.
        let leads = self.node.leadership().role == RoleKind::Leader;
        if leads && to == Some(self.node_id) {
            return ResponseBody::Transferred { leader: self.node_id };
        }
        match self.node.transfer_leadership(to).await {
            Ok(leader) => ResponseBody::Transferred { leader },
            Err(TransferError::Refused(refusal)) => ResponseBody::Refused(self.refusal(refusal)),
            Err(error @ TransferError::Failed(_)) => {
                ResponseBody::Refused(Refusal::NotTransferred { reason: error.to_string() })
            }
            Err(TransferError::Stopped) => ResponseBody::Refused(Refusal::Stopped),
        }
    }

    async fn change_membership(
        &self,
        change: MemberChange,
        if_version: Option<LogIndex>,
    ) -> ResponseBody {
        match self.node.change_membership(change_of(change), if_version).await {
            Ok(version) => ResponseBody::MembershipChanged { version },
            Err(ChangeMembershipError::Refused(refusal)) => {
                ResponseBody::Refused(self.refusal(refusal))
            }
            Err(ChangeMembershipError::Unknown { leader }) => {
                ResponseBody::Unknown { leader: leader.map(|node| self.hint(node)) }
            }
            Err(ChangeMembershipError::Stopped) => ResponseBody::Refused(Refusal::Stopped),
        }
    }

    /// Waits until the store of this node is as fresh as the read requires. Returns how old it may
    /// be, if the read has a requirement.
    async fn wait_until_readable(
        &self,
        consistency: Consistency,
    ) -> Result<Option<Duration>, Refusal> {
        let consistency = match consistency {
            Consistency::Serializable => return Ok(None),
            Consistency::Linearizable => ReadConsistency::Linearizable,
            Consistency::Leased => ReadConsistency::Leased,
            Consistency::Bounded { staleness_ms_max } => {
                ReadConsistency::Local { staleness_max: Duration::from_millis(staleness_ms_max) }
            }
        };
        match self.node.read_barrier(consistency).await {
            Ok(freshness) => Ok(Some(freshness.staleness)),
            Err(ReadError::Refused(refusal)) => Err(self.refusal(refusal)),
            Err(ReadError::Query(error)) => Err(Refusal::Unreadable { reason: error.reason }),
            Err(ReadError::Stopped) => Err(Refusal::Stopped),
        }
    }

    /// The leader, if this node knows that it is another one.
    pub(super) fn other_leader(&self) -> Option<LeaderHint> {
        let leader = self.node.leadership().leader.filter(|leader| *leader != self.node_id)?;
        Some(self.hint(leader))
    }

    async fn status(&self) -> StatusReport {
        let status = self.node.status().await;
        let space = self.space.as_ref().map(|space| space.report());
        let problem = match (&status.stopped, status.raft.apply_failed_at) {
            (Some(reason), _) => Some(format!("the node has stopped: {reason}")),
            (None, Some(index)) => Some(format!("the state machine failed at entry {index}")),
            (None, None) => space.as_ref().and_then(SpaceReport::problem),
        };
        let raft = status.raft;
        let followers = raft.progress.iter().filter(|(node, _)| **node != self.node_id);
        StatusReport {
            release: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: self.cluster,
            node: self.node_id,
            role: raft.role.into(),
            term: raft.term,
            leader: raft.leader,
            first_index: raft.first_index,
            last_log: raft.last_log,
            commit_index: raft.commit_index,
            applied_index: raft.applied_index,
            revision: Some(self.reader.revision()),
            followers: followers
                .map(|(node, progress)| FollowerReport {
                    node: *node,
                    match_index: progress.match_index,
                })
                .collect(),
            problem,
            space,
        }
    }

    fn refusal(&self, refusal: raft_core::Refusal) -> Refusal {
        match refusal {
            raft_core::Refusal::NotLeader { leader } => {
                Refusal::NotLeader { leader: self.hint(leader) }
            }
            raft_core::Refusal::NoLeader => Refusal::NoLeader,
            // The leader accepts commands again, or the target leads: the client retries either way.
            raft_core::Refusal::NotReady
            | raft_core::Refusal::NoReadIndex
            | raft_core::Refusal::TransferInProgress { .. } => Refusal::NotReady,
            raft_core::Refusal::TooStale { staleness } => {
                Refusal::TooStale { staleness_ms: staleness.map(whole_millis) }
            }
            raft_core::Refusal::Busy => {
                Refusal::Busy { retry_after_ms: fastrand::u32(RETRY_AFTER_MS) }
            }
            raft_core::Refusal::TooLarge { .. } => Refusal::Invalid { reason: refusal.to_string() },
            raft_core::Refusal::Membership(refusal) => refusal_of(refusal),
            raft_core::Refusal::InvalidTarget { .. } | raft_core::Refusal::NoTarget => {
                Refusal::NotTransferred { reason: refusal.to_string() }
            }
            raft_core::Refusal::Stopped => Refusal::Stopped,
        }
    }

    fn hint(&self, node: NodeId) -> LeaderHint {
        LeaderHint { node, address: self.members.client_address(node) }
    }
}

/// Corrects the charge from the largest possible size to the size of the response.
fn corrected(response: ResponseBody, mut charge: Option<Charge<'_>>) -> ChargedResponse<'_> {
    if let Some(charge) = &mut charge {
        charge.correct(response_bytes(&response));
    }
    (response, charge)
}

/// A duration in milliseconds, rounded up.
fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

fn invalid(exceeded: &LimitExceeded) -> ResponseBody {
    ResponseBody::Refused(Refusal::Invalid { reason: exceeded.to_string() })
}
