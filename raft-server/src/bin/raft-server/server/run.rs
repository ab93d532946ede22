//! A running node with its ports, until it stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use raft_core::{Identity, RoleKind};
use raft_server::NodeHandle;
use raft_server::kv::client_api::ClientApi;
use raft_transport_quic::QuicTransport;

use super::failure::stop_failure;
use super::membership_watch;
use crate::exit::{Exit, Failure};
use crate::signals::Signals;

/// A running node with its ports.
#[derive(Debug)]
pub(crate) struct Server {
    pub(super) node: NodeHandle,
    pub(super) transport: Arc<QuicTransport>,
    pub(super) clients: ClientApi,
    pub(super) http: Option<Http>,
    pub(super) space_watch: tokio::task::JoinHandle<()>,
    /// The node and its incarnation.
    pub(super) identity: Identity,
    /// The time limit of an orderly shutdown.
    pub(super) grace: Duration,
}

/// The HTTP port and the task that serves it.
#[derive(Debug)]
pub(super) struct Http {
    pub(super) address: SocketAddr,
    pub(super) task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Runs until the node stops by itself or a signal arrives.
    pub(crate) async fn run(self, mut signals: Signals) -> Result<(), Failure> {
        let node = self.node.clone();
        tokio::select! {
            reason = node.stopped() => Err(stop_failure(&reason)),
            failure = membership_watch::watch(node.clone(), self.identity) => Err(failure),
            signal = signals.next() => {
                tracing::info!(signal, grace = ?self.grace, "shutting down; a second signal exits at once");
                signals.exit_at_next();
                self.shut_down().await
            }
        }
    }

    /// Transfers the leadership, completes the requests of clients, flushes and stops.
    async fn shut_down(self) -> Result<(), Failure> {
        let Self { node, transport, clients, http, space_watch, grace, .. } = self;
        space_watch.abort();
        let orderly = async {
            // Clients are redirected to the new leader while this port still responds.
            if node.leadership().role == RoleKind::Leader
                && let Err(error) = node.transfer_leadership(None).await
            {
                tracing::warn!(%error, "shutting down a leader; the others elect another one");
            }
            clients.shutdown(grace / 2).await;
            node.step_down().await;
            node.shutdown().await;
            transport.shutdown().await;
        };
        let outcome = tokio::time::timeout(grace, orderly).await;
        if let Some(http) = http {
            http.task.abort();
        }
        if outcome.is_err() {
            let message =
                format!("the shutdown took longer than {grace:?}; no acknowledged write is lost");
            return Err(Failure::new(Exit::Failure, message));
        }
        tracing::info!("shut down");
        Ok(())
    }
}
