//! What a leader explains.

use alloc::vec::Vec;

use super::Leader;
use crate::explain::{
    CommitFinding, Finding, FollowerFinding, FollowerNeed, MembershipFinding, ReadFinding,
};
use crate::progress::{Progress, ReplicationMode, Stage};
use crate::role::leader::membership_change::PROMOTION_ROUNDS_MAX;
use crate::role::leader::{commit, snapshots};
use crate::state::NodeState;
use crate::types::{NodeId, Timestamp};

impl Leader {
    /// What the leader, its followers and its callers wait for.
    pub(crate) fn explain(&self, state: &NodeState, now: Timestamp, findings: &mut Vec<Finding>) {
        let recent = state.config().election_timeout_min;
        state.explain_quorum_contact(findings, recent, |node| {
            let progress = self.progress().get(&node)?;
            Some(now.since(progress.last_contact))
        });
        self.explain_commit(state, findings);
        self.explain_reads(state, findings);
        for (&node, progress) in self.progress() {
            explain_follower(state, now, findings, node, progress);
        }
        self.explain_membership(state, now, findings);
        let followers = self.progress().iter().filter_map(|(&node, progress)| {
            Some((node, snapshots::retention_for(state, progress)?))
        });
        state.explain_compaction(findings, followers);
    }

    fn explain_commit(&self, state: &NodeState, findings: &mut Vec<Finding>) {
        let (commit_index, last_index) = (state.commit_index(), state.log().last().index);
        if commit_index < last_index {
            let next = commit_index.next();
            let holds = |&voter: &NodeId| {
                let held = if voter == state.id() {
                    state.log().persisted()
                } else {
                    self.replication.match_index(voter)
                };
                held >= next
            };
            let membership = state.membership();
            let voters = membership.voters.union(&membership.outgoing).copied();
            let (held_by, lacking) = voters.partition(holds);
            findings.push(
                CommitFinding::Uncommitted { commit_index, last_index, held_by, lacking }.into(),
            );
        }
        if !commit::has_committed_in_term(state) {
            findings.push(CommitFinding::NotCommittedInTerm { commit_index }.into());
        }
        if let Some(to) = self.transfer_target() {
            findings.push(CommitFinding::TransferInProgress { to }.into());
        }
        let unapplied_bytes = state.apply().unapplied_bytes();
        let limits = state.config().limits;
        // A command of the largest size would be refused.
        if unapplied_bytes + limits.command_weight_max() > limits.unapplied_bytes_max {
            let unapplied_bytes_max = limits.unapplied_bytes_max;
            let finding = CommitFinding::ProposalsAtLimit { unapplied_bytes, unapplied_bytes_max };
            findings.push(finding.into());
        }
    }

    fn explain_reads(&self, state: &NodeState, findings: &mut Vec<Finding>) {
        let reads = self.reads.count();
        let Some(round) = self.reads.confirming_round() else { return };
        let has_not_responded = |voter: &NodeId| {
            self.progress().get(voter).is_some_and(|progress| progress.round_acknowledged < round)
        };
        let membership = state.membership();
        let voters = membership.voters.union(&membership.outgoing).copied();
        let pending = voters.filter(has_not_responded).collect();
        findings.push(ReadFinding::Unconfirmed { reads, pending }.into());
    }

    fn explain_membership(&self, state: &NodeState, now: Timestamp, findings: &mut Vec<Finding>) {
        let (membership, commit_index) = (state.membership(), state.commit_index());
        if !state.membership_is_committed() || membership.is_joint() {
            let (version, is_joint) = (state.membership_version(), membership.is_joint());
            let finding = MembershipFinding::ChangeInProgress { version, is_joint, commit_index };
            findings.push(finding.into());
        }
        let round_max = state.config().election_timeout_min;
        for (&node, progress) in self.progress() {
            if progress.departure.is_some() {
                findings.push(MembershipFinding::RemovalUnknown { node }.into());
            } else if membership.learners.contains(&node)
                && !progress.catch_up.is_caught_up(now, round_max)
            {
                findings.push(
                    MembershipFinding::LearnerLags {
                        node,
                        match_index: progress.match_index,
                        last_index: state.log().last().index,
                        rounds: progress.catch_up.completed(),
                        last_round: progress.catch_up.last_took(),
                        round_max,
                    }
                    .into(),
                );
            }
        }
        if let Some((node, rounds_before)) = self.membership_changes.waiting_promotion() {
            let rounds = self.replication.rounds_completed(node).saturating_sub(rounds_before);
            let rounds_max = PROMOTION_ROUNDS_MAX;
            findings.push(MembershipFinding::PromotionWaits { node, rounds, rounds_max }.into());
        }
    }
}

/// What a follower needs to hold the whole log, if it does not.
fn explain_follower(
    state: &NodeState,
    now: Timestamp,
    findings: &mut Vec<Finding>,
    node: NodeId,
    progress: &Progress,
) {
    if progress.acknowledgement_fell {
        findings.push(FollowerFinding::LostEntries { node }.into());
    }
    if let Some(need) = follower_need(state, now, node, progress) {
        let (match_index, last_index) = (progress.match_index, state.log().last().index);
        findings.push(FollowerFinding::Behind { node, match_index, last_index, need }.into());
    }
}

fn follower_need(
    state: &NodeState,
    now: Timestamp,
    node: NodeId,
    progress: &Progress,
) -> Option<FollowerNeed> {
    let last = state.log().last().index;
    let since_contact = now.since(progress.last_contact);
    if since_contact > state.config().election_timeout_min {
        return Some(FollowerNeed::Unreachable { since_contact });
    }
    let inflight_appends = match &progress.mode {
        ReplicationMode::Snapshot(snapshot) => {
            return Some(match snapshot.stage {
                Stage::Waiting => FollowerNeed::SnapshotWaiting,
                Stage::Sending { last } => FollowerNeed::SnapshotSending { last },
                Stage::Installing { last, .. } => FollowerNeed::SnapshotInstalling { last },
                Stage::Failed { retry_at } => {
                    FollowerNeed::SnapshotFailed { retry_in: retry_at.since(now) }
                }
            });
        }
        ReplicationMode::Probe { .. } | ReplicationMode::Replicate { .. }
            if progress.fetch_failed =>
        {
            return Some(FollowerNeed::FetchFailed);
        }
        ReplicationMode::Probe { .. } | ReplicationMode::Replicate { .. }
            if state.is_fetching_for(node) =>
        {
            return Some(FollowerNeed::Fetching);
        }
        ReplicationMode::Probe { .. } => {
            return Some(FollowerNeed::Probing { next_index: progress.next_index });
        }
        ReplicationMode::Replicate { inflights } => inflights.count(),
    };
    if progress.next_index <= last {
        Some(FollowerNeed::Sending { inflight_appends })
    } else if progress.match_index < last {
        Some(FollowerNeed::Unacknowledged { inflight_appends })
    } else {
        None
    }
}
