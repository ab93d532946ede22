//! The rules that every [`Transport`] keeps, as tests.
//!
//! A transport's own tests implement [`TransportFactory`] and name the rules with
//! [`transport_suite!`](crate::transport_suite). What is not promised is not asked for: messages
//! may be lost where a connection is, so a rule first makes sure that there is one, and then waits
//! for what must arrive, bounded only so that a broken transport fails instead of hanging.

mod inbox;
pub mod rules;

use std::sync::Arc;

use bytes::Bytes;
use raft_core::ports::{Inbox, PeerAddress, Transport};
use raft_core::{
    AppendEntries, Body, ClusterId, Entry, GroupId, Incarnation, LogId, LogIndex, Message, NodeId,
    PreVoteResponse, RequestVoteResponse, Round, Term,
};

pub use inbox::{RecordingInbox, WAIT_MAX};

/// A network to test transports in. Every rule gets a fresh one.
pub trait TransportFactory {
    /// The transport under test.
    type Transport: Transport;

    /// The cluster that all nodes belong to.
    const CLUSTER: ClusterId;

    /// Starts a node's transport, without peers. A node that was here before and has stopped
    /// starts again at the same address.
    fn start(&mut self, node: NodeId, inbox: Arc<dyn Inbox>) -> Arc<Self::Transport>;

    /// Where a node that was started can be reached; for one that never was, an address where
    /// nobody answers.
    fn address(&mut self, node: NodeId) -> PeerAddress;

    /// Ends a transport as the death of its process would. The default drops it.
    fn stop(&mut self, transport: Arc<Self::Transport>) {
        drop(transport);
    }
}

/// Makes one test of each rule, for the network that an expression makes.
///
/// ```ignore
/// raft_testkit::transport_suite!(MyNetwork::new());
/// ```
#[macro_export]
macro_rules! transport_suite {
    ($factory:expr) => {
        $crate::transport_suite!(@rules $factory;
            delivers_every_kind_of_message_unaltered
            delivers_to_the_receiver_only
            drops_messages_with_another_sender
            keeps_the_order_of_messages_of_a_kind
            carries_large_appends
            send_never_blocks_on_an_unreachable_peer
            queues_a_bounded_amount_for_an_unreachable_peer
            large_appends_do_not_delay_votes
            sends_nothing_to_a_removed_peer
            accepts_messages_only_from_configured_peers
            reports_an_unreachable_peer_once
            reaches_a_peer_that_starts_late
            reaches_a_peer_that_was_restarted
        );
    };
    (@rules $factory:expr; $($rule:ident)*) => {
        $(
            #[test]
            fn $rule() {
                $crate::suite::transport::rules::$rule($factory);
            }
        )*
    };
}

/// A node under test.
struct Member<T> {
    node: NodeId,
    inbox: Arc<RecordingInbox>,
    transport: Arc<T>,
}

impl<T: Transport> Member<T> {
    fn send(&self, message: Message) {
        self.transport.send(message);
    }

    /// Makes sure that messages get through to another node, by trying until one does.
    fn reach(&self, cluster: ClusterId, other: &Self) {
        other.inbox.wait_for_probe(self.node, || {
            self.send(probe(cluster, self.node, other.node));
        });
    }
}

/// Starts nodes 1 to `count`, all peers of each other, and waits until all reach all. A node that
/// dials before the other side has configured it is refused, and says so: what was reported until
/// all are connected is forgotten.
fn connected<F: TransportFactory>(factory: &mut F, count: u64) -> Vec<Member<F::Transport>> {
    let members: Vec<_> = (1..=count).map(|id| start(factory, NodeId(id))).collect();
    for member in &members {
        set_peers(factory, member, &members.iter().map(|other| other.node).collect::<Vec<_>>());
    }
    for from in &members {
        for to in members.iter().filter(|to| to.node != from.node) {
            from.reach(F::CLUSTER, to);
        }
    }
    for member in &members {
        member.inbox.record().unreachable.clear();
    }
    members
}

fn start<F: TransportFactory>(factory: &mut F, node: NodeId) -> Member<F::Transport> {
    let inbox = Arc::new(RecordingInbox::default());
    let transport = factory.start(node, inbox.clone());
    Member { node, inbox, transport }
}

fn set_peers<F: TransportFactory>(
    factory: &mut F,
    member: &Member<F::Transport>,
    peers: &[NodeId],
) {
    let others = peers.iter().filter(|&&peer| peer != member.node);
    let addresses: Vec<_> = others.map(|&peer| factory.address(peer)).collect();
    member.transport.set_peers(&addresses);
}

fn message(cluster: ClusterId, from: NodeId, to: NodeId, term: u64, body: Body) -> Message {
    Message {
        cluster,
        group: GroupId(3),
        from,
        from_incarnation: Incarnation(1),
        to,
        to_incarnation: Some(Incarnation(2)),
        term: Term(term),
        body,
    }
}

fn vote(cluster: ClusterId, from: NodeId, to: NodeId, term: u64) -> Message {
    let body = Body::RequestVoteResponse(RequestVoteResponse { granted: true });
    message(cluster, from, to, term, body)
}

fn append(cluster: ClusterId, from: NodeId, to: NodeId, index: u64, command: Bytes) -> Message {
    let term = Term(1);
    let body = Body::AppendEntries(AppendEntries {
        prev: LogId::new(term, LogIndex(index - 1)),
        entries: vec![Entry::command(LogId::new(term, LogIndex(index)), command)],
        commit: LogIndex(0),
        round: Round(index),
    });
    message(cluster, from, to, term.get(), body)
}

/// A message that recording inboxes take note of and do not record.
fn probe(cluster: ClusterId, from: NodeId, to: NodeId) -> Message {
    let body = Body::PreVoteResponse(PreVoteResponse { campaign_term: Term(1), granted: false });
    Message { group: inbox::PROBES, ..message(cluster, from, to, 0, body) }
}
