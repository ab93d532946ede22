//! Whether a node lives and whether it can serve, each with the reason if not.

use raft_core::LogIndex;
use raft_server::NodeStatus;

/// How many committed entries may wait for the state machine of a node that counts as ready.
const APPLY_LAG_MAX: u64 = 10_000;

/// A node lives until it has stopped; then only a restart helps.
pub(super) fn live(status: &NodeStatus) -> Result<(), String> {
    match &status.stopped {
        None => Ok(()),
        Some(reason) => Err(format!("the node has stopped: {reason}")),
    }
}

/// A node is ready when it lives, knows the leader and has applied some entries and almost
/// all that any leader has reported as committed.
pub(super) fn ready(status: &NodeStatus) -> Result<(), String> {
    live(status)?;
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
        return Err("nothing has been applied yet".to_owned());
    }
    let lag = raft.commit_index_seen.distance_from(raft.applied_index);
    if lag > APPLY_LAG_MAX {
        return Err(format!("catching up: {lag} committed entries are not applied yet"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use raft_core::{LogId, Membership, NodeId, RoleKind, Status, Term};
    use raft_server::{NodeCounters, QueueDepths, StopReason};

    use super::*;

    fn healthy() -> NodeStatus {
        let raft = Status {
            node: NodeId(1),
            role: RoleKind::Follower,
            term: Term(3),
            voted_for: None,
            leader: Some(NodeId(2)),
            first_index: LogIndex(1),
            last_log: LogId::new(Term(3), LogIndex(50_000)),
            persisted_index: LogIndex(50_000),
            commit_index: LogIndex(50_000),
            commit_index_seen: LogIndex(50_000),
            applied_index: LogIndex(49_999),
            membership: Membership::of_voters([1, 2, 3].map(NodeId)),
            storage_waiting: std::time::Duration::ZERO,
            tail_bytes: 0,
            unapplied_bytes: 0,
            progress: BTreeMap::new(),
            apply_failed_at: None,
        };
        NodeStatus {
            raft,
            queues: QueueDepths::default(),
            counters: NodeCounters::default(),
            stopped: None,
        }
    }

    #[test]
    fn a_node_is_ready_when_it_knows_the_leader_and_has_caught_up() {
        assert_eq!(ready(&healthy()), Ok(()));

        let mut leaderless = healthy();
        leaderless.raft.leader = None;
        assert!(ready(&leaderless).unwrap_err().starts_with("no leader is known in term 3"));
        assert_eq!(live(&leaderless), Ok(()));

        let mut behind = healthy();
        behind.raft.applied_index = LogIndex(10);
        assert!(ready(&behind).unwrap_err().contains("49990 committed entries"));

        // A follower whose log is short knows from the leader how much it lacks.
        let mut short = healthy();
        short.raft.commit_index_seen = LogIndex(1_000_000);
        assert!(ready(&short).unwrap_err().contains("950001 committed entries"));

        let mut empty = healthy();
        empty.raft.commit_index = LogIndex::ZERO;
        empty.raft.commit_index_seen = LogIndex::ZERO;
        empty.raft.applied_index = LogIndex::ZERO;
        assert!(ready(&empty).unwrap_err().contains("nothing has been applied"));

        let mut failed = healthy();
        failed.raft.apply_failed_at = Some(LogIndex(7));
        assert!(ready(&failed).unwrap_err().contains("failed at entry 7"));
    }

    #[test]
    fn a_stopped_node_is_neither_alive_nor_ready() {
        let mut stopped = healthy();
        stopped.stopped = Some(StopReason::Shutdown);
        assert!(live(&stopped).unwrap_err().contains("it was shut down"));
        assert!(ready(&stopped).is_err());
    }
}
