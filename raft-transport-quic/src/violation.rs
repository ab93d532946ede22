//! Violations of the protocol by a peer.

use raft_core::Message;

use crate::close::CloseCode;
use crate::connection_context::ConnectionContext;
use crate::metrics::increment;
use crate::peer_connection::PeerConnection;

/// Checks that the envelope agrees with the certificates, which prove the identity of both sides.
pub(crate) fn check_envelope(
    context: &ConnectionContext,
    message: &Message,
) -> Result<(), Violation> {
    let ConnectionContext { cluster, own, peer, .. } = context;
    let reason = if message.cluster != *cluster {
        format!("a message of cluster {}", message.cluster)
    } else if message.from != *peer {
        format!("a message in the name of node {}", message.from)
    } else if message.to != *own {
        format!("a message for node {}", message.to)
    } else {
        return Ok(());
    };
    Err(Violation { code: CloseCode::WrongSender, reason })
}

/// A violation of the protocol by the peer.
pub(crate) struct Violation {
    pub(crate) code: CloseCode,
    pub(crate) reason: String,
}

impl Violation {
    pub(crate) const fn protocol(reason: String) -> Self {
        Self { code: CloseCode::Protocol, reason }
    }
}

/// Closes a connection because of a violation, which is counted and logged.
pub(crate) fn close_violated(
    connection: &PeerConnection,
    context: &ConnectionContext,
    violation: &Violation,
) {
    let Violation { code, reason } = violation;
    increment(&context.metrics.violations);
    if let Some(suppressed) = context.metrics.violation_log.allow() {
        tracing::error!(
            node = %context.own, peer = %context.peer, ?code, reason, suppressed,
            "closed the connection: the peer violated the protocol"
        );
    }
    connection.close(*code, reason);
}
