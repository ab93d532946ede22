//! Liveness and readiness of a node, with the reason where one is missing.

use std::time::Duration;

use raft_core::{LogIndex, Participation};
use raft_server::NodeStatus;

/// The age of the status from which the node counts as unresponsive. A node that responds publishes
/// a status on each request; `NodeHandle::status` waits a second for it.
const STATUS_AGE_MAX: Duration = Duration::from_secs(1);
/// The most committed entries that a ready node has not applied.
const APPLY_LAG_MAX: u64 = 10_000;

/// A node is live until it stops. A stopped node must be restarted.
pub(super) fn live(status: &NodeStatus) -> Result<(), String> {
    match &status.stopped {
        None => Ok(()),
        Some(reason) => Err(format!("the node has stopped: {reason}")),
    }
}

/// A node is ready if it is live and responds, knows a leader, has applied an entry, and lags at
/// most [`APPLY_LAG_MAX`] entries behind the highest commit index that the leader of the term
/// reported.
pub(super) fn ready(status: &NodeStatus) -> Result<(), String> {
    live(status)?;
    if status.raft_age >= STATUS_AGE_MAX {
        return Err(format!("the node has not responded for {:?}", status.raft_age));
    }
    let raft = &status.raft;
    if let Some(index) = raft.apply_failed_at {
        return Err(format!("the state machine failed at entry {index}"));
    }
    part(raft.participation)?;
    if let (None, Some((peer, refused))) = (raft.leader, status.refused_by.first_key_value()) {
        return Err(format!("node {peer} refuses this node: {}", refused.reason));
    }
    if raft.leader.is_none() {
        return Err(format!(
            "no leader is known in term {}: are a majority of {} voters up and connected?",
            raft.term,
            raft.membership.voters.len()
        ));
    }
    if raft.applied_index == LogIndex::ZERO {
        return Err("no entry is applied yet".to_owned());
    }
    let lag = raft.commit_index_seen.distance_from(raft.applied_index);
    if lag > APPLY_LAG_MAX {
        return Err(format!("catching up: {lag} committed entries are not applied yet"));
    }
    Ok(())
}

/// Whether the membership in force permits the node to serve.
fn part(participation: Participation) -> Result<(), String> {
    match participation {
        Participation::Voter | Participation::Learner | Participation::NotAMember => Ok(()),
        Participation::Removed => Err("this node was removed from the cluster".to_owned()),
        Participation::NotAdmitted { admitted } => Err(format!(
            "the cluster has admitted incarnation {admitted} of this node, whose data is not here: \
             replace the member"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use raft_core::ports::PeerRefusal;
    use raft_core::{Incarnation, NodeId};
    use raft_server::{RefusedBy, StopReason};

    use super::*;
    use crate::http::sample::healthy_node as healthy;

    #[test]
    fn node_is_ready_when_it_knows_a_leader_and_has_caught_up() {
        assert_eq!(ready(&healthy()), Ok(()));

        let mut leaderless = healthy();
        leaderless.raft.leader = None;
        assert!(ready(&leaderless).unwrap_err().starts_with("no leader is known in term 3"));
        assert_eq!(live(&leaderless), Ok(()));

        let mut behind = healthy();
        behind.raft.applied_index = LogIndex(10);
        assert!(ready(&behind).unwrap_err().contains("49990 committed entries"));

        // The leader reports its commit index to a follower whose log is short.
        let mut short = healthy();
        short.raft.commit_index_seen = LogIndex(1_000_000);
        assert!(ready(&short).unwrap_err().contains("950001 committed entries"));

        let mut empty = healthy();
        empty.raft.commit_index = LogIndex::ZERO;
        empty.raft.commit_index_seen = LogIndex::ZERO;
        empty.raft.applied_index = LogIndex::ZERO;
        assert!(ready(&empty).unwrap_err().contains("no entry is applied"));

        let mut failed = healthy();
        failed.raft.apply_failed_at = Some(LogIndex(7));
        assert!(ready(&failed).unwrap_err().contains("failed at entry 7"));
    }

    #[test]
    fn node_that_the_cluster_does_not_admit_is_not_ready() {
        let mut replaced = healthy();
        replaced.raft.participation = Participation::NotAdmitted { admitted: Incarnation(7) };
        assert!(ready(&replaced).unwrap_err().contains("has admitted incarnation 7"));

        let mut removed = healthy();
        removed.raft.participation = Participation::Removed;
        assert!(ready(&removed).unwrap_err().contains("was removed"));

        let mut refused = healthy();
        refused.raft.leader = None;
        let (refusal, reason) = (PeerRefusal::OtherBootstrap, "other list".to_owned());
        refused.refused_by = BTreeMap::from([(NodeId(2), RefusedBy { refusal, reason })]);
        assert_eq!(ready(&refused), Err("node 2 refuses this node: other list".to_owned()));
    }

    /// The last published status may still name a leader.
    #[test]
    fn node_that_does_not_respond_is_not_ready() {
        let mut unresponsive = healthy();
        unresponsive.raft_age = STATUS_AGE_MAX;
        assert_eq!(live(&unresponsive), Ok(()));
        assert!(ready(&unresponsive).unwrap_err().contains("has not responded"));
    }

    #[test]
    fn stopped_node_is_neither_live_nor_ready() {
        let mut stopped = healthy();
        stopped.stopped = Some(StopReason::Shutdown);
        assert!(live(&stopped).unwrap_err().contains("it was shut down"));
        assert!(ready(&stopped).is_err());
    }
}
