//! The rules about transfers of snapshots. A function panics if its rule is violated.

use std::num::NonZeroU64;
use std::time::Duration;

use raft_core::ports::{
    SnapshotOffer, SnapshotOutcome, SnapshotRefusal, SnapshotTransfer, Transport,
};
use raft_core::{ClusterId, LogId, LogIndex, NodeId, Term};

use super::factory::TransportFactory;
use super::members::{Member, connected, set_peers};
use super::messages::vote;
use super::snapshot_host::{Received, Sent};

const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);
const THREE: NodeId = NodeId(3);
const MIB: u64 = 1 << 20;
/// More than a transport may read ahead.
const LARGE: u64 = 96 * MIB;
/// The most that a transport may read ahead of the receiving host, buffers of the network included.
const AHEAD_BYTES_MAX: u64 = 32 * MIB;

fn offer(cluster: ClusterId, to: NodeId, index: u64, size_bytes: u64) -> SnapshotOffer {
    SnapshotOffer {
        message: vote(cluster, ONE, to, 7),
        last: LogId::new(Term(3), LogIndex(index)),
        size_bytes,
        checksum: 0xfeed_f00d,
    }
}

/// Starts a transfer from node 1 without a limit of the rate.
fn send<T: Transport>(from: &Member<T>, offer: SnapshotOffer) -> Sent {
    let sent = Sent::default();
    let data = sent.data();
    from.transport.send_snapshot(SnapshotTransfer { offer, data, bytes_per_second_max: None });
    sent
}

fn received<T>(member: &Member<T>) -> &Received {
    &member.inbox.snapshots
}

fn hold<T>(member: &Member<T>, at: u64) {
    received(member).change(|state| state.hold_at = Some(at));
}

fn release<T>(member: &Member<T>) {
    received(member).change(|state| state.hold_at = None);
}

/// The offer and all bytes of the data arrive, in sequence and unaltered: also of data without any
/// bytes, and of data that is no multiple of a chunk.
pub fn snapshot_arrives_byte_for_byte<F: TransportFactory>(mut factory: F) {
    let members = connected(&mut factory, 2);
    let sizes = [0, 1, 5 * MIB + 123];
    for (index, size_bytes) in (1..).zip(sizes) {
        let offer = offer(F::CLUSTER, TWO, index, size_bytes);
        let sent = send(&members[0], offer.clone());
        assert_eq!(sent.outcome(), SnapshotOutcome::Accepted, "of {size_bytes} bytes");
        let state = received(&members[1]).state();
        assert_eq!(state.received_bytes, size_bytes);
        assert_eq!(state.wrong_byte_at, None, "of {size_bytes} bytes");
        assert_eq!(state.finished.last(), Some(&offer));
        assert_eq!(state.offers.last(), Some(&(ONE, offer)));
    }
    assert!(members[1].inbox.record().messages.is_empty(), "the transport delivered the message");
}

/// After the loss of a connection the data continues at the offset that the receiver requests.
pub fn broken_snapshot_resumes_at_an_offset<F: TransportFactory>(mut factory: F) {
    let members = connected(&mut factory, 2);
    let (one, two) = (&members[0], &members[1]);
    hold(two, MIB);
    let offer = offer(F::CLUSTER, TWO, 9, 24 * MIB);
    let sent = send(one, offer.clone());
    received(two).wait_until("a part has arrived", |state| state.received_bytes >= MIB);
    set_peers(&mut factory, one, &[]);
    release(two);
    let outcome = sent.outcome();
    assert!(matches!(outcome, SnapshotOutcome::Broken { .. }), "{outcome}");
    received(two).wait_until("the transfer has ended", |state| state.dropped == 1);
    let resumed_at = received(two).state().received_bytes;
    assert!(resumed_at >= MIB && received(two).state().finished.is_empty());

    set_peers(&mut factory, one, &[TWO]);
    one.reach(F::CLUSTER, two);
    let sent = send(one, offer.clone());
    assert_eq!(sent.outcome(), SnapshotOutcome::Accepted);
    assert_eq!(sent.read(), Some((resumed_at, 24 * MIB)), "the data that was read again");
    let state = received(two).state();
    assert_eq!((state.received_bytes, state.wrong_byte_at), (24 * MIB, None));
    assert_eq!(state.finished, [offer]);
}

/// Altered data is detected before the host receives it. Not tested with a transport into which no
/// error can be injected.
pub fn altered_chunk_of_a_snapshot_is_refused<F: TransportFactory>(mut factory: F) {
    let members = connected(&mut factory, 2);
    let (one, two) = (&members[0], &members[1]);
    hold(two, MIB);
    let sent = send(one, offer(F::CLUSTER, TWO, 9, 24 * MIB));
    received(two).wait_until("a part has arrived", |state| state.received_bytes >= MIB);
    let injects = factory.corrupt_snapshots(ONE, TWO);
    release(two);
    let outcome = sent.outcome();
    if !injects {
        assert_eq!(outcome, SnapshotOutcome::Accepted);
        return;
    }
    let is_corrupt = matches!(outcome, SnapshotOutcome::Refused(SnapshotRefusal::Corrupt(_)));
    assert!(is_corrupt, "{outcome}");
    let state = received(two).state();
    assert_eq!((state.wrong_byte_at, state.finished.len()), (None, 0));
}

/// A receiver that does not write stops the sender after a bounded number of chunks, and does not
/// delay messages in either direction.
pub fn slow_receiver_of_a_snapshot_bounds_memory_and_delays_no_message<F: TransportFactory>(
    mut factory: F,
) {
    const PROBES: usize = 100;
    let members = connected(&mut factory, 2);
    let (one, two) = (&members[0], &members[1]);
    hold(two, 0);
    let sent = send(one, offer(F::CLUSTER, TWO, 9, LARGE));
    received(two).wait_until("the offer has arrived", |state| !state.offers.is_empty());
    let read_end = || sent.read().map_or(0, |(_, end)| end);
    // The sender reads as far ahead as it can: until it stands still for some round trips.
    let mut ahead = None;
    while ahead != Some(read_end()) {
        ahead = Some(read_end());
        for _ in 0..PROBES {
            one.reach(F::CLUSTER, two);
            two.reach(F::CLUSTER, one);
        }
    }
    assert_eq!(received(two).state().received_bytes, 0);
    let ahead = read_end();
    assert!(ahead <= AHEAD_BYTES_MAX, "{ahead} bytes were read ahead of the receiver");
    release(two);
    assert_eq!(sent.outcome(), SnapshotOutcome::Accepted);
    assert_eq!(received(two).state().wrong_byte_at, None);
    assert!(one.inbox.record().unreachable.is_empty() && two.inbox.record().unreachable.is_empty());
}

/// The sending host can cancel a transfer, and start another one afterwards.
pub fn cancelled_snapshot_ends_at_both_hosts<F: TransportFactory>(mut factory: F) {
    let members = connected(&mut factory, 2);
    let (one, two) = (&members[0], &members[1]);
    hold(two, MIB);
    let sent = send(one, offer(F::CLUSTER, TWO, 9, LARGE));
    received(two).wait_until("a part has arrived", |state| state.received_bytes >= MIB);
    one.transport.cancel_snapshot(TWO);
    release(two);
    assert_eq!(sent.outcome(), SnapshotOutcome::Cancelled);
    received(two).wait_until("the receiver has learned of it", |state| state.dropped == 1);
    assert!(received(two).state().finished.is_empty());
    let next = send(one, offer(F::CLUSTER, TWO, 10, MIB));
    assert_eq!(next.outcome(), SnapshotOutcome::Accepted);
}

/// A peer has one transfer at a time: a newer snapshot replaces an older one.
pub fn newer_snapshot_replaces_the_one_in_progress<F: TransportFactory>(mut factory: F) {
    let members = connected(&mut factory, 2);
    let (one, two) = (&members[0], &members[1]);
    hold(two, MIB);
    let older = send(one, offer(F::CLUSTER, TWO, 9, LARGE));
    received(two).wait_until("a part has arrived", |state| state.received_bytes >= MIB);
    let newer = offer(F::CLUSTER, TWO, 10, 3 * MIB);
    let sent = send(one, newer.clone());
    release(two);
    assert_eq!(older.outcome(), SnapshotOutcome::Cancelled);
    assert_eq!(sent.outcome(), SnapshotOutcome::Accepted);
    let state = received(two).state();
    assert_eq!((&state.finished, state.wrong_byte_at), (&vec![newer], None));
}

/// The reason of a refusal reaches the sender, before any data and after a part of it. A receiver
/// that has all of the data gets none.
pub fn refusal_of_a_snapshot_reaches_the_sender<F: TransportFactory>(mut factory: F) {
    let members = connected(&mut factory, 2);
    let (one, two) = (&members[0], &members[1]);
    let old = SnapshotRefusal::NotWanted("the log is ahead of it".to_owned());
    received(two).change(|state| state.response = Some(Err(old.clone())));
    let sent = send(one, offer(F::CLUSTER, TWO, 9, LARGE));
    assert_eq!(sent.outcome(), SnapshotOutcome::Refused(old));
    assert_eq!(sent.read(), None);

    received(two).change(|state| state.response = Some(Ok(())));
    let sent = send(one, offer(F::CLUSTER, TWO, 9, LARGE));
    assert_eq!(sent.outcome(), SnapshotOutcome::Accepted);
    assert_eq!(sent.read(), None);

    let full = SnapshotRefusal::Failed("no space is left".to_owned());
    received(two).change(|state| {
        state.response = None;
        state.fail_at = Some((MIB, full.clone()));
    });
    let sent = send(one, offer(F::CLUSTER, TWO, 9, LARGE));
    assert_eq!(sent.outcome(), SnapshotOutcome::Refused(full));
    let (_, end) = sent.read().expect("a part was read");
    assert!(end <= AHEAD_BYTES_MAX + MIB, "{end} bytes were read for a receiver that refuses them");
    one.reach(F::CLUSTER, two);
}

/// Two peers receive snapshots at the same time, and neither waits for the other.
pub fn snapshots_to_different_peers_are_independent<F: TransportFactory>(mut factory: F) {
    let members = connected(&mut factory, 3);
    let (one, two, three) = (&members[0], &members[1], &members[2]);
    hold(two, MIB);
    let to_two = send(one, offer(F::CLUSTER, TWO, 9, 8 * MIB));
    received(two).wait_until("a part has arrived", |state| state.received_bytes >= MIB);
    let to_three = send(one, offer(F::CLUSTER, THREE, 9, 8 * MIB));
    assert_eq!(to_three.outcome(), SnapshotOutcome::Accepted);
    assert!(!to_two.has_ended());
    release(two);
    assert_eq!(to_two.outcome(), SnapshotOutcome::Accepted);
    for member in [two, three] {
        assert_eq!(received(member).state().wrong_byte_at, None, "at node {}", member.node);
    }
}

/// The bound is the least possible time; a slow machine only adds to it.
pub fn rate_limit_of_a_snapshot_holds<F: TransportFactory>(mut factory: F) {
    const RATE: u64 = 256 * 1024;
    const SIZE: u64 = RATE / 2;
    let members = connected(&mut factory, 2);
    let sent = Sent::default();
    let started = factory.now();
    members[0].transport.send_snapshot(SnapshotTransfer {
        offer: offer(F::CLUSTER, TWO, 9, SIZE),
        data: sent.data(),
        bytes_per_second_max: NonZeroU64::new(RATE),
    });
    assert_eq!(sent.outcome(), SnapshotOutcome::Accepted);
    let elapsed = factory.now() - started;
    // The first chunk, which is not delayed, has at most a quarter of a second's bytes.
    assert!(elapsed >= Duration::from_millis(250), "{SIZE} bytes took {elapsed:?}");
}

/// The host receives no call after its transport was stopped, and the sender learns of the loss.
pub fn snapshot_reaches_no_host_after_shutdown<F: TransportFactory>(mut factory: F) {
    let mut members = connected(&mut factory, 2);
    let sent = Sent::default();
    members[0].transport.send_snapshot(SnapshotTransfer {
        offer: offer(F::CLUSTER, TWO, 9, LARGE),
        data: sent.data(),
        bytes_per_second_max: NonZeroU64::new(4 * MIB),
    });
    let two = members.remove(1);
    received(&two).wait_until("a part has arrived", |state| state.received_bytes > 0);
    factory.stop(two.transport);
    two.inbox.snapshots.change(|state| state.stopped = true);
    let outcome = sent.outcome();
    assert!(matches!(outcome, SnapshotOutcome::Broken { .. }), "{outcome}");
    let state = two.inbox.snapshots.state();
    assert_eq!((state.late_calls, state.finished.len()), (0, 0));
}

/// A transfer to a peer without a connection ends with a report, and so does one to a node that is
/// no peer.
pub fn snapshot_to_an_unreachable_peer_is_reported<F: TransportFactory>(mut factory: F) {
    let members = connected(&mut factory, 2);
    set_peers(&mut factory, &members[0], &[TWO, THREE]);
    for to in [THREE, NodeId(4)] {
        let sent = send(&members[0], offer(F::CLUSTER, to, 9, MIB));
        let outcome = sent.outcome();
        assert!(matches!(outcome, SnapshotOutcome::Broken { offset: 0, .. }), "{to}: {outcome}");
        assert_eq!(sent.read(), None);
    }
}

/// A node receives a bounded number of snapshots at the same time and refuses further ones.
pub fn too_many_incoming_snapshots_are_refused<F: TransportFactory>(mut factory: F) {
    const RECEIVER: NodeId = NodeId(1);
    let senders = F::SNAPSHOTS_INCOMING_MAX + 1;
    let members = connected(&mut factory, senders as u64 + 1);
    let receiver = &members[0];
    hold(receiver, 0);
    let transfers: Vec<Sent> = (1..)
        .zip(&members[1..])
        .map(|(count, member)| {
            let message = vote(F::CLUSTER, member.node, RECEIVER, 7);
            let sent = send(member, SnapshotOffer { message, ..offer(F::CLUSTER, RECEIVER, 9, 1) });
            if count < senders {
                received(receiver)
                    .wait_until("the offer has arrived", |state| state.offers.len() >= count);
            }
            sent
        })
        .collect();
    let (refused, accepted) = transfers.split_last().expect("transfers");
    assert_eq!(refused.outcome(), SnapshotOutcome::Refused(SnapshotRefusal::Busy));
    release(receiver);
    for sent in accepted {
        assert_eq!(sent.outcome(), SnapshotOutcome::Accepted);
    }
}
