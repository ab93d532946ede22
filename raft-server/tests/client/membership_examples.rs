//! Examples of changes and reports of the membership in the client protocol.

use raft_core::{Incarnation, LogIndex, NodeId};
use raft_server::kv::protocol::{MemberChange, MemberRole, MembershipMember, MembershipReport};

/// Every kind of change of the membership.
pub(super) fn changes() -> [(MemberChange, Option<u64>); 6] {
    let node = NodeId(4);
    let (peer_address, client_address) = ("host:7001".to_owned(), "host:7002".to_owned());
    let add = MemberChange::Add {
        node,
        peer_address: peer_address.clone(),
        client_address: client_address.clone(),
        incarnation: None,
    };
    [
        (add, Some(7)),
        (MemberChange::Promote { node }, None),
        (MemberChange::Demote { node }, None),
        (MemberChange::Remove { node }, None),
        (MemberChange::Replace { node, incarnation: Incarnation(5) }, None),
        (MemberChange::Update { node, peer_address, client_address }, None),
    ]
}

/// A membership of one member.
pub(super) fn membership() -> MembershipReport {
    let member = MembershipMember {
        node: NodeId(1),
        role: MemberRole::Voter,
        leader: true,
        incarnation: Some(Incarnation(5)),
        peer_address: Some("host:7001".to_owned()),
        client_address: None,
        match_index: Some(LogIndex(9)),
    };
    let (version, last_index) = (LogIndex(7), LogIndex(9));
    MembershipReport { version, is_final: true, last_index, members: vec![member] }
}
