//! What the listener and all its connections share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use raft_transport_quic::LogLimit;
use tokio::runtime::Handle;
use tracing::warn;

use super::budget::ResponseBudgets;
use super::config::ClientApiConfig;
use super::service::Service;
use crate::NodeHandle;
use crate::kv::protocol::{SUPPORTED_VERSIONS, ServerHello};
use crate::kv::state_machine::KvReader;

/// What the listener and all its connections share.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) config: ClientApiConfig,
    pub(super) service: Service,
    pub(super) budgets: ResponseBudgets,
    /// Runs the tasks of established connections.
    pub(super) runtime: Handle,
    /// Limits log lines about connections of clients with a certificate.
    pub(super) close_log: LogLimit,
    /// Limits log lines about refused connections, which need no certificate.
    refusal_log: LogLimit,
    /// The number of established connections.
    established: AtomicUsize,
}

/// One of the established connections; counted until dropped.
pub(super) struct ConnectionSlot(Arc<Context>);

impl Context {
    /// Must be called in the runtime that serves established connections.
    pub(super) fn new(config: ClientApiConfig, node: NodeHandle, reader: KvReader) -> Self {
        Self {
            service: Service::new(&config, node, reader),
            budgets: ResponseBudgets::new(
                config.connection_response_bytes_max,
                config.identity_response_bytes_max,
            ),
            config,
            runtime: Handle::current(),
            close_log: LogLimit::default(),
            refusal_log: LogLimit::default(),
            established: AtomicUsize::new(0),
        }
    }

    /// The hello of this node.
    pub(super) fn server_hello(&self) -> ServerHello {
        ServerHello {
            versions: SUPPORTED_VERSIONS,
            cluster: self.config.cluster,
            node: self.config.node,
            in_flight_max: self.config.in_flight_max,
            members: self.service.client_addresses(),
        }
    }

    /// Whether another connection exceeds the limit.
    pub(super) fn is_full(&self) -> bool {
        self.established.load(Ordering::Relaxed) >= self.config.connections_max
    }

    /// Logs that a connection is refused.
    pub(super) fn log_refusal(&self, from: SocketAddr, reason: &dyn std::fmt::Display) {
        if let Some(suppressed) = self.refusal_log.allow() {
            warn!(%from, suppressed, "refused a connection of a client: {reason}");
        }
    }
}

impl ConnectionSlot {
    /// `None` if the limit is reached.
    pub(super) fn acquire(context: &Arc<Context>) -> Option<Self> {
        let slot = Self(Arc::clone(context));
        let before = context.established.fetch_add(1, Ordering::Relaxed);
        (before < context.config.connections_max).then_some(slot)
    }

    pub(super) fn context(&self) -> &Context {
        &self.0
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.0.established.fetch_sub(1, Ordering::Relaxed);
    }
}
