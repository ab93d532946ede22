//! The peers of the transport, which follow the membership in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use raft_core::ports::{PeerAddress, Transport};
use raft_core::{Event, LogIndex, Membership, NodeId, Participation};
use tokio::sync::watch;

use super::status::MembershipInForce;

/// Sets the peers of a transport to the members of the configuration in force and of the one before
/// it: a removed node learns of its removal from the leader, which still sends to it. Publishes the
/// configuration to the handles.
///
/// A peer is accepted only under the incarnation that the configuration pins. This is an early
/// refusal with a reason for the operator; the core checks every message itself.
pub(super) struct PeerSet {
    transport: Arc<dyn Transport>,
    /// The addresses that the host knows without a configuration.
    listed: BTreeMap<NodeId, PeerAddress>,
    own: NodeId,
    current: Membership,
    previous: Membership,
    published: watch::Sender<MembershipInForce>,
    /// Whether this node's part in the configuration in force is published. It may change until the
    /// configuration is committed.
    is_settled: bool,
}

/// The transport and its peers.
pub(super) struct Connections {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) peers: PeerSet,
}

impl PeerSet {
    /// Sets the peers of a transport for the first time.
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        own: NodeId,
        listed: Vec<PeerAddress>,
        published: watch::Sender<MembershipInForce>,
    ) -> Self {
        let listed = listed.into_iter().map(|peer| (peer.node, peer)).collect();
        let current = published.borrow().membership.clone();
        let previous = Membership::default();
        let is_settled = false;
        let set = Self { transport, listed, own, current, previous, published, is_settled };
        set.apply();
        set
    }

    /// Notices that another configuration is in force.
    pub(super) fn on_event(&mut self, event: &Event) {
        if let Event::MembershipInForce { version, membership } = event {
            self.on_membership(*version, membership);
        }
    }

    fn on_membership(&mut self, version: LogIndex, membership: &Membership) {
        self.previous = std::mem::replace(&mut self.current, membership.clone());
        self.is_settled = false;
        self.apply();
        self.published.send_modify(|published| {
            published.version = version;
            published.membership.clone_from(membership);
        });
    }

    /// Publishes this node's part in the configuration, if it may have changed.
    pub(super) fn settle(&mut self, core: &raft_core::Node) {
        if self.is_settled {
            return;
        }
        let status = core.status();
        self.is_settled = status.membership_version <= status.commit_index;
        let participation = status.participation;
        let is_changed = self.published.send_if_modified(|published| {
            std::mem::replace(&mut published.participation, participation) != participation
        });
        if is_changed {
            log_participation(participation);
        }
    }

    fn apply(&self) {
        self.transport.set_peers(&self.peers());
    }

    /// Without a configuration, the listed nodes: one of them may be the leader that adds this node.
    fn peers(&self) -> Vec<PeerAddress> {
        if self.current.members().is_empty() {
            return self.listed.values().cloned().collect();
        }
        let mut peers = BTreeMap::new();
        for membership in [&self.previous, &self.current] {
            let members = membership.members().into_iter().filter(|&node| node != self.own);
            peers.extend(members.map(|node| (node, self.peer(membership, node))));
        }
        peers.into_values().collect()
    }

    fn peer(&self, membership: &Membership, node: NodeId) -> PeerAddress {
        let info = membership.nodes.get(&node);
        let address = match info.map(|info| info.peer_address.as_str()) {
            Some("") | None => self.listed.get(&node).map_or("", |listed| listed.address.as_str()),
            Some(address) => address,
        };
        PeerAddress { incarnation: membership.incarnation(node), ..PeerAddress::new(node, address) }
    }
}

fn log_participation(participation: Participation) {
    match participation {
        Participation::Voter => tracing::info!("this node is a voter"),
        Participation::Learner => tracing::info!("this node is a learner"),
        Participation::NotAMember => tracing::info!("this node is not a member"),
        Participation::Removed => tracing::warn!("this node was removed and never campaigns"),
        Participation::NotAdmitted { admitted } => {
            tracing::error!(%admitted, "another incarnation of this node is admitted");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use raft_core::{Incarnation, MemberInfo, Message};

    use super::*;

    /// A transport that records its peers.
    #[derive(Default)]
    struct Recorder(Mutex<Vec<PeerAddress>>);

    impl Transport for Recorder {
        fn send(&self, _message: Message) {}

        fn set_peers(&self, peers: &[PeerAddress]) {
            *self.0.lock().expect("no panic under this lock") = peers.to_vec();
        }
    }

    fn described(voters: &[u64], address: &str, incarnation: u64) -> Membership {
        let incarnation = Some(Incarnation(incarnation));
        let info =
            MemberInfo { incarnation, peer_address: address.to_owned(), ..MemberInfo::default() };
        let mut membership = Membership::of_voters(voters.iter().copied().map(NodeId));
        membership.nodes = membership.voters.iter().map(|&node| (node, info.clone())).collect();
        membership
    }

    fn listed() -> Vec<PeerAddress> {
        vec![PeerAddress::new(NodeId(2), "listed-2"), PeerAddress::new(NodeId(9), "listed-9")]
    }

    #[test]
    fn peers_are_the_members_of_the_last_two_configurations() {
        let recorder = Arc::new(Recorder::default());
        let seen = || {
            let peers = recorder.0.lock().expect("no panic under this lock").clone();
            let seen = |peer: PeerAddress| {
                (peer.node.get(), peer.address, peer.incarnation.map(Incarnation::get))
            };
            peers.into_iter().map(seen).collect::<Vec<_>>()
        };
        let peer = |node, address: &str, incarnation| (node, address.to_owned(), incarnation);
        let transport = Arc::clone(&recorder) as Arc<dyn Transport>;
        let (version, membership) = (LogIndex::ZERO, Membership::default());
        let participation = Participation::NotAMember;
        let first = MembershipInForce { version, membership, participation };
        let published = watch::Sender::new(first);
        let mut set = PeerSet::new(transport, NodeId(1), listed(), published.clone());
        assert_eq!(seen(), [peer(2, "listed-2", None), peer(9, "listed-9", None)], "it waits");

        set.on_membership(LogIndex(1), &Membership::of_voters([1, 2, 3].map(NodeId)));
        assert_eq!(seen(), [peer(2, "listed-2", None), peer(3, "", None)], "no addresses known");

        set.on_membership(LogIndex(2), &described(&[1, 2, 3], "a", 5));
        set.on_membership(LogIndex(3), &described(&[1, 3, 4], "b", 6));
        let removed = peer(2, "a", Some(5));
        assert_eq!(seen(), [removed, peer(3, "b", Some(6)), peer(4, "b", Some(6))]);
        set.on_membership(LogIndex(4), &described(&[1, 4], "b", 6));
        assert_eq!(seen(), [peer(3, "b", Some(6)), peer(4, "b", Some(6))]);
        assert_eq!(published.borrow().version, LogIndex(4));
        assert_eq!(published.borrow().membership, described(&[1, 4], "b", 6));
    }
}
