//! What the hub adds to the port: cuts, repeated joins, and sending from within an inbox.

use std::sync::{Arc, Mutex, OnceLock, Weak};

use raft_core::ports::{Inbox, PeerAddress, Transport};
use raft_core::{
    Body, ClusterId, GroupId, Incarnation, LogId, Message, NodeId, PreVote, RequestVoteResponse,
    Rpc, Term,
};
use raft_transport_mem::{Hub, MemTransport};

#[derive(Default)]
struct Recorder {
    messages: Mutex<Vec<Message>>,
    lost: Mutex<Vec<NodeId>>,
    /// Responds to each message with the next term, up to a last one.
    echo: OnceLock<(Weak<MemTransport>, Term)>,
}

impl Inbox for Recorder {
    fn deliver(&self, message: Message) {
        self.messages.lock().unwrap().push(message.clone());
        if let Some((transport, last)) = self.echo.get()
            && message.term() < *last
            && let Some(transport) = transport.upgrade()
        {
            transport.send(vote(message.to, message.from, message.term().next()));
        }
    }

    fn peer_unreachable(&self, peer: NodeId) {
        self.lost.lock().unwrap().push(peer);
    }
}

impl Recorder {
    fn terms(&self) -> Vec<u64> {
        self.messages.lock().unwrap().iter().map(|message| message.term().get()).collect()
    }

    fn lost(&self) -> Vec<u64> {
        self.lost.lock().unwrap().iter().map(|peer| peer.get()).collect()
    }
}

fn vote(from: NodeId, to: NodeId, term: Term) -> Message {
    Message {
        cluster: ClusterId(7),
        group: GroupId(0),
        from,
        from_incarnation: Incarnation(1),
        to,
        to_incarnation: None,
        rpc: Rpc::new(term, Body::RequestVoteResponse(RequestVoteResponse { granted: true }))
            .expect("a consistent message"),
    }
}

fn peers(ids: &[u64]) -> Vec<PeerAddress> {
    let address = |&id: &u64| PeerAddress::new(NodeId(id), "");
    ids.iter().map(address).collect()
}

fn pair(hub: &Hub) -> [(MemTransport, Arc<Recorder>); 2] {
    let recorders = [Arc::new(Recorder::default()), Arc::new(Recorder::default())];
    let one = hub.join(NodeId(1), recorders[0].clone());
    let two = hub.join(NodeId(2), recorders[1].clone());
    one.set_peers(&peers(&[2]));
    // Node 2 has not configured node 1 yet.
    assert_eq!(recorders[0].lost(), [2]);
    two.set_peers(&peers(&[1]));
    recorders[0].lost.lock().unwrap().clear();
    let [first, second] = recorders;
    [(one, first), (two, second)]
}

#[test]
fn a_cut_in_one_direction_does_not_drop_messages_of_the_other() {
    let hub = Hub::new();
    let [(one, inbox_one), (two, inbox_two)] = pair(&hub);
    hub.cut_one_way(NodeId(1), NodeId(2));
    one.send(vote(NodeId(1), NodeId(2), Term(1)));
    two.send(vote(NodeId(2), NodeId(1), Term(2)));
    assert_eq!(inbox_two.terms(), [] as [u64; 0]);
    assert_eq!(inbox_one.terms(), [2]);
    assert_eq!((inbox_one.lost(), inbox_two.lost()), (vec![2], vec![]));
    hub.heal(NodeId(1), NodeId(2));
    one.send(vote(NodeId(1), NodeId(2), Term(3)));
    assert_eq!(inbox_two.terms(), [3]);
}

#[test]
fn an_isolated_node_neither_sends_nor_receives() {
    let hub = Hub::new();
    let [(one, inbox_one), (two, inbox_two)] = pair(&hub);
    hub.isolate(NodeId(2));
    one.send(vote(NodeId(1), NodeId(2), Term(1)));
    two.send(vote(NodeId(2), NodeId(1), Term(1)));
    assert!(inbox_one.terms().is_empty() && inbox_two.terms().is_empty());
    hub.heal_all();
    one.send(vote(NodeId(1), NodeId(2), Term(2)));
    assert_eq!(inbox_two.terms(), [2]);
}

#[test]
fn a_second_join_of_a_node_replaces_the_first() {
    let hub = Hub::new();
    let [(one, inbox_one), (old, inbox_old)] = pair(&hub);
    let inbox_new = Arc::new(Recorder::default());
    let new = hub.join(NodeId(2), inbox_new.clone());
    new.set_peers(&peers(&[1]));
    one.send(vote(NodeId(1), NodeId(2), Term(1)));
    old.send(vote(NodeId(2), NodeId(1), Term(2)));
    // Dropping the replaced transport does not remove the new one.
    drop(old);
    new.send(vote(NodeId(2), NodeId(1), Term(3)));
    one.send(vote(NodeId(1), NodeId(2), Term(4)));
    assert!(inbox_old.terms().is_empty());
    assert_eq!(inbox_new.terms(), [1, 4]);
    assert_eq!(inbox_one.terms(), [3]);
}

#[test]
fn a_message_with_another_sender_is_dropped() {
    let hub = Hub::new();
    let [(one, _), (_two, inbox_two)] = pair(&hub);
    one.send(vote(NodeId(3), NodeId(2), Term(1)));
    assert!(inbox_two.terms().is_empty());
}

/// Two inboxes that respond from within `deliver` would recurse for each message, or deadlock on a
/// lock that their caller holds.
#[test]
fn inboxes_that_send_while_delivering_neither_recurse_nor_deadlock() {
    const LAST: Term = Term(200_000);
    let hub = Hub::new();
    let inboxes = [Arc::new(Recorder::default()), Arc::new(Recorder::default())];
    let one = Arc::new(hub.join(NodeId(1), inboxes[0].clone()));
    let two = Arc::new(hub.join(NodeId(2), inboxes[1].clone()));
    one.set_peers(&peers(&[2]));
    two.set_peers(&peers(&[1]));
    inboxes[0].echo.set((Arc::downgrade(&one), LAST)).unwrap();
    inboxes[1].echo.set((Arc::downgrade(&two), LAST)).unwrap();
    one.send(vote(NodeId(1), NodeId(2), Term(1)));
    assert_eq!(inboxes[1].terms().len() + inboxes[0].terms().len(), 200_000);
    assert_eq!(inboxes[1].terms()[..3], [1, 3, 5]);
    assert_eq!(inboxes[0].terms()[..3], [2, 4, 6]);
}

#[test]
fn messages_are_delivered_unaltered() {
    let hub = Hub::new();
    let [(one, _), (_two, inbox_two)] = pair(&hub);
    let mut message = vote(NodeId(1), NodeId(2), Term(9));
    let body = Body::PreVote(PreVote { campaign_term: Term(10), last_log: LogId::ORIGIN });
    message.rpc = Rpc::new(Term(9), body).expect("a consistent message");
    one.send(message.clone());
    assert_eq!(*inbox_two.messages.lock().unwrap(), [message]);
}
