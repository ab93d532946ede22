//! The rules, one function each. A function panics if its rule is violated.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use bytes::Bytes;
use raft_core::ports::Transport;
use raft_core::{
    AppendEntries, AppendEntriesResponse, AppendOutcome, Body, DeclineReason, Entry, LogId,
    LogIndex, LogSlice, Membership, Message, NodeId, PreVote, PreVoteResponse, Prng, ReadIndex,
    ReadIndexId, ReadIndexResponse, RequestVote, RequestVoteResponse, Round, Term, TimeoutNow,
    TimeoutNowResponse,
};

use super::factory::TransportFactory;
use super::inbox::RecordingInbox;
use super::members::{Member, connected, set_peers, start};
use super::messages::{append, message, vote};
use super::wait::WAIT_MAX;

const MIB: usize = 1 << 20;
const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);
const THREE: NodeId = NodeId(3);

/// Messages of every kind arrive with all their fields. A lost field or a truncated length would
/// lead to a wrong decision of the algorithm.
pub fn delivers_every_kind_of_message_unaltered<F: TransportFactory>(mut factory: F) {
    let members = connected(&mut factory, 2);
    let sent: Vec<Message> =
        (every_kind().into_iter()).map(|body| message(F::CLUSTER, ONE, TWO, 9, body)).collect();
    for message in &sent {
        members[0].send(message.clone());
    }
    members[1].inbox.wait_until("every kind has arrived", |r| r.messages.len() >= sent.len());
    let arrived = members[1].inbox.record().messages.clone();
    // Kinds may overtake each other.
    for message in &sent {
        let copies = arrived.iter().filter(|&other| other == message).count();
        assert_eq!(copies, 1, "of {message:?} in {arrived:?}");
    }
    assert_eq!(arrived.len(), sent.len());
}

/// Three nodes send to each other; each of them receives only the messages addressed to it.
pub fn delivers_to_the_receiver_only<F: TransportFactory>(mut factory: F) {
    let members = connected(&mut factory, 3);
    for from in &members {
        for to in members.iter().filter(|to| to.node != from.node) {
            from.send(vote(F::CLUSTER, from.node, to.node, 10 * from.node.get() + to.node.get()));
        }
    }
    for member in &members {
        member
            .inbox
            .wait_until("messages of both other nodes have arrived", |r| r.messages.len() >= 2);
        let mut received: Vec<u64> =
            member.inbox.record().messages.iter().map(|message| message.term().get()).collect();
        received.sort_unstable();
        let own = member.node.get();
        let expected: Vec<u64> = (1..=3).filter(|&id| id != own).map(|id| 10 * id + own).collect();
        assert_eq!(received, expected, "at node {own}");
    }
}

/// A message whose `from` is not the sending node is dropped: the receiver relies on that field.
pub fn drops_messages_with_another_sender<F: TransportFactory>(mut factory: F) {
    let members = connected(&mut factory, 2);
    members[0].send(vote(F::CLUSTER, THREE, TWO, 66));
    members[0].reach(F::CLUSTER, &members[1]);
    members[0].send(vote(F::CLUSTER, ONE, TWO, 7));
    members[1].inbox.wait_until("the true vote has arrived", |r| !r.messages.is_empty());
    assert_eq!(terms(&members[1].inbox), [7]);
}

/// Messages of one kind arrive in order. Pipelined appends out of order would be rejected.
pub fn keeps_the_order_of_messages_of_a_kind<F: TransportFactory>(mut factory: F) {
    const COUNT: u64 = 5_000;
    let members = connected(&mut factory, 2);
    for number in 1..=COUNT {
        let command = Bytes::from(number.to_string());
        members[0].send(append(F::CLUSTER, ONE, TWO, number, command));
        members[0].send(vote(F::CLUSTER, ONE, TWO, number));
    }
    let all = usize::try_from(2 * COUNT).expect("a small number");
    members[1].inbox.wait_until("the burst has arrived", |r| r.messages.len() >= all);
    let record = members[1].inbox.record();
    let mut next: BTreeMap<&str, u64> = BTreeMap::new();
    for message in &record.messages {
        let expected = next.entry(message.body().kind()).or_insert(1);
        let number = if let Body::AppendEntries(append) = message.body() {
            append.round.get()
        } else {
            message.term().get()
        };
        assert_eq!(number, *expected, "{} out of order", message.body().kind());
        *expected += 1;
    }
}

/// Appends far larger than a packet arrive unaltered, also several at once.
pub fn carries_large_appends<F: TransportFactory>(mut factory: F) {
    const COUNT: u64 = 8;
    let members = connected(&mut factory, 2);
    let sent: Vec<Message> =
        (1..=COUNT).map(|index| append(F::CLUSTER, ONE, TWO, index, pattern(MIB, index))).collect();
    for message in &sent {
        members[0].send(message.clone());
    }
    members[1]
        .inbox
        .wait_until("the large appends have arrived", |r| r.messages.len() >= sent.len());
    assert!(members[1].inbox.record().messages == sent, "a large append was altered");
}

/// Messages to an unreachable peer do not block the caller, nor delay messages to other peers.
pub fn send_never_blocks_on_an_unreachable_peer<F: TransportFactory>(mut factory: F) {
    let members = connected(&mut factory, 2);
    set_peers(&mut factory, &members[0], &[TWO, THREE]);
    let (finished, done) = mpsc::channel();
    thread::scope(|scope| {
        let members = &members;
        scope.spawn(move || {
            for index in 1..=100_000 {
                let command = Bytes::from_static(b"command");
                members[0].send(append(F::CLUSTER, ONE, THREE, index, command));
            }
            members[0].send(vote(F::CLUSTER, ONE, TWO, 5));
            members[1].inbox.wait_until("the message to the reachable peer has arrived", |r| {
                !r.messages.is_empty()
            });
            // The receiver may have timed out.
            let _ = finished.send(());
        });
        let in_time = done.recv_timeout(WAIT_MAX / 2);
        assert!(in_time.is_ok(), "100,000 messages to an unreachable peer took too long");
    });
}

/// A transport queues a bounded amount for a peer that was never started and for a peer that has
/// just stopped: at most 256 MiB of the gibibyte that this test sends.
pub fn queues_a_bounded_amount_for_an_unreachable_peer<F: TransportFactory>(mut factory: F) {
    const COUNT: u64 = 1024;
    const HELD_MAX: usize = 256 * MIB;
    let mut members = connected(&mut factory, 2);
    factory.stop(members.remove(1).transport);
    set_peers(&mut factory, &members[0], &[TWO, THREE]);
    let held = Arc::new(AtomicUsize::new(0));
    for to in [TWO, THREE] {
        for index in 1..=COUNT {
            let command = Tracked::bytes(&held, MIB);
            members[0].send(append(F::CLUSTER, ONE, to, index, command));
            let held = held.load(Ordering::Relaxed);
            assert!(held <= HELD_MAX, "{held} bytes are queued for an unreachable peer");
        }
    }
}

/// A vote does not wait behind large appends: an election must not wait until a follower has caught
/// up. A round counts only if less than half of the appends had arrived when the vote was sent.
pub fn large_appends_do_not_delay_votes<F: TransportFactory>(mut factory: F) {
    const ROUNDS: u64 = 5;
    const COUNT: usize = 48;
    let members = connected(&mut factory, 2);
    let (one, two) = (&members[0], &members[1]);
    let command = pattern(MIB, 1);
    for round in 1..=ROUNDS {
        two.inbox.record().messages.clear();
        for index in 1..=COUNT as u64 {
            one.send(append(F::CLUSTER, ONE, TWO, index, command.clone()));
        }
        one.send(vote(F::CLUSTER, ONE, TWO, 1 + round));
        let arrived = two.inbox.record().messages.len();
        two.inbox.wait_until("appends and vote have arrived", |r| r.messages.len() > COUNT);
        let record = two.inbox.record();
        let place = record.messages.iter().position(|message| message.term() == Term(1 + round));
        let place = place.expect("the vote has arrived");
        let held_up = arrived <= COUNT / 2 && place == COUNT;
        assert!(!held_up, "{arrived} of {COUNT} had arrived, and the vote came after all of them");
    }
}

/// Messages to and from a removed peer are dropped until it is a peer again.
pub fn sends_nothing_to_a_removed_peer<F: TransportFactory>(mut factory: F) {
    let members = connected(&mut factory, 3);
    let (one, two, three) = (&members[0], &members[1], &members[2]);
    set_peers(&mut factory, one, &[THREE]);
    one.send(vote(F::CLUSTER, ONE, TWO, 66));
    two.inbox
        .wait_until("the removed peer has reported the loss", |r| r.unreachable_count(ONE) == 1);
    two.send(vote(F::CLUSTER, TWO, ONE, 66));
    // The others are not affected.
    one.send(vote(F::CLUSTER, ONE, THREE, 7));
    three
        .inbox
        .wait_until("the message to the remaining peer has arrived", |r| !r.messages.is_empty());

    set_peers(&mut factory, one, &[TWO, THREE]);
    one.reach(F::CLUSTER, two);
    two.reach(F::CLUSTER, one);
    one.send(vote(F::CLUSTER, ONE, TWO, 8));
    two.inbox.wait_until("the message to the new peer has arrived", |r| !r.messages.is_empty());
    assert_eq!(terms(&two.inbox), [8]);
    assert!(one.inbox.record().messages.is_empty());
}

/// A node that is not a configured peer is refused, whatever its certificate or address: a removed
/// node must not take part in elections.
pub fn accepts_messages_only_from_configured_peers<F: TransportFactory>(mut factory: F) {
    let members = connected(&mut factory, 2);
    let (one, two) = (&members[0], &members[1]);
    let other = start(&mut factory, THREE);
    set_peers(&mut factory, &other, &[ONE, TWO]);
    for member in &members {
        other
            .inbox
            .wait_until("the refusal was reported", |r| r.unreachable_count(member.node) == 1);
        other.send(vote(F::CLUSTER, THREE, member.node, 66));
        member.send(vote(F::CLUSTER, member.node, THREE, 66));
    }
    // The refusals do not affect the configured peers.
    one.reach(F::CLUSTER, two);
    two.reach(F::CLUSTER, one);

    set_peers(&mut factory, one, &[TWO, THREE]);
    other.reach(F::CLUSTER, one);
    one.reach(F::CLUSTER, &other);
    other.send(vote(F::CLUSTER, THREE, ONE, 7));
    one.inbox.wait_until("the message of the new peer has arrived", |r| !r.messages.is_empty());
    assert_eq!(terms(&one.inbox), [7]);
    assert!(two.inbox.record().messages.is_empty() && other.inbox.record().messages.is_empty());
}

/// The loss of a peer is reported once, not once for each message: the core probes the peer again
/// after each report.
pub fn reports_an_unreachable_peer_once<F: TransportFactory>(mut factory: F) {
    let mut members = connected(&mut factory, 3);
    factory.stop(members.remove(2).transport);
    for member in &members {
        member.inbox.wait_until("the loss was reported", |r| r.unreachable_count(THREE) >= 1);
        for term in 1..=100 {
            member.send(vote(F::CLUSTER, member.node, THREE, term));
        }
    }
    members[0].reach(F::CLUSTER, &members[1]);
    for member in &members {
        assert_eq!(member.inbox.record().unreachable, [THREE], "at node {}", member.node);
    }
}

/// A peer that is configured before it starts is reached after it starts.
pub fn reaches_a_peer_that_starts_late<F: TransportFactory>(mut factory: F) {
    let early = start(&mut factory, ONE);
    let late = start(&mut factory, TWO);
    let address = factory.address(TWO);
    factory.stop(late.transport);
    early.transport.set_peers(&[address]);
    early.inbox.wait_until("the absence was reported", |r| r.unreachable_count(TWO) == 1);
    let late = start(&mut factory, TWO);
    set_peers(&mut factory, &late, &[ONE]);
    early.reach(F::CLUSTER, &late);
    late.reach(F::CLUSTER, &early);
}

/// Messages pass in both directions after a peer restarts, whichever node sends first.
pub fn reaches_a_peer_that_was_restarted<F: TransportFactory>(mut factory: F) {
    let mut members = connected(&mut factory, 2);
    for round in 1..=3 {
        factory.stop(members.remove(1).transport);
        let again = start(&mut factory, TWO);
        set_peers(&mut factory, &again, &[ONE]);
        members.push(again);
        let (one, two): (&Member<_>, &Member<_>) = (&members[0], &members[1]);
        if round % 2 == 0 {
            one.reach(F::CLUSTER, two);
        }
        two.reach(F::CLUSTER, one);
        one.reach(F::CLUSTER, two);
        one.send(vote(F::CLUSTER, ONE, TWO, round));
        two.inbox.wait_until("the message to the restarted peer has arrived", |r| {
            !r.messages.is_empty()
        });
        assert_eq!(terms(&two.inbox), [round]);
    }
}

fn terms(inbox: &RecordingInbox) -> Vec<u64> {
    inbox.record().messages.iter().map(|message| message.term().get()).collect()
}

fn every_kind() -> Vec<Body> {
    let at = |term, index| LogId::new(Term(term), LogIndex(index));
    let membership = Membership::of_voters([ONE, TWO, THREE]);
    let entries = vec![
        Entry::empty(at(9, 71)),
        Entry::command(at(9, 72), Bytes::new()),
        Entry::command(at(9, 73), Bytes::from_static(b"\0command\xff")),
        Entry::membership(at(9, 74), membership),
    ];
    vec![
        Body::PreVote(PreVote { campaign_term: Term(10), last_log: at(8, 70) }),
        Body::PreVoteResponse(PreVoteResponse { campaign_term: Term(10), granted: true }),
        Body::RequestVote(RequestVote { last_log: at(8, 70), leadership_transfer: true }),
        Body::RequestVoteResponse(RequestVoteResponse { granted: false }),
        Body::AppendEntries(AppendEntries {
            slice: LogSlice::new(at(8, 70), entries).expect("contiguous entries"),
            commit: LogIndex(70),
            round: Round(u64::from(u32::MAX)),
        }),
        Body::AppendEntriesResponse(AppendEntriesResponse {
            round: Round(1),
            outcome: AppendOutcome::Matched { match_index: LogIndex(74) },
        }),
        Body::AppendEntriesResponse(AppendEntriesResponse {
            round: Round(2),
            outcome: AppendOutcome::Rejected {
                prev_index: LogIndex(70),
                last_index: LogIndex(60),
                hint: at(7, 55),
            },
        }),
        Body::TimeoutNow(TimeoutNow { last_log: at(9, 74) }),
        Body::TimeoutNowResponse(TimeoutNowResponse { reason: DeclineReason::NotVoter }),
        Body::ReadIndex(ReadIndex { id: ReadIndexId(u64::MAX) }),
        Body::ReadIndexResponse(ReadIndexResponse {
            id: ReadIndexId(u64::MAX),
            read_index: Some(LogIndex(74)),
        }),
    ]
}

/// Pseudorandom bytes.
fn pattern(length: usize, seed: u64) -> Bytes {
    let mut generator = Prng::new(seed);
    std::iter::repeat_with(|| generator.next_u64().to_le_bytes()[7]).take(length).collect()
}

/// Bytes that are counted until they are dropped.
struct Tracked {
    bytes: Vec<u8>,
    held: Arc<AtomicUsize>,
}

impl Tracked {
    fn bytes(held: &Arc<AtomicUsize>, length: usize) -> Bytes {
        held.fetch_add(length, Ordering::Relaxed);
        Bytes::from_owner(Self { bytes: vec![7; length], held: held.clone() })
    }
}

impl AsRef<[u8]> for Tracked {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}
