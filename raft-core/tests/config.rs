//! Invalid settings are refused, and settings at the limit are accepted.

use std::time::Duration;

use raft_core::{
    ClusterId, Config, ConfigError, Entry, GroupId, Identity, Incarnation, LimitName, NodeId,
    Settings,
};
use raft_testkit::Cluster;

fn config(settings: Settings) -> Result<Config, ConfigError> {
    let (cluster, group, incarnation) = (ClusterId(1), GroupId(0), Incarnation(1));
    Config::new(Identity { cluster, group, node: NodeId(1), incarnation }, 1, settings)
}

#[test]
fn default_settings_are_valid() {
    assert!(config(Settings::default()).is_ok());
    assert_eq!(Settings::default().violations(), []);
}

#[test]
fn node_zero_is_refused() {
    let (cluster, group, incarnation) = (ClusterId(1), GroupId(0), Incarnation(1));
    let identity = Identity { cluster, group, node: NodeId(0), incarnation };
    assert_eq!(Config::new(identity, 1, Settings::default()), Err(ConfigError::ZeroNodeId));
}

/// A host reports all problems of a configuration file at once.
#[test]
fn every_broken_rule_is_reported() {
    let mut settings = Settings::default();
    let election = settings.election_timeout_min;
    let (heartbeat, stall) = (election / 3 + Duration::from_nanos(1), election);
    settings.heartbeat_interval = heartbeat;
    settings.storage_stall_timeout = Some(stall);
    settings.limits.append_entries_max = 0;
    settings.limits.tail_bytes_max = 0;
    let violations = [
        ConfigError::HeartbeatIntervalTooLong { heartbeat, election },
        ConfigError::StallTimeoutTooShort { stall, election },
        ConfigError::ZeroLimit(LimitName::AppendEntries),
        ConfigError::ZeroLimit(LimitName::TailBytes),
    ];
    assert_eq!(settings.violations(), violations);
    assert_eq!(config(settings.clone()), Err(violations[0]));
    settings.heartbeat_interval = election / 3;
    settings.storage_stall_timeout = Some(election * 2);
    assert_eq!(settings.violations(), violations[2..]);
}

/// Such a command would be refused as busy each time that it is proposed.
#[test]
fn command_that_never_fits_into_the_budget_is_refused() {
    let mut settings = Settings::default();
    settings.limits.command_bytes_max = 1 << 20;
    settings.limits.unapplied_bytes_max = 1 << 20;
    let needed = (1 << 20) + Entry::COMMAND_OVERHEAD_BYTES;
    let (command, unapplied) = (1 << 20, 1 << 20);
    let refused = ConfigError::CommandExceedsBudget { command, needed, unapplied };
    assert_eq!(config(settings.clone()), Err(refused));
    settings.limits.unapplied_bytes_max = needed - 1;
    assert!(config(settings.clone()).is_err());
    settings.limits.unapplied_bytes_max = needed;
    assert!(config(settings.clone()).is_ok());
    settings.limits.command_bytes_max = u64::MAX;
    assert!(config(settings).is_err());
}

/// The smallest limit that passes the check accepts the largest command.
#[test]
fn largest_command_fits_into_the_smallest_limit() {
    const COMMAND: &str = "add 1";
    let mut c = Cluster::new(1).config(|config| {
        let bytes = COMMAND.len() as u64;
        config.limits.command_bytes_max = bytes;
        config.limits.unapplied_bytes_max = bytes + Entry::COMMAND_OVERHEAD_BYTES;
    });
    c.elect(1);
    c.deliver_all();
    let write = c.propose(1, COMMAND);
    c.deliver_all();
    c.expect(write).is_applied();
}

/// A message that is longer than the transport delivers is dropped each time that it is sent.
#[test]
fn append_that_the_transport_drops_is_refused() {
    let mut settings = Settings::default();
    settings.limits.append_bytes_max = 1 << 20;
    settings.limits.command_bytes_max = 100;
    let checked = config(settings.clone()).expect("valid settings");
    let message = checked.limits.message_bytes_max();
    assert!(message > 1 << 20);
    assert_eq!(checked.check_transport(message), Ok(()));
    assert!(checked.check_transport(message - 1).is_err());

    // A single command may be larger than an append otherwise is.
    settings.limits.command_bytes_max = 2 << 20;
    let checked = config(settings).expect("valid settings");
    let refused = ConfigError::MessageExceedsTransport {
        message: checked.limits.message_bytes_max(),
        append: 1 << 20,
        command: 2 << 20,
        transport: message,
    };
    assert_eq!(checked.check_transport(message), Err(refused));
}
