//! The transport: one UDP socket, the peers, and the [`Transport`] port.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};

use quinn::Endpoint;
use raft_core::ports::{Inbox, PeerAddress, SnapshotOutcome, SnapshotTransfer, Transport};
use raft_core::{Message, NodeId};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::admission::{Admission, AdmissionLimits};
use crate::config::QuicConfig;
use crate::error::TransportError;
use crate::handshake::HandshakeRuntime;
use crate::metrics::{AcceptCounts, AcceptMetrics, PeerStatus};
use crate::refusal_log::RefusalLog;
use crate::shared::Shared;
use crate::tls::{self, PeerIdentity, Protocol};
use crate::transfers::Transfers;
use crate::{accept, dial, snapshot_sender, tuning};

/// A [`Transport`] over QUIC with mutual TLS. It uses one connection for each pair of nodes.
///
/// Both nodes of a pair dial, so that a node that has just started is connected at once. If both
/// dials succeed, the node with the lower id chooses one connection before either carries a
/// message.
///
/// Dropping the transport closes all connections; [`QuicTransport::shutdown`] also waits until the
/// closes have been sent.
pub struct QuicTransport {
    shared: Arc<Shared>,
}

impl QuicTransport {
    /// Binds the socket and accepts connections from now on. Until [`Transport::set_peers`] is
    /// called, the transport dials no node and refuses every node.
    ///
    /// Must be called inside a tokio runtime. That runtime runs the tasks of established
    /// connections; handshakes run on a thread of their own.
    ///
    /// # Errors
    /// When the socket cannot be bound, the system refuses a thread, a setting is invalid, or the
    /// certificate is not the one of this node.
    pub fn start(config: QuicConfig, inbox: Arc<dyn Inbox>) -> Result<Arc<Self>, TransportError> {
        let runtime = Handle::try_current().map_err(|_| TransportError::NoRuntime)?;
        config.check()?;
        check_certificate(&config)?;
        let transport_config = tuning::transport_config(&config)?;
        let mut client_config = tls::client_config(&config.tls, Protocol::Peer)?;
        client_config.transport_config(transport_config.clone());
        let server_config = tuning::server_config(&config, transport_config)?;
        let handshakes = HandshakeRuntime::start(&format!("raft-{}-peer-tls", config.node))
            .map_err(TransportError::Thread)?;

        let bind_error = |source| TransportError::Bind { address: config.listen, source };
        let socket = tuning::bind(config.listen).map_err(bind_error)?;
        let local_addr = socket.local_addr().map_err(bind_error)?;
        let endpoint_config = tuning::endpoint_config()?;
        let endpoint =
            Endpoint::new(endpoint_config, Some(server_config), socket, handshakes.clone())
                .map_err(bind_error)?;
        let admission = Admission::new(AdmissionLimits {
            total: config.handshakes_max,
            per_source: config.handshakes_per_source_max,
            per_peer_address: config.handshakes_per_peer_max,
        });
        let incoming_snapshots = Arc::new(Semaphore::new(config.snapshots_incoming_max));
        let shared = Arc::new(Shared {
            config,
            inbox,
            endpoint,
            local_addr,
            client_config,
            instance: fastrand::u64(..),
            runtime,
            admission,
            accepts: AcceptMetrics::default(),
            refusal_log: RefusalLog::default(),
            transfers: Transfers::new(),
            incoming_snapshots,
            peers: RwLock::default(),
        });
        handshakes.spawn_handshake(accept::run(shared.clone()));
        Ok(Arc::new(Self { shared }))
    }

    /// The address that the socket is bound to. Its port is the one that the system has chosen if
    /// [`QuicConfig::listen`] has port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local_addr
    }

    /// The status of each peer in the peer set.
    #[must_use]
    pub fn status(&self) -> Vec<PeerStatus> {
        self.shared.peers().values().filter_map(|peer| peer.status()).collect()
    }

    /// Counters of the connections that other addresses made to this node.
    #[must_use]
    pub fn accept_counts(&self) -> AcceptCounts {
        self.shared.accepts.counts()
    }

    /// Closes every connection and waits until the closes have been sent, so that peers need not
    /// wait for the idle timeout. No message is sent or delivered afterwards, and no data of a
    /// snapshot: calls of hosts that are in progress are waited for.
    pub async fn shutdown(&self) {
        self.shared.close();
        self.shared.endpoint.wait_idle().await;
        self.shared.transfers.wait_for_none().await;
    }
}

impl Transport for QuicTransport {
    fn send(&self, message: Message) {
        let config = &self.shared.config;
        if (message.cluster, message.from) != (config.cluster, config.node) {
            tracing::error!(
                node = %config.node, from = %message.from, cluster = %message.cluster,
                "dropped a message in the name of another node: the receiver would close the \
                 connection"
            );
            return;
        }
        if let Some(peer) = self.shared.peers().get(&message.to) {
            peer.send(message);
        }
    }

    fn send_snapshot(&self, transfer: SnapshotTransfer) {
        let config = &self.shared.config;
        let message = &transfer.offer.message;
        let broken =
            |reason: &str| SnapshotOutcome::Broken { offset: 0, reason: reason.to_owned() };
        if (message.cluster, message.from) != (config.cluster, config.node) {
            let outcome = broken("the message is in the name of another node");
            return transfer.data.ended(outcome);
        }
        match self.shared.configured_peer(message.to) {
            Some(peer) => snapshot_sender::start(&self.shared, &peer, transfer),
            None => transfer.data.ended(broken("the node is not in the peer set")),
        }
    }

    fn cancel_snapshot(&self, to: NodeId) {
        if let Some(peer) = self.shared.peers().get(&to) {
            peer.snapshots.cancel_sending();
        }
    }

    /// Connections of nodes outside the set are refused, whatever their certificates are. A node of
    /// a newer configuration can connect once it is in this set (thesis §4.1).
    fn set_peers(&self, peers: &[PeerAddress]) {
        let shared = &self.shared;
        let configured: BTreeSet<_> = peers.iter().map(|peer| peer.node).collect();
        let known: Vec<_> = shared.peers().values().cloned().collect();
        for peer in known {
            if peer.is_in_set() && !configured.contains(&peer.node) {
                peer.remove();
            }
        }
        for address in peers {
            if address.node == shared.config.node {
                continue;
            }
            let peer = shared.peer_or_new(address.node);
            peer.configure(address, || {
                shared.runtime.spawn(dial::run(shared.clone(), peer.clone())).abort_handle()
            });
        }
    }

    fn message_bytes_max(&self) -> Option<u64> {
        Some(u64::from(self.shared.config.frame_bytes_max))
    }
}

impl Drop for QuicTransport {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl fmt::Debug for QuicTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicTransport")
            .field("node", &self.shared.config.node)
            .field("local_addr", &self.shared.local_addr)
            .finish_non_exhaustive()
    }
}

fn check_certificate(config: &QuicConfig) -> Result<(), TransportError> {
    let expected = PeerIdentity::Node { cluster: config.cluster, node: config.node };
    if *config.tls.identity() == expected {
        return Ok(());
    }
    Err(TransportError::NotOurCertificate {
        cluster: config.cluster,
        node: config.node,
        certificate: config.tls.identity().clone(),
    })
}
