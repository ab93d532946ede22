//! What the state of a node explains, whatever its role.

use alloc::vec::Vec;
use core::time::Duration;

use super::NodeState;
use crate::config::ApplyFailurePolicy;
use crate::explain::{
    ApplyFinding, ApplyObstacle, CommitFinding, CompactionFinding, CompactionObstacle, DiskFinding,
    Finding, LeaderFinding, ReadFinding, SilentNode, VoteRefusal, VoterSet,
};
use crate::membership::Participation;
use crate::message::MessageRefusal;
use crate::quorum::majority_of;
use crate::state::Retention;
use crate::types::{LogIndex, NodeId, Timestamp};

/// What is recorded.
impl NodeState {
    /// A message passed its checks.
    pub(crate) fn observe_message(&mut self, from: NodeId) {
        self.observations.on_message(from, self.memberships.current(), self.now);
    }

    /// A message was refused.
    pub(crate) fn observe_refused_message(&mut self, from: NodeId, reason: MessageRefusal) {
        let membership = self.memberships.current();
        self.observations.on_refused_message(from, membership, reason, self.now);
    }

    /// This node did not vote for a candidate.
    pub(crate) fn observe_refused_candidate(&mut self, candidate: NodeId, reason: VoteRefusal) {
        self.observations.on_refused_candidate(candidate, reason, self.now);
    }

    /// A step ends.
    pub(super) fn observe_step(&mut self) {
        let (applied, dispatched) = (self.apply.applied(), self.apply.dispatched());
        self.observations.on_step(applied, dispatched, self.now);
    }
}

/// What is found.
impl NodeState {
    /// What the node waits for in every role, except for what concerns elections.
    pub(crate) fn explain(&self, now: Timestamp, findings: &mut Vec<Finding>) {
        let refused = self.observations.refused_messages(now);
        findings.extend(refused.map(|(from, reason, ago)| {
            LeaderFinding::MessagesRefused { from, reason, ago }.into()
        }));
        if self.persists.is_outstanding() {
            findings.push(
                DiskFinding::Busy {
                    waiting: self.persists.waiting(now),
                    stalled_after: self.config.stall_timeout(),
                    persisted_index: self.log.persisted(),
                    last_index: self.log.last().index,
                }
                .into(),
            );
        }
        self.explain_apply(now, findings);
        if let Some((reads, read_index)) = self.apply.waiting_reads() {
            let applied_index = self.apply.applied();
            findings.push(ReadFinding::Unapplied { reads, read_index, applied_index }.into());
        }
    }

    /// Why this node, which does not lead and knows no leader, has none.
    pub(crate) fn explain_missing_leader(&self, now: Timestamp, findings: &mut Vec<Finding>) {
        let participation = self.participation();
        if self.membership().voters.is_empty() {
            findings.push(LeaderFinding::NoMembership.into());
        } else if participation != Participation::Voter {
            findings.push(LeaderFinding::WithoutVote { participation }.into());
        } else {
            // A voter without a leader sends a message within twice the shortest election timeout.
            let recent = self.config.election_timeout_min.saturating_mul(2);
            self.explain_quorum_contact(findings, recent, |node| {
                self.observations.since_contact(node, now)
            });
        }
        self.explain_refused_candidate(now, findings);
        if let (Some(candidate), false) = (self.voted_for(), self.hard_state_is_durable()) {
            findings.push(LeaderFinding::VoteNotDurable { candidate }.into());
        }
    }

    /// The candidate that was refused last.
    pub(crate) fn explain_refused_candidate(&self, now: Timestamp, findings: &mut Vec<Finding>) {
        if let Some(refused) = self.observations.refused_candidate() {
            let (candidate, reason) = (refused.candidate, refused.reason);
            let ago = now.since(refused.at);
            findings.push(LeaderFinding::CandidateRefused { candidate, reason, ago }.into());
        }
    }

    /// That this node takes no part in elections, for a reason that matters although there is a
    /// leader: it was removed, never added, or has lost its data.
    pub(crate) fn explain_participation(&self, findings: &mut Vec<Finding>) {
        let participation = self.participation();
        let matters = match participation {
            Participation::Voter | Participation::Learner => false,
            Participation::Removed
            | Participation::NotAMember
            | Participation::NotAdmitted { .. } => true,
        };
        if self.membership().voters.is_empty() {
            findings.push(LeaderFinding::NoMembership.into());
        } else if matters {
            findings.push(LeaderFinding::WithoutVote { participation }.into());
        }
    }

    /// The sets of voters of which less than a majority had contact within `recent`.
    pub(crate) fn explain_quorum_contact(
        &self,
        findings: &mut Vec<Finding>,
        recent: Duration,
        since_contact: impl Fn(NodeId) -> Option<Duration>,
    ) {
        let membership = self.membership();
        let sets =
            [(VoterSet::Incoming, &membership.voters), (VoterSet::Outgoing, &membership.outgoing)];
        for (voters, set) in sets {
            let is_in_contact = |&node: &NodeId| {
                node == self.id() || since_contact(node).is_some_and(|s| s <= recent)
            };
            let (in_contact, others): (Vec<_>, Vec<_>) =
                set.iter().copied().partition(is_in_contact);
            let needed = majority_of(set.len());
            if set.is_empty() || in_contact.len() >= needed {
                continue;
            }
            let silent = |node| SilentNode { node, since_contact: since_contact(node) };
            findings.push(
                LeaderFinding::QuorumOutOfContact {
                    voters,
                    voter_count: set.len(),
                    needed,
                    in_contact,
                    silent: others.into_iter().map(silent).collect(),
                }
                .into(),
            );
        }
    }

    /// Committed entries that this node knows of and lacks.
    pub(crate) fn explain_missing_entries(&self, findings: &mut Vec<Finding>) {
        let (commit_index, leader_commit_index) = (self.commit_index(), self.commit_index_seen());
        if leader_commit_index > commit_index {
            let finding = CommitFinding::CommittedElsewhere { commit_index, leader_commit_index };
            findings.push(finding.into());
        }
    }

    fn explain_apply(&self, now: Timestamp, findings: &mut Vec<Finding>) {
        let (applied_index, commit_index) = (self.apply.applied(), self.commit_index());
        if applied_index < commit_index
            && let Some(obstacle) = self.apply_obstacle(now)
        {
            findings.push(ApplyFinding::Unapplied { applied_index, commit_index, obstacle }.into());
        }
    }

    fn apply_obstacle(&self, now: Timestamp) -> Option<ApplyObstacle> {
        let (apply, persisted_index) = (&self.apply, self.log.persisted());
        if self.snapshots.is_resetting() {
            Some(ApplyObstacle::ResetNotDurable)
        } else if let Some(index) = apply.failed() {
            let retry_in = match self.config.apply_failure {
                ApplyFailurePolicy::Retry => apply.retry_deadline().map(|at| at.since(now)),
                ApplyFailurePolicy::Halt => None,
            };
            Some(ApplyObstacle::Failed { index, retry_in })
        } else if let Some(last) = apply.restoring() {
            Some(ApplyObstacle::Restoring { last })
        } else if apply.applied() < apply.dispatched() {
            let waiting = self.observations.applying_for(now);
            let dispatched_index = apply.dispatched();
            Some(ApplyObstacle::StateMachine { dispatched_index, waiting })
        } else if apply.is_fetching() {
            Some(ApplyObstacle::Fetching)
        } else if apply.fetch_has_failed() {
            Some(ApplyObstacle::FetchFailed)
        } else if persisted_index < self.commit_index() {
            Some(ApplyObstacle::NotDurable { persisted_index })
        } else {
            None
        }
    }

    /// What keeps the log longer than the policy permits. `retained` returns what each follower
    /// needs.
    pub(crate) fn explain_compaction(
        &self,
        findings: &mut Vec<Finding>,
        retained: impl Iterator<Item = (NodeId, Retention)>,
    ) {
        let (base, applied_index) = (self.log.base().index, self.apply.applied());
        let is_due = |durable| {
            let target = self.compaction_target(durable);
            (target > base && self.is_worth_compacting(target)).then_some(target)
        };
        if is_due(applied_index).is_none() {
            return;
        }
        let durable = self.apply.durably_applied().min(applied_index);
        let obstacle = match is_due(durable) {
            None => Some(CompactionObstacle::NotDurablyApplied { durably_applied_index: durable }),
            Some(target) => self.compaction_obstacle(target, durable, retained),
        };
        if let Some(obstacle) = obstacle {
            findings.push(CompactionFinding::Held { base, applied_index, obstacle }.into());
        }
    }

    fn compaction_obstacle(
        &self,
        target: LogIndex,
        durable: LogIndex,
        retained: impl Iterator<Item = (NodeId, Retention)>,
    ) -> Option<CompactionObstacle> {
        let held = retained.filter_map(|(node, Retention { after, bytes_max })| {
            let bytes = self.log.bytes_between(after, durable);
            (after < target && bytes <= bytes_max).then_some(CompactionObstacle::Follower {
                node,
                after,
                bytes,
                bytes_max,
            })
        });
        let earliest = held.min_by_key(|obstacle| match obstacle {
            CompactionObstacle::Follower { after, .. } => *after,
            CompactionObstacle::NotDurablyApplied { .. } | CompactionObstacle::NoMembership => {
                LogIndex::ZERO
            }
        });
        let no_membership =
            self.memberships.at(target).is_none().then_some(CompactionObstacle::NoMembership);
        earliest.or(no_membership)
    }

    /// Whether entries for this follower are being read from the store.
    pub(crate) fn is_fetching_for(&self, follower: NodeId) -> bool {
        self.fetches.is_pending_for(follower)
    }
}
