//! Liveness and readiness of a node, with the reason where one is missing.

use std::time::Duration;

use raft_core::LogIndex;
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

#[cfg(test)]
mod tests {
    use raft_server::StopReason;

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
