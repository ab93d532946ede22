//! Interim.

use std::time::Duration;

pub(crate) use raft_core::ConfigError;
use raft_core::{ApplyFailurePolicy, CommitNotification, Identity, Limits};

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) election_timeout_min: Duration,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) storage_stall_timeout: Option<Duration>,
    pub(crate) pre_vote: bool,
    pub(crate) check_quorum: bool,
    pub(crate) commit_notification: CommitNotification,
    pub(crate) apply_failure: ApplyFailurePolicy,
    pub(crate) limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        use raft_core::{ClusterId, GroupId, Incarnation, NodeId};
        let (cluster, group) = (ClusterId(1), GroupId(0));
        let (node, incarnation) = (NodeId(1), Incarnation(1));
        let config = raft_core::Config::new(Identity { cluster, group, node, incarnation }, 0);
        Self {
            election_timeout_min: config.election_timeout_min,
            heartbeat_interval: config.heartbeat_interval,
            storage_stall_timeout: config.storage_stall_timeout,
            pre_vote: config.pre_vote,
            check_quorum: config.check_quorum,
            commit_notification: config.commit_notification,
            apply_failure: config.apply_failure,
            limits: config.limits,
        }
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "interim")]
impl Settings {
    pub(crate) fn core(&self, identity: Identity, seed: u64) -> raft_core::Config {
        let mut core = raft_core::Config::new(identity, seed);
        core.election_timeout_min = self.election_timeout_min;
        core.heartbeat_interval = self.heartbeat_interval;
        core.storage_stall_timeout = self.storage_stall_timeout;
        core.pre_vote = self.pre_vote;
        core.check_quorum = self.check_quorum;
        core.commit_notification = self.commit_notification;
        core.apply_failure = self.apply_failure;
        core.limits = self.limits;
        core
    }

    pub(crate) fn violations(&self) -> Vec<ConfigError> {
        use raft_core::{ClusterId, GroupId, Incarnation, NodeId};
        let (cluster, group) = (ClusterId(1), GroupId(0));
        let (node, incarnation) = (NodeId(1), Incarnation(1));
        let mut config = self.core(Identity { cluster, group, node, incarnation }, 0);
        let mut found = Vec::new();
        while let Err(error) = config.check() {
            match &error {
                ConfigError::HeartbeatIntervalTooLong { .. } => {
                    config.heartbeat_interval = config.election_timeout_min / 5;
                }
                ConfigError::StallTimeoutTooShort { .. } => config.storage_stall_timeout = None,
                _ => config.limits = Limits::default(),
            }
            found.push(error);
        }
        found
    }
}
