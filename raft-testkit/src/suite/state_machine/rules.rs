//! The rules, one function each. A function panics if its rule is violated. Its argument makes the
//! factory of one node and is called once for each node of the test.

use std::panic::AssertUnwindSafe;
use std::thread;

use bytes::Bytes;
use raft_core::ports::{SnapshotSource, StateMachine, StorageFailure};
use raft_core::{LogIndex, Prng};

use super::factory::StateMachineFactory;
use super::node::{Captured, Node, read};
use super::sources::{Crashing, Failing, ShortReads};

/// Entries before a capture, and after it.
const COUNT: u64 = 120;
/// An offset that makes a different log.
const OTHER_LOG: u64 = 1_000_000;

/// Every node applies the same log, so any other influence makes the nodes diverge.
pub fn same_commands_give_the_same_outputs_and_state<F: StateMachineFactory>(
    mut fresh: impl FnMut() -> F,
) {
    let (mut one, mut other) = (Node::new(fresh()), Node::new(fresh()));
    assert_eq!(one.run(COUNT), other.run(COUNT), "the outputs differ");
    assert_eq!(one.observed(), other.observed(), "the states differ");
}

/// Nodes divide the log into different batches.
pub fn the_division_into_batches_does_not_matter<F: StateMachineFactory>(
    mut fresh: impl FnMut() -> F,
) {
    let (mut one, mut other) = (Node::new(fresh()), Node::new(fresh()));
    let at_once = one.apply(COUNT);
    one.flush();
    let mut singly = Vec::new();
    for _ in 0..COUNT {
        singly.extend(other.apply(1));
        other.flush();
    }
    assert_eq!(at_once, singly, "the outputs differ");
    assert_eq!(one.observed(), other.observed(), "the states differ");
}

/// The node flushes when the staged bytes exceed its limit. If a flush did not reset them, it would
/// flush after every command.
pub fn staged_bytes_are_zero_after_a_flush<F: StateMachineFactory>(mut fresh: impl FnMut() -> F) {
    let mut node = Node::new(fresh());
    assert_eq!(node.machine().staged_bytes(), 0, "in an empty state machine");
    for _ in 0..3 {
        node.apply(COUNT);
        node.flush();
        assert_eq!(node.machine().staged_bytes(), 0, "after a flush");
    }
    let captured = node.capture();
    node.restore(&captured);
    assert_eq!(node.machine().staged_bytes(), 0, "after a restore");
}

/// The log is compacted up to the durable index: an index that is too high loses entries.
pub fn durable_applied_never_exceeds_the_last_flush<F: StateMachineFactory>(
    mut fresh: impl FnMut() -> F,
) {
    let mut node = Node::new(fresh());
    let mut flushed = LogIndex::ZERO;
    let mut earlier = LogIndex::ZERO;
    for round in 0..COUNT {
        node.apply(1 + round % 5);
        let durable = node.durable_applied();
        assert!(durable <= flushed, "{durable} is durable, but the last flush was at {flushed}");
        assert!(earlier <= durable, "the durable index fell from {earlier} to {durable}");
        node.flush();
        flushed = node.last;
        earlier = durable;
        if round.is_multiple_of(40) {
            drop(node.capture());
        }
    }
}

/// After a crash the applied index is that of a flush and not below the durable index, the state is
/// that of the applied index, and the log brings the state machine back to where it was.
pub fn a_crash_loses_nothing_that_is_durable<F: StateMachineFactory>(mut fresh: impl FnMut() -> F) {
    const ROUNDS: u64 = 6;
    let (mut node, mut reference) = (Node::new(fresh()), Node::new(fresh()));
    let mut outputs = Vec::new();
    for round in 0..ROUNDS {
        let target = (round + 1) * COUNT;
        let first = node.last.get();
        outputs.truncate(usize::try_from(first).expect("a small number"));
        outputs.extend(node.run(target - first));
        let flushed = node.last;
        if round.is_multiple_of(2) {
            drop(node.capture_unread());
        }
        let durable = node.durable_applied();
        // A part of the next batch, which is not flushed.
        node.apply(round);
        let applied = node.crash();
        assert!(applied >= durable, "{durable} was durable, but {applied} is left after a crash");
        assert!(applied <= flushed, "{applied} is applied, but the last flush was at {flushed}");
        expect_state_at(&mut fresh, &mut node, applied);
    }
    let last = ROUNDS * COUNT;
    let first = node.last.get();
    outputs.truncate(usize::try_from(first).expect("a small number"));
    outputs.extend(node.run(last - first));
    assert_eq!(outputs, reference.run(last), "an output differs after a crash");
    assert_eq!(node.observed(), reference.observed(), "the state differs after a crash");
}

/// A new follower, or one that is far behind, begins with a captured state.
pub fn captured_state_restores_into_an_empty_machine<F: StateMachineFactory>(
    mut fresh: impl FnMut() -> F,
) {
    let captured = Node::after(fresh(), COUNT).capture();
    let mut restored = Node::new(fresh());
    restored.restore(&captured);
    assert_eq!(restored.observed(), captured.observed, "the restored state differs");
    // The state of an empty machine is a state as well.
    let empty = Node::new(fresh()).capture();
    restored.restore(&empty);
    assert_eq!(restored.observed(), empty.observed, "the restored empty state differs");
}

/// Nothing of the state before a restore remains.
pub fn captured_state_replaces_an_existing_state<F: StateMachineFactory>(
    mut fresh: impl FnMut() -> F,
) {
    let captured = Node::after(fresh(), COUNT).capture();
    let mut restored = Node::new(fresh());
    restored.offset = OTHER_LOG;
    restored.run(COUNT / 2);
    restored.restore(&captured);
    assert_eq!(restored.observed(), captured.observed, "the restored state differs");
}

/// What decides later outputs is part of the captured state, whether or not a query shows it.
pub fn restored_machine_continues_like_the_original<F: StateMachineFactory>(
    mut fresh: impl FnMut() -> F,
) {
    let mut original = Node::after(fresh(), COUNT);
    let captured = original.capture();
    let mut restored = Node::new(fresh());
    restored.restore(&captured);
    assert_eq!(restored.run(COUNT), original.run(COUNT), "an output differs after a restore");
    assert_eq!(restored.observed(), original.observed(), "the states diverge after a restore");
}

/// A follower that was restored may lead next and send its own snapshot.
pub fn restored_machine_can_be_captured<F: StateMachineFactory>(mut fresh: impl FnMut() -> F) {
    let mut original = Node::after(fresh(), COUNT);
    let mut second = Node::new(fresh());
    second.restore(&original.capture());
    let mut third = Node::new(fresh());
    third.restore(&second.capture());
    assert_eq!(third.observed(), original.observed(), "the restored state differs");
    assert_eq!(third.run(COUNT), original.run(COUNT), "an output differs after two restores");
}

/// The state is captured while commands are applied: later commands are not part of it, whether
/// they are applied before, between or during the reads.
pub fn captured_state_is_that_at_its_capture<F: StateMachineFactory>(mut fresh: impl FnMut() -> F) {
    let mut node = Node::after(fresh(), COUNT);
    let captured = node.capture();
    let (mut between, mut during) = (node.capture_unread(), node.capture_unread());
    node.run(COUNT / 4);
    let bytes = read_while(&mut *between, |_| {
        node.run(1);
    });
    expect_state(&mut fresh, &captured, bytes);
    let bytes = thread::scope(|scope| {
        let reader = scope.spawn(|| read(&mut *during, 100));
        node.run(COUNT);
        reader.join().expect("a captured state can be read on another thread")
    });
    expect_state(&mut fresh, &captured, bytes);
}

/// A second snapshot may be captured while the first one is still sent.
pub fn captured_states_are_independent<F: StateMachineFactory>(mut fresh: impl FnMut() -> F) {
    let mut node = Node::after(fresh(), COUNT);
    let first = node.capture();
    let mut first_source = node.capture_unread();
    node.run(COUNT);
    let second = node.capture();
    let mut second_source = node.capture_unread();
    drop(node.capture_unread());
    node.run(COUNT);
    expect_state(&mut fresh, &second, read(&mut *second_source, 1 << 10));
    drop(second_source);
    expect_state(&mut fresh, &first, read(&mut *first_source, 1 << 10));
}

/// A leader that loses its leadership may restore a state while it still sends its own.
pub fn captured_state_remains_readable_after_a_restore<F: StateMachineFactory>(
    mut fresh: impl FnMut() -> F,
) {
    let later = Node::after(fresh(), 2 * COUNT).capture();
    let mut node = Node::after(fresh(), COUNT);
    let captured = node.capture();
    let mut source = node.capture_unread();
    node.restore(&later);
    expect_state(&mut fresh, &captured, read(&mut *source, 1 << 10));
    assert_eq!(node.observed(), later.observed, "reading a captured state changed the current one");
}

/// A read may return fewer bytes than the buffer holds, on both sides.
pub fn short_reads_restore_the_same_state<F: StateMachineFactory>(mut fresh: impl FnMut() -> F) {
    let mut node = Node::after(fresh(), COUNT);
    let captured = node.capture();
    let bytes = read(&mut *node.capture_unread(), 7);
    let mut restored = Node::new(fresh());
    restored
        .restore_from(&captured, &mut ShortReads(bytes))
        .unwrap_or_else(|error| panic!("short reads are not restored: {error}"));
    assert_eq!(restored.observed(), captured.observed, "the restored state differs");
}

/// A part of a state is not a state.
pub fn truncated_state_is_refused<F: StateMachineFactory>(mut fresh: impl FnMut() -> F) {
    let captured = Node::after(fresh(), COUNT).capture();
    let length = captured.bytes.len();
    assert!(length > 0, "a captured state has no bytes: a truncated one cannot be detected");
    let sources = [0, 1, length / 3, length / 2, length - 1]
        .map(|length| Box::new(captured.bytes.slice(..length)) as Box<dyn SnapshotSource>);
    expect_refused(&mut fresh, &captured, sources);
}

/// Bytes after the end belong to something else.
pub fn extended_state_is_refused<F: StateMachineFactory>(mut fresh: impl FnMut() -> F) {
    let captured = Node::after(fresh(), COUNT).capture();
    let sources = [vec![0], captured.bytes.to_vec()].map(|tail| {
        let bytes = [captured.bytes.to_vec(), tail].concat();
        Box::new(Bytes::from(bytes)) as Box<dyn SnapshotSource>
    });
    expect_refused(&mut fresh, &captured, sources);
}

/// The bytes may come from another state machine.
pub fn state_of_another_kind_is_refused<F: StateMachineFactory>(mut fresh: impl FnMut() -> F) {
    let captured = Node::after(fresh(), COUNT).capture();
    let mut prng = Prng::new(7);
    let random: Vec<u8> =
        std::iter::repeat_with(|| prng.next_u64().to_le_bytes()[3]).take(4096).collect();
    let sources = [random, vec![0; 4096], b"some text\n".to_vec()]
        .map(|bytes| Box::new(Bytes::from(bytes)) as Box<dyn SnapshotSource>);
    expect_refused(&mut fresh, &captured, sources);
}

/// The host verifies the bytes of a snapshot. Should a changed byte pass, the state machine refuses
/// it or restores some state; it does not panic, and a refusal changes nothing.
pub fn changed_bytes_are_refused_or_restored<F: StateMachineFactory>(mut fresh: impl FnMut() -> F) {
    const CHANGES: usize = 24;
    let captured = Node::after(fresh(), COUNT).capture();
    let mut node = Node::new(fresh());
    for change in 0..CHANGES {
        let mut bytes = captured.bytes.to_vec();
        let at = change * bytes.len() / CHANGES;
        bytes[at] ^= 1 << (change % 8);
        let before = node.observed();
        if node.restore_from(&captured, &mut Bytes::from(bytes)).is_err() {
            assert_eq!(node.observed(), before, "a refused state changed the current one");
        }
    }
    node.restore(&captured);
    assert_eq!(node.observed(), captured.observed, "the restored state differs");
}

/// The disk that holds the snapshot may fail.
pub fn failing_source_is_refused<F: StateMachineFactory>(mut fresh: impl FnMut() -> F) {
    let captured = Node::after(fresh(), COUNT).capture();
    let length = captured.bytes.len();
    let sources = [0, length / 2, length]
        .map(|length| Box::new(Failing(captured.bytes.slice(..length))) as Box<dyn SnapshotSource>);
    expect_refused(&mut fresh, &captured, sources);
}

/// A restored state survives a crash if the state machine reports it as durable. Otherwise the
/// state machine is empty again, and the host restores the snapshot again.
pub fn a_crash_after_a_restore_keeps_what_is_durable<F: StateMachineFactory>(
    mut fresh: impl FnMut() -> F,
) {
    let mut original = Node::after(fresh(), COUNT);
    let captured = original.capture();
    let mut node = Node::new(fresh());
    let empty = node.observed();
    node.restore(&captured);
    let durable = node.durable_applied();
    assert!(durable <= captured.last.index, "{durable} is durable after {}", captured.last);
    let applied = node.crash();
    assert!(applied >= durable, "{durable} was durable, but {applied} is left after a crash");
    if applied == LogIndex::ZERO {
        assert_eq!(node.observed(), empty, "a part of a restored state is left after a crash");
        node.restore(&captured);
    }
    assert_eq!(node.observed(), captured.observed, "the restored state differs after a crash");
    assert_eq!(node.run(COUNT), original.run(COUNT), "an output differs after a crash");
}

/// A crash in the middle of a restore leaves no mixture.
pub fn a_crash_during_a_restore_keeps_the_old_state<F: StateMachineFactory>(
    mut fresh: impl FnMut() -> F,
) {
    let captured = Node::after(fresh(), 2 * COUNT).capture();
    let (mut node, mut reference) = (Node::new(fresh()), Node::new(fresh()));
    for length in [captured.bytes.len() / 2, captured.bytes.len()] {
        let first = node.last.get();
        node.run(COUNT - first);
        let durable = node.durable_applied();
        let mut source = Crashing(captured.bytes.slice(..length));
        let crashed = std::panic::catch_unwind(AssertUnwindSafe(|| {
            node.restore_from(&captured, &mut source)
        }));
        assert!(crashed.is_err(), "a state is restored that was not read to its end");
        let applied = node.crash();
        assert!(applied >= durable, "{durable} was durable, but {applied} is left after a crash");
        assert!(applied.get() <= COUNT, "{applied} is applied, but the restore was not completed");
        expect_state_at(&mut fresh, &mut node, applied);
    }
    let first = node.last.get();
    node.run(COUNT - first);
    reference.run(COUNT);
    assert_eq!(node.observed(), reference.observed(), "the old state differs after a crash");
    assert_eq!(node.run(COUNT), reference.run(COUNT), "an output differs after a crash");
}

/// Each source is refused by a machine with a state of its own, which it keeps.
fn expect_refused<F: StateMachineFactory, const SOURCES: usize>(
    fresh: &mut impl FnMut() -> F,
    captured: &Captured,
    sources: [Box<dyn SnapshotSource>; SOURCES],
) {
    let (mut node, mut reference) =
        (Node::after(fresh(), COUNT / 2), Node::after(fresh(), COUNT / 2));
    let before = node.observed();
    for (number, mut source) in sources.into_iter().enumerate() {
        let restored = node.restore_from(captured, &mut *source);
        let Err(StorageFailure { reason }) = restored else {
            panic!("the unusable state {number} is restored");
        };
        assert!(!reason.is_empty(), "the failure has no reason");
        assert_eq!(node.observed(), before, "a refused state changed the current one");
    }
    assert_eq!(node.run(COUNT), reference.run(COUNT), "a refused state changed a later output");
}

/// The bytes restore the state that was observed at the capture.
fn expect_state<F: StateMachineFactory>(
    fresh: &mut impl FnMut() -> F,
    captured: &Captured,
    bytes: Bytes,
) {
    let mut restored = Node::new(fresh());
    restored.restore(&Captured { bytes, ..captured.clone() });
    assert_eq!(restored.observed(), captured.observed, "the captured state has changed");
}

/// After a crash the state is that of the applied index.
fn expect_state_at<F: StateMachineFactory>(
    fresh: &mut impl FnMut() -> F,
    node: &mut Node<F>,
    applied: LogIndex,
) {
    let expected = Node::after(fresh(), applied.get()).observed();
    assert_eq!(node.observed(), expected, "the state after a crash is not that of {applied}");
}

/// Reads a captured state in small parts, and calls `then` after each of the first ones.
fn read_while(source: &mut dyn SnapshotSource, mut then: impl FnMut(u64)) -> Bytes {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16];
    for part in 0_u64.. {
        match source.read(&mut buffer).expect("a captured state can be read") {
            0 => break,
            length => bytes.extend_from_slice(&buffer[..length]),
        }
        if part < COUNT {
            then(part);
        }
    }
    Bytes::from(bytes)
}
