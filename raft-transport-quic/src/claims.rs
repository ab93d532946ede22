//! Compares what two nodes state about each other in their hellos.

use raft_core::ports::PeerRefusal;
use raft_core::{Incarnation, NodeId};

use crate::close::CloseCode;
use crate::config::QuicConfig;
use crate::hello::Claims;
use crate::peer::Peer;

/// Why the claims in the hello of a peer lead to a refusal. The text is for the logs of both sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ClaimsRefusal {
    #[error(
        "node {node} is admitted with incarnation {admitted}, and this is incarnation {found}: its \
         data directory was created anew"
    )]
    PeerNotAdmitted { node: NodeId, admitted: Incarnation, found: Incarnation },
    #[error(
        "node {node} is admitted by node {peer} with incarnation {admitted}, and this is \
         incarnation {own}: its data directory was created anew"
    )]
    NotAdmittedByPeer { node: NodeId, peer: NodeId, admitted: Incarnation, own: Incarnation },
    #[error(
        "nodes {own} and {peer} were bootstrapped with different memberships, or the cluster was \
         recovered without one of them (fingerprints {ours:016x} and {theirs:016x})"
    )]
    OtherBootstrap { own: NodeId, peer: NodeId, ours: u64, theirs: u64 },
}

impl ClaimsRefusal {
    /// The code to close the connection with.
    pub(crate) const fn code(&self) -> CloseCode {
        match self {
            Self::PeerNotAdmitted { .. } => CloseCode::WrongIncarnation,
            Self::NotAdmittedByPeer { .. } => CloseCode::NotAdmitted,
            Self::OtherBootstrap { .. } => CloseCode::OtherBootstrap,
        }
    }

    /// The refusal of this node by the peer; `None` if this node refuses the peer.
    pub(crate) const fn refusal_by_peer(&self) -> Option<PeerRefusal> {
        match self {
            Self::PeerNotAdmitted { .. } => None,
            Self::NotAdmittedByPeer { .. } => Some(PeerRefusal::WrongIncarnation),
            Self::OtherBootstrap { .. } => Some(PeerRefusal::OtherBootstrap),
        }
    }
}

/// The claims in the hellos to this peer.
pub(crate) fn ours(config: &QuicConfig, peer: &Peer) -> Claims {
    Claims {
        incarnation: config.incarnation,
        admitted: peer.admitted(),
        bootstrap_fingerprint: config.bootstrap_fingerprint,
    }
}

/// Compares the claims of a peer with those of this node.
///
/// # Errors
/// When both sides state a value and the values differ.
pub(crate) fn check(
    config: &QuicConfig,
    peer: &Peer,
    theirs: &Claims,
) -> Result<(), ClaimsRefusal> {
    let ours = ours(config, peer);
    if let (Some(ours), Some(theirs)) = (ours.bootstrap_fingerprint, theirs.bootstrap_fingerprint)
        && ours != theirs
    {
        let (own, peer) = (config.node, peer.node);
        return Err(ClaimsRefusal::OtherBootstrap { own, peer, ours, theirs });
    }
    if let (Some(admitted), Some(found)) = (ours.admitted, theirs.incarnation)
        && admitted != found
    {
        return Err(ClaimsRefusal::PeerNotAdmitted { node: peer.node, admitted, found });
    }
    if let (Some(admitted), Some(own)) = (theirs.admitted, ours.incarnation)
        && admitted != own
    {
        let (node, peer) = (config.node, peer.node);
        return Err(ClaimsRefusal::NotAdmittedByPeer { node, peer, admitted, own });
    }
    Ok(())
}
