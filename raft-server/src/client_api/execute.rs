//! Carries out one request at the node.

use std::collections::BTreeMap;

use raft_core::{ClusterId, NodeId};

use super::listener::{ClientApiConfig, MemberAddresses};
use super::protocol::{
    Consistency, FollowerReport, LeaderHint, MemberReport, Refusal, RequestBody, Response,
    StatusReport,
};
use crate::state_machine::kv::{
    Answer, Command, KeyRange, Limits, Output, Projection, Query, RangeRequest, Revision,
};
use crate::{NodeHandle, ProposeError, ReadError};

/// When a client that found everything full should come back, in milliseconds: drawn from here.
const RETRY_AFTER_MS: std::ops::Range<u32> = 10..50;

/// The node as clients see it.
#[derive(Debug)]
pub(super) struct Executor {
    cluster: ClusterId,
    node_id: NodeId,
    members: BTreeMap<NodeId, MemberAddresses>,
    limits: Limits,
    node: NodeHandle,
}

impl Executor {
    pub(super) fn new(config: &ClientApiConfig, node: NodeHandle) -> Self {
        Self {
            cluster: config.cluster,
            node_id: config.node,
            members: config.members.clone(),
            limits: config.limits,
            node,
        }
    }

    /// Answers one request, however it ends.
    pub(super) async fn execute(&self, body: RequestBody) -> Response {
        match body {
            RequestBody::Command(command) => self.command(&command).await,
            RequestBody::Range { request, consistency } => self.range(request, consistency).await,
            RequestBody::Status => Response::Status(Box::new(self.status().await)),
            RequestBody::Members => Response::Members(self.members()),
            RequestBody::Ping => Response::Alive,
        }
    }

    async fn command(&self, command: &Command) -> Response {
        let encoded = command.encode();
        if let Err(exceeded) = self.limits.check(command, encoded.len()) {
            return Response::Refused(Refusal::Invalid { reason: exceeded.to_string() });
        }
        match self.node.propose(encoded).await {
            Ok(output) => match Output::decode(&output) {
                Ok(output) => Response::Output(output),
                Err(error) => Response::Failed { reason: format!("unreadable output: {error}") },
            },
            Err(ProposeError::Refused(refusal)) => Response::Refused(self.refusal(refusal)),
            Err(ProposeError::Unknown { leader }) => {
                Response::Unknown { leader: leader.map(|node| self.hint(node)) }
            }
            Err(error @ ProposeError::ApplyFailed { .. }) => {
                Response::Failed { reason: error.to_string() }
            }
            Err(ProposeError::Stopped) => Response::Refused(Refusal::Stopped),
        }
    }

    async fn range(&self, request: RangeRequest, consistency: Consistency) -> Response {
        if let Err(exceeded) = self.limits.check_range(&request) {
            return Response::Refused(Refusal::Invalid { reason: exceeded.to_string() });
        }
        match self.read(request, consistency).await {
            Ok(answer) => Response::Range(answer),
            Err(refusal) => Response::Refused(refusal),
        }
    }

    async fn read(
        &self,
        request: RangeRequest,
        consistency: Consistency,
    ) -> Result<Answer, Refusal> {
        let query = Query::Range(request).encode();
        let read = match consistency {
            Consistency::Linearizable => self.node.read(query).await,
            Consistency::Serializable => self.node.query_local(query).await,
        };
        match read {
            Ok(answer) => Answer::decode(&answer)
                .map_err(|error| Refusal::Unreadable { reason: error.to_string() }),
            Err(ReadError::Refused(refusal)) => Err(self.refusal(refusal)),
            Err(ReadError::Query(error)) => Err(Refusal::Unreadable { reason: error.reason }),
            Err(ReadError::Stopped) => Err(Refusal::Stopped),
        }
    }

    async fn status(&self) -> StatusReport {
        let revision = self.revision().await;
        let status = self.node.status();
        let problem = match (&status.stopped, status.raft.apply_failed_at) {
            (Some(reason), _) => Some(format!("the node has stopped: {reason}")),
            (None, Some(index)) => Some(format!("the state machine failed at entry {index}")),
            (None, None) => None,
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
            revision,
            followers: followers
                .map(|(node, progress)| FollowerReport {
                    node: *node,
                    match_index: progress.match_index,
                })
                .collect(),
            problem,
        }
    }

    /// The store's revision, from the cheapest read there is.
    async fn revision(&self) -> Option<Revision> {
        let mut request = RangeRequest::new(KeyRange::Key(bytes::Bytes::from_static(b"\0")));
        request.projection = Projection::CountOnly;
        let answer = self.read(request, Consistency::Serializable).await;
        answer.ok().map(|answer| answer.revision)
    }

    fn members(&self) -> Vec<MemberReport> {
        let raft = self.node.status().raft;
        let membership = &raft.membership;
        let report = |node| {
            let addresses = self.members.get(&node);
            MemberReport {
                node,
                voter: membership.is_voter(node),
                leader: raft.leader == Some(node),
                peer_address: addresses.map(|addresses| addresses.peer.clone()),
                client_address: addresses.map(|addresses| addresses.client.clone()),
            }
        };
        membership.members().into_iter().map(report).collect()
    }

    fn refusal(&self, refusal: raft_core::Refusal) -> Refusal {
        match refusal {
            raft_core::Refusal::NotLeader { leader } => {
                Refusal::NotLeader { leader: self.hint(leader) }
            }
            raft_core::Refusal::NoLeader => Refusal::NoLeader,
            raft_core::Refusal::NotReady => Refusal::NotReady,
            raft_core::Refusal::Busy => {
                Refusal::Busy { retry_after_ms: fastrand::u32(RETRY_AFTER_MS) }
            }
            raft_core::Refusal::TooLarge { .. } => Refusal::Invalid { reason: refusal.to_string() },
            raft_core::Refusal::Stopped => Refusal::Stopped,
        }
    }

    fn hint(&self, node: NodeId) -> LeaderHint {
        let address = self.members.get(&node).map(|addresses| addresses.client.clone());
        LeaderHint { node, address }
    }
}
