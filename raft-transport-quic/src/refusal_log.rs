//! Logs refused connections, at a limited rate.

use std::net::SocketAddr;

use raft_core::NodeId;

use crate::log_limit::LogLimit;

/// The source of an incoming connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemoteAddress {
    pub(crate) address: SocketAddr,
    /// Whether a configured peer is known to use this address.
    pub(crate) is_peer_address: bool,
}

/// Logs refused connections. Refusals at addresses of configured peers have a limit of their own:
/// they indicate an error in the configuration, and refusals at other addresses must not suppress
/// them.
#[derive(Debug, Default)]
pub(crate) struct RefusalLog {
    peers: LogLimit,
    others: LogLimit,
}

impl RefusalLog {
    pub(crate) fn log(&self, node: NodeId, remote: RemoteAddress, reason: &str) {
        let limit = if remote.is_peer_address { &self.peers } else { &self.others };
        let Some(suppressed) = limit.allow() else { return };
        let address = remote.address;
        tracing::warn!(
            %node, %address, suppressed,
            "refused a connection from {address}: {reason}"
        );
    }
}
