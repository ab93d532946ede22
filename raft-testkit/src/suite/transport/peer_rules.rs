//! The rules about the peer set: incarnations, bootstraps and addresses. A function panics if its
//! rule is violated.

use raft_core::ports::{PeerAddress, PeerRefusal, Transport};
use raft_core::{Incarnation, NodeId};

use super::factory::{TestNode, TransportFactory};
use super::members::{connected, set_peers, start};
use super::messages::vote;

const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);
const THREE: NodeId = NodeId(3);
const OLD: Incarnation = Incarnation(50_001);
const NEW: Incarnation = Incarnation(50_002);

fn incarnation(node: NodeId, incarnation: Incarnation) -> TestNode {
    TestNode { incarnation: Some(incarnation), ..TestNode::from(node) }
}

fn bootstrapped(node: NodeId, fingerprint: u64) -> TestNode {
    TestNode { bootstrap_fingerprint: Some(fingerprint), ..TestNode::from(node) }
}

fn admitted(address: PeerAddress, incarnation: Incarnation) -> PeerAddress {
    PeerAddress { incarnation: Some(incarnation), ..address }
}

/// A node whose data directory was created anew is refused until its incarnation is admitted: it has
/// lost its votes and its log. It learns the reason, which names the admitted incarnation.
pub fn refuses_a_peer_of_another_incarnation<F: TransportFactory>(mut factory: F) {
    let one = start(&mut factory, incarnation(ONE, OLD));
    let two = start(&mut factory, incarnation(TWO, NEW));
    one.transport.set_peers(&[admitted(factory.address(TWO), OLD)]);
    two.transport.set_peers(&[admitted(factory.address(ONE), OLD)]);
    two.inbox.wait_until("node 2 has learned of the refusal", |r| {
        r.is_refused(ONE, PeerRefusal::WrongIncarnation)
    });
    let refusals = two.inbox.record().refusals.clone();
    let named = |(_, kind, reason): &(NodeId, PeerRefusal, String)| {
        *kind != PeerRefusal::WrongIncarnation || reason.contains(&OLD.to_string())
    };
    assert!(refusals.iter().all(named), "the admitted incarnation is not in {refusals:?}");
    one.send(vote(F::CLUSTER, ONE, TWO, 66));
    two.send(vote(F::CLUSTER, TWO, ONE, 66));
    let wrong = one.inbox.record().is_refused(TWO, PeerRefusal::WrongIncarnation);
    assert!(!wrong, "node 1 was refused for its incarnation, which is admitted");

    one.transport.set_peers(&[admitted(factory.address(TWO), NEW)]);
    one.reach(F::CLUSTER, &two);
    two.reach(F::CLUSTER, &one);
    assert!(one.inbox.record().messages.is_empty() && two.inbox.record().messages.is_empty());
}

/// An incarnation that is no longer admitted is disconnected at once, and admitted again on demand.
pub fn disconnects_a_peer_whose_incarnation_is_no_longer_admitted<F: TransportFactory>(
    mut factory: F,
) {
    let one = start(&mut factory, incarnation(ONE, OLD));
    let two = start(&mut factory, incarnation(TWO, OLD));
    set_peers(&mut factory, &two, &[ONE]);
    one.transport.set_peers(&[admitted(factory.address(TWO), OLD)]);
    one.reach(F::CLUSTER, &two);
    two.reach(F::CLUSTER, &one);
    two.inbox.record().unreachable.clear();

    one.transport.set_peers(&[admitted(factory.address(TWO), NEW)]);
    two.inbox.wait_until("node 2 has learned of the refusal", |r| {
        r.is_refused(ONE, PeerRefusal::WrongIncarnation) && r.unreachable_count(ONE) > 0
    });
    two.send(vote(F::CLUSTER, TWO, ONE, 66));
    one.send(vote(F::CLUSTER, ONE, TWO, 66));

    one.transport.set_peers(&[admitted(factory.address(TWO), OLD)]);
    two.reach(F::CLUSTER, &one);
    one.reach(F::CLUSTER, &two);
    assert!(one.inbox.record().messages.is_empty() && two.inbox.record().messages.is_empty());
}

/// Two nodes that were bootstrapped with different memberships must not form a quorum together.
/// Both learn the reason. A node without a fingerprint is not compared.
pub fn nodes_of_different_bootstraps_refuse_each_other<F: TransportFactory>(mut factory: F) {
    let one = start(&mut factory, bootstrapped(ONE, 0xaaaa));
    let two = start(&mut factory, bootstrapped(TWO, 0xbbbb));
    let three = start(&mut factory, THREE);
    let all = [ONE, TWO, THREE];
    for member in [&one, &two, &three] {
        set_peers(&mut factory, member, &all);
    }
    for (member, other) in [(&one, TWO), (&two, ONE)] {
        member.inbox.wait_until("the refusal was reported", |r| {
            r.is_refused(other, PeerRefusal::OtherBootstrap)
        });
        member.send(vote(F::CLUSTER, member.node, other, 66));
    }
    for member in [&one, &two] {
        three.reach(F::CLUSTER, member);
        member.reach(F::CLUSTER, &three);
        assert!(member.inbox.record().messages.is_empty(), "at node {}", member.node);
        let refused = member.inbox.record().is_refused(THREE, PeerRefusal::OtherBootstrap);
        assert!(!refused, "a node without a fingerprint was compared");
    }
}

/// A node that is not in the peer set of another one learns so: otherwise a removed node could not
/// report why it reaches no peer.
pub fn reports_that_a_node_is_not_a_peer<F: TransportFactory>(mut factory: F) {
    let members = connected(&mut factory, 2);
    let (one, two) = (&members[0], &members[1]);
    one.transport.set_peers(&[]);
    two.inbox.wait_until("node 2 has learned of it", |r| r.is_refused(ONE, PeerRefusal::NotAPeer));
    assert!(one.inbox.record().refusals.is_empty(), "node 1 was not refused");
}

/// The peer is dialled at its new address although a node still responds at the old one, and the
/// connections to other peers stay. Both instances of node 2 cannot dial node 1 themselves.
pub fn follows_a_peer_to_its_new_address<F: TransportFactory>(mut factory: F) {
    let one = start(&mut factory, ONE);
    let three = start(&mut factory, THREE);
    let silent = PeerAddress { node: ONE, ..factory.address(NodeId(9)) };
    let old = start(&mut factory, TWO);
    old.transport.set_peers(std::slice::from_ref(&silent));
    set_peers(&mut factory, &three, &[ONE]);
    set_peers(&mut factory, &one, &[TWO, THREE]);
    one.reach(F::CLUSTER, &old);
    one.reach(F::CLUSTER, &three);
    three.reach(F::CLUSTER, &one);
    for member in [&one, &three] {
        member.inbox.record().unreachable.clear();
    }

    factory.move_to_new_address(TWO);
    let new = start(&mut factory, TWO);
    new.transport.set_peers(&[silent]);
    set_peers(&mut factory, &one, &[TWO, THREE]);
    one.reach(F::CLUSTER, &new);
    new.reach(F::CLUSTER, &one);
    let lost = |at: &super::members::Member<F::Transport>, of: NodeId| {
        at.inbox.record().unreachable_count(of)
    };
    assert!(lost(&one, TWO) <= 1, "one reconnect");
    assert_eq!((lost(&one, THREE), lost(&three, ONE)), (0, 0), "node 3 was disconnected");
}
