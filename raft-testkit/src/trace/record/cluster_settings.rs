//! Settings of a cluster in words.

use std::time::Duration;

use raft_core::{ClusterSettings, CommitNotification, LeasePolicy};

/// The settings of a cluster, with the words of scenario files; `own` if it has none.
#[must_use]
pub fn cluster_settings(settings: &ClusterSettings) -> String {
    let duration = |name: &str, value: Option<Duration>| {
        value.map(|value| format!("{name}={}ms", value.as_millis()))
    };
    let number = |name: &str, value: Option<u64>| value.map(|value| format!("{name}={value}"));
    let flag = |name: &str, value: Option<bool>| {
        value.map(|value| format!("{name}={}", if value { "on" } else { "off" }))
    };
    let lease = settings.lease.map(|lease| match lease {
        LeasePolicy::Off => "lease=off".to_owned(),
        LeasePolicy::On(lease) => format!("lease={}ms", lease.clock_drift_max.as_millis()),
    });
    let notification = settings.commit_notification.map(|notification| match notification {
        CommitNotification::NextMessage => "notify_commit=off".to_owned(),
        CommitNotification::Immediate => "notify_commit=on".to_owned(),
    });
    let parts: Vec<String> = [
        duration("election_timeout", settings.election_timeout_min),
        duration("heartbeat_interval", settings.heartbeat_interval),
        flag("pre_vote", settings.pre_vote),
        flag("check_quorum", settings.check_quorum),
        lease,
        notification,
        number("kept_entries", settings.kept_entries_max),
        number("kept_bytes", settings.kept_bytes_max),
        number("follower_bytes", settings.follower_bytes_max),
        number("snapshot_bytes", settings.snapshot_bytes_max),
        number("append_entries", settings.append_entries_max.map(u64::from)),
        number("append_bytes", settings.append_bytes_max),
        number("command_bytes", settings.command_bytes_max),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() { "own".to_owned() } else { parts.join(" ") }
}
