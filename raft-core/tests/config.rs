//! Invalid settings are refused, and settings at the limit are accepted.

use raft_core::{Config, ConfigError, Entry};
use raft_testkit::Cluster;

fn config() -> Config {
    let identity = raft_core::Identity {
        cluster: raft_core::ClusterId(1),
        group: raft_core::GroupId(0),
        node: raft_core::NodeId(1),
        incarnation: raft_core::Incarnation(1),
    };
    Config::new(identity, 1)
}

/// Such a command would be refused as busy each time that it is proposed.
#[test]
fn command_that_never_fits_into_the_limits_is_refused() {
    let mut config = config();
    config.limits.command_bytes_max = 1 << 20;
    config.limits.unapplied_bytes_max = 1 << 20;
    let needed = (1 << 20) + Entry::COMMAND_OVERHEAD_BYTES;
    let (command, unapplied) = (1 << 20, 1 << 20);
    let refused = ConfigError::CommandExceedsBudget { command, needed, unapplied };
    assert_eq!(config.check(), Err(refused));
    config.limits.unapplied_bytes_max = needed - 1;
    assert!(config.check().is_err());
    config.limits.unapplied_bytes_max = needed;
    assert_eq!(config.check(), Ok(()));
    config.limits.command_bytes_max = u64::MAX;
    assert!(config.check().is_err());
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
fn limits_that_permit_an_append_the_transport_drops_are_refused() {
    let mut config = config();
    config.limits.append_bytes_max = 1 << 20;
    config.limits.command_bytes_max = 100;
    let message = config.limits.message_bytes_max();
    assert!(message > 1 << 20);
    assert_eq!(config.check_transport(message), Ok(()));
    assert!(config.check_transport(message - 1).is_err());

    // A single command may be larger than an append otherwise is.
    config.limits.command_bytes_max = 2 << 20;
    let refused = ConfigError::MessageExceedsTransport {
        message: config.limits.message_bytes_max(),
        append: 1 << 20,
        command: 2 << 20,
        transport: message,
    };
    assert_eq!(config.check_transport(message), Err(refused));
}
