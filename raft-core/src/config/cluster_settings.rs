//! The settings that the cluster replicates.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::ConfigError;
use super::settings::{CommitNotification, LeaseSettings, Settings};

/// Settings of the cluster, which replace those of each node. They are part of the configuration
/// ([`Membership::settings`](crate::Membership::settings)): in force from the moment that its entry is
/// appended, no longer when it is truncated, and kept by snapshots. A value of `None` leaves each
/// node its own.
///
/// While a change of them is not committed, some nodes have the old values and others the new ones.
/// So a node uses the longest election timeout and the shortest heartbeat interval of the
/// configurations since its commit index, and leases and withheld votes follow the same principle.
///
/// # What is not here
/// - `storage_stall_timeout`, `unapplied_bytes_max`, `tail_bytes_max`, `apply_bytes_max`,
///   `inflight_appends_max` and `inflight_bytes_max` depend on the disk, the memory and the network
///   of one node.
/// - `follower_reads` needs a host that changes the seed at each restart.
/// - `apply_failure` is a decision about one state machine, for example while one node is repaired.
///
/// # Values that contradict those of a node
/// The cluster's values hold. A value of the node's own that breaks a rule of [`ConfigError`]
/// together with them is replaced by the nearest permitted one. Only the limits on messages and
/// commands are lowered instead, to what the node's transport and memory permit. In both cases
/// [`Event::SettingsContradicted`](crate::Event::SettingsContradicted) reports the rule. A leader
/// refuses to append settings that contradict its own.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct ClusterSettings {
    /// [`Settings::election_timeout_min`]. A longer one puts a voter that lacks its entry at an
    /// advantage: without pre-vote such a node, which campaigns more often than the others, raises
    /// the terms and can hold up an election for long. Make it longer while all voters respond.
    pub election_timeout_min: Option<Duration>,
    /// [`Settings::heartbeat_interval`].
    pub heartbeat_interval: Option<Duration>,
    /// [`Settings::pre_vote`].
    pub pre_vote: Option<bool>,
    /// [`Settings::check_quorum`].
    pub check_quorum: Option<bool>,
    /// [`Settings::lease`]. Every host must provide what [`LeaseSettings`] states.
    pub lease: Option<LeasePolicy>,
    /// [`Settings::commit_notification`].
    pub commit_notification: Option<CommitNotification>,
    /// [`CompactionPolicy::kept_entries_max`](crate::CompactionPolicy::kept_entries_max).
    pub kept_entries_max: Option<u64>,
    /// [`CompactionPolicy::kept_bytes_max`](crate::CompactionPolicy::kept_bytes_max).
    pub kept_bytes_max: Option<u64>,
    /// [`CompactionPolicy::follower_bytes_max`](crate::CompactionPolicy::follower_bytes_max).
    pub follower_bytes_max: Option<u64>,
    /// [`CompactionPolicy::snapshot_bytes_max`](crate::CompactionPolicy::snapshot_bytes_max).
    pub snapshot_bytes_max: Option<u64>,
    /// [`Limits::append_entries_max`](crate::Limits::append_entries_max).
    pub append_entries_max: Option<u32>,
    /// [`Limits::append_bytes_max`](crate::Limits::append_bytes_max).
    pub append_bytes_max: Option<u64>,
    /// [`Limits::command_bytes_max`](crate::Limits::command_bytes_max): every leader accepts the
    /// same commands.
    pub command_bytes_max: Option<u64>,
}

/// Whether leaders have leases.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum LeasePolicy {
    /// No leases.
    Off,
    /// Leases with these settings.
    On(LeaseSettings),
}

impl ClusterSettings {
    /// No values: each node has its own.
    pub const NONE: Self = Self {
        election_timeout_min: None,
        heartbeat_interval: None,
        pre_vote: None,
        check_quorum: None,
        lease: None,
        commit_notification: None,
        kept_entries_max: None,
        kept_bytes_max: None,
        follower_bytes_max: None,
        snapshot_bytes_max: None,
        append_entries_max: None,
        append_bytes_max: None,
        command_bytes_max: None,
    };

    /// Checks that the values do not contradict each other, whatever the nodes' own settings are.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), ConfigError> {
        let settings = Settings::default().adjusted_to(self);
        settings.violations().into_iter().next().map_or(Ok(()), Err)
    }
}

/// A node's own settings together with those of the cluster.
impl Settings {
    /// These settings with the values of the cluster in their place. They may break rules.
    #[must_use]
    pub fn overridden_by(&self, cluster: &ClusterSettings) -> Self {
        let mut settings = self.clone();
        set(&mut settings.election_timeout_min, cluster.election_timeout_min);
        set(&mut settings.heartbeat_interval, cluster.heartbeat_interval);
        set(&mut settings.pre_vote, cluster.pre_vote);
        set(&mut settings.check_quorum, cluster.check_quorum);
        let lease = cluster.lease.map(|policy| match policy {
            LeasePolicy::Off => None,
            LeasePolicy::On(lease) => Some(lease),
        });
        set(&mut settings.lease, lease);
        set(&mut settings.commit_notification, cluster.commit_notification);
        set(&mut settings.compaction.kept_entries_max, cluster.kept_entries_max);
        set(&mut settings.compaction.kept_bytes_max, cluster.kept_bytes_max);
        set(&mut settings.compaction.follower_bytes_max, cluster.follower_bytes_max);
        set(&mut settings.compaction.snapshot_bytes_max, cluster.snapshot_bytes_max);
        let append_entries_max = cluster.append_entries_max.map(|max| max as usize);
        set(&mut settings.limits.append_entries_max, append_entries_max);
        set(&mut settings.limits.append_bytes_max, cluster.append_bytes_max);
        set(&mut settings.limits.command_bytes_max, cluster.command_bytes_max);
        settings
    }

    /// The settings with which a node follows those of the cluster: values of its own that
    /// contradict them are replaced by the nearest permitted ones, and a command must fit into the
    /// node's own budget. A lease of the node's own stays as it is, since it must be the same at
    /// all nodes.
    #[must_use]
    pub(crate) fn adjusted_to(&self, cluster: &ClusterSettings) -> Self {
        const MILLISECOND: Duration = Duration::from_millis(1);
        let mut settings = self.overridden_by(cluster);
        let drift = match cluster.lease {
            Some(LeasePolicy::On(LeaseSettings { clock_drift_max })) => clock_drift_max,
            Some(LeasePolicy::Off) | None => Duration::ZERO,
        };
        if cluster.heartbeat_interval.is_none() {
            let election = match cluster.election_timeout_min {
                Some(election) => election,
                None => settings.election_timeout_min.max(drift.saturating_add(MILLISECOND)),
            };
            let within_lease = election.saturating_sub(drift) / 2;
            let longest = (election / 3).min(within_lease);
            settings.heartbeat_interval = settings.heartbeat_interval.min(longest);
        }
        if cluster.election_timeout_min.is_none() {
            let heartbeat = settings.heartbeat_interval;
            let beyond_lease = drift.saturating_add(heartbeat).saturating_add(MILLISECOND);
            let shortest = heartbeat.saturating_mul(3).max(beyond_lease);
            settings.election_timeout_min = settings.election_timeout_min.max(shortest);
        }
        let stall_shortest = settings.election_timeout_min.saturating_mul(2);
        settings.storage_stall_timeout =
            settings.storage_stall_timeout.map(|stall| stall.max(stall_shortest));
        if cluster.check_quorum.is_none() && matches!(cluster.lease, Some(LeasePolicy::On(_))) {
            settings.check_quorum = true;
        }
        settings.limits.fit_commands_into_budget();
        settings
    }
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}
