//! Checks of the settings in force.

use raft_core::{Settings, Status};

use super::checker::Checker;
use super::rule::Rule;

impl Checker {
    /// The settings in force at a node after an event. `own` are those that it was started with.
    pub(crate) fn check_settings(
        &mut self,
        at: usize,
        own: &Settings,
        status: &Status,
        record: u64,
    ) {
        let Some(node) = self.nodes.get(at) else { return };
        let Some(current) = node.memberships.current() else { return };
        let mut expected = own.overridden_by(&current.settings);
        for membership in node.memberships.since(status.commit_index) {
            let possible = own.overridden_by(&membership.settings);
            expected.election_timeout_min =
                expected.election_timeout_min.max(possible.election_timeout_min);
            expected.heartbeat_interval =
                expected.heartbeat_interval.min(possible.heartbeat_interval);
        }
        if status.settings == expected {
            return;
        }
        let version = node.memberships.version();
        let id = status.node;
        let earlier = (format!("the log of {id:?} results in {expected:?}"), record);
        let later = (format!("{id:?} has {:?} at version {version}", status.settings), record);
        self.record_violation(Rule::SettingsInForce, earlier, later);
    }
}
