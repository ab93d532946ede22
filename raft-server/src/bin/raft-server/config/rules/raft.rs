//! Maps the settings of the algorithm onto those of `raft-core`, and its rules onto the keys of the
//! configuration.

use std::time::Duration;

use raft_core::{
    ApplyFailurePolicy, CommitNotification, ConfigError, FollowerReads, LeaseSettings, LimitName,
    Limits, Settings as RaftSettings,
};
use raft_transport_quic::FRAME_BYTES_MAX_DEFAULT;

use super::compaction::compaction;
use super::findings::{Findings, Problem, Warning};
use crate::config::settings::Settings;

/// The settings of the algorithm; those that are not set have the defaults of `raft-core`.
pub(super) fn raft(settings: &Settings, findings: &mut Findings) -> RaftSettings {
    let mut raft = mapped(settings);
    raft.compaction = compaction(settings, findings);
    findings.problems.extend(raft.violations().into_iter().map(problem));
    findings.problems.extend(above_frame(&raft.limits));
    let (heartbeat, election) = (raft.heartbeat_interval, raft.election_timeout_min);
    if heartbeat.saturating_mul(3) <= election && heartbeat.saturating_mul(5) > election {
        findings.warnings.push(Warning::ShortElectionTimeout { election, heartbeat });
    }
    raft
}

fn mapped(settings: &Settings) -> RaftSettings {
    let mut raft = RaftSettings::default();
    set(&mut raft.election_timeout_min, settings.election_timeout.map(|span| span.0));
    set(&mut raft.heartbeat_interval, settings.heartbeat_interval.map(|span| span.0));
    raft.storage_stall_timeout = settings.storage_stall_timeout.map(|span| span.0);
    set(&mut raft.pre_vote, settings.pre_vote);
    set(&mut raft.check_quorum, settings.check_quorum);
    raft.follower_reads = FollowerReads::ReadIndex;
    if settings.lease == Some(true) {
        let drift = settings.lease_clock_drift_max.map(|span| span.0);
        let clock_drift_max = drift.unwrap_or(raft.election_timeout_min / 10);
        raft.lease = Some(LeaseSettings { clock_drift_max });
    }
    if let Some(at_once) = settings.commit_at_once {
        raft.commit_notification =
            if at_once { CommitNotification::Immediate } else { CommitNotification::NextMessage };
    }
    if let Some(idempotent) = settings.commands_idempotent {
        raft.apply_failure =
            if idempotent { ApplyFailurePolicy::Retry } else { ApplyFailurePolicy::Halt };
    }
    let limits = &mut raft.limits;
    set(&mut limits.append_entries_max, settings.limit_append_entries);
    set(&mut limits.append_bytes_max, settings.limit_append_bytes.map(|size| size.0));
    set(&mut limits.inflight_appends_max, settings.limit_inflight_appends);
    set(&mut limits.inflight_bytes_max, settings.limit_inflight_bytes.map(|size| size.0));
    set(&mut limits.command_bytes_max, settings.limit_command_bytes.map(|size| size.0));
    set(&mut limits.unapplied_bytes_max, settings.limit_unapplied_bytes.map(|size| size.0));
    set(&mut limits.tail_bytes_max, settings.limit_tail_bytes.map(|size| size.0));
    raft
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

/// A violated rule of `raft-core`, with the keys of the configuration.
fn problem(violation: ConfigError) -> Problem {
    match violation {
        ConfigError::HeartbeatIntervalTooLong { heartbeat, election } => {
            let needed = heartbeat.max(Duration::from_millis(1)).saturating_mul(5);
            Problem::Heartbeat { heartbeat, election, needed }
        }
        ConfigError::StallTimeoutTooShort { stall, election } => {
            Problem::StallTimeout { stall, election }
        }
        ConfigError::ZeroLimit(name) => key_of_limit(name)
            .map_or_else(|| Problem::Raft(ConfigError::ZeroLimit(name)), Problem::Zero),
        ConfigError::CommandExceedsBudget { command, needed, unapplied } => {
            Problem::CommandAboveBudget { command, needed, unapplied }
        }
        ConfigError::LeaseWithoutCheckQuorum => Problem::LeaseWithoutCheckQuorum,
        ConfigError::LeaseTooShort { drift, heartbeat, election } => {
            Problem::LeaseTooShort { drift, heartbeat, election }
        }
        other @ (ConfigError::ZeroNodeId | ConfigError::MessageExceedsTransport { .. } | _) => {
            Problem::Raft(other)
        }
    }
}

/// The key of a limit of `raft-core`.
const fn key_of_limit(name: LimitName) -> Option<&'static str> {
    Some(match name {
        LimitName::AppendEntries => "limit_append_entries",
        LimitName::AppendBytes => "limit_append_bytes",
        LimitName::InflightAppends => "limit_inflight_appends",
        LimitName::InflightBytes => "limit_inflight_bytes",
        LimitName::CommandBytes => "limit_command_bytes",
        LimitName::UnappliedBytes => "limit_unapplied_bytes",
        LimitName::TailBytes => "limit_tail_bytes",
        LimitName::ApplyBytes | _ => return None,
    })
}

/// The limits that permit append messages longer than a frame of the transport.
fn above_frame(limits: &Limits) -> Vec<Problem> {
    let frame_bytes_max = u64::from(FRAME_BYTES_MAX_DEFAULT);
    let (mut appends, mut commands) = (*limits, *limits);
    appends.command_bytes_max = 0;
    commands.append_bytes_max = 0;
    let checked = [
        ("limit_append_bytes", limits.append_bytes_max, appends),
        ("limit_command_bytes", limits.command_bytes_max, commands),
    ];
    let problem = |(key, value, alone): (&'static str, u64, Limits)| {
        let excess = alone.message_bytes_max().saturating_sub(frame_bytes_max);
        let value_max = value.saturating_sub(excess);
        (excess > 0).then_some(Problem::AboveFrame { key, value, value_max })
    };
    checked.into_iter().filter_map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::quantity::Size;
    use crate::config::settings::KEYS;

    /// A message must name a key of the file, not a name of `raft-core`.
    #[test]
    fn zero_limits_are_reported_with_their_keys() {
        let settings = Settings {
            limit_append_entries: Some(0),
            limit_append_bytes: Some(Size(0)),
            limit_inflight_appends: Some(0),
            limit_inflight_bytes: Some(Size(0)),
            limit_command_bytes: Some(Size(0)),
            limit_unapplied_bytes: Some(Size(0)),
            limit_tail_bytes: Some(Size(0)),
            ..Settings::default()
        };
        let mut findings = Findings::default();
        raft(&settings, &mut findings);
        let keys: Vec<_> = findings
            .problems
            .iter()
            .filter_map(|problem| if let Problem::Zero(key) = problem { Some(*key) } else { None })
            .collect();
        assert_eq!(keys.len(), 7, "{keys:?}");
        assert!(keys.iter().all(|key| KEYS.contains(key)), "{keys:?}");
    }
}
