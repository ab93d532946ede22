//! One function a rule. Each takes a fresh factory and panics if its store breaks the rule.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use raft_core::ports::{LogReader, LogStore, StoreError};
use raft_core::{
    BrokenMark, Entry, HardState, LogIndex, Membership, NodeId, Persist, Recovered, Term,
};

use super::StoreFactory;
use super::changes::{
    append, assert_log, entries, entry, hard_state, id, membership, nothing, open, open_with, read,
    read_all, replace,
};

/// A store that was never written to holds nothing, also after a restart.
pub fn an_empty_store_recovers_to_nothing<F: StoreFactory>(factory: &mut F) {
    for _ in 0..2 {
        let (store, recovered) = open(factory);
        assert_eq!(recovered, Recovered::default());
        assert_eq!(read_all(&store, 1), []);
        assert_eq!(read_all(&store, 0), []);
    }
}

/// What `persist` returned for is there, before and after a restart.
pub fn what_was_appended_is_recovered<F: StoreFactory>(factory: &mut F) {
    let store = open_with(factory, &[append(entries(1, 1, 3)), append(entries(2, 4, 5))]);
    let expected = [entries(1, 1, 3), entries(2, 4, 5)].concat();
    assert_eq!(read_all(&store, 1), expected);
    drop(store);
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &expected);
}

/// Payloads of every kind come back as they were: nothing, an empty command, bytes of every
/// value, configurations simple and joint.
pub fn entries_of_every_kind_come_back<F: StoreFactory>(factory: &mut F) {
    let joint = Membership {
        voters: [NodeId(1), NodeId(2)].into(),
        outgoing: [NodeId(1), NodeId(3)].into(),
        learners: [NodeId(4)].into(),
    };
    let expected = vec![
        Entry::empty(id(1, 1)),
        Entry::command(id(1, 2), Bytes::new()),
        Entry::command(id(1, 3), (0..=u8::MAX).collect()),
        membership(1, 4, &[1, 2, 3]),
        Entry { id: id(1, 5), payload: raft_core::Payload::Membership(joint) },
    ];
    drop(open_with(factory, &[append(expected.clone())]));
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &expected);
}

/// A restarted store takes the next entry where the old one left off.
pub fn appends_continue_after_a_restart<F: StoreFactory>(factory: &mut F) {
    drop(open_with(factory, &[append(entries(1, 1, 3))]));
    let mut store = open(factory).0;
    store.persist(&[append(entries(1, 4, 5))]).expect("continues");
    drop(store);
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &entries(1, 1, 5));
}

/// A conflicting suffix and what replaces it change places at once (Raft §5.3).
pub fn a_truncation_and_its_append_are_one_change<F: StoreFactory>(factory: &mut F) {
    let store = open_with(
        factory,
        &[append(entries(1, 1, 3)), append(entries(1, 4, 6)), replace(entries(2, 5, 5))],
    );
    let expected = [entries(1, 1, 4), entries(2, 5, 5)].concat();
    assert_eq!(read_all(&store, 1), expected);
    drop(store);
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &expected);
}

/// However entries were grouped when they were written, each can be the first to go.
pub fn a_truncation_may_fall_anywhere_in_an_earlier_append<F: StoreFactory>(factory: &mut F) {
    drop(open_with(factory, &[append(entries(1, 1, 20))]));
    let mut expected = entries(1, 1, 20);
    for (term, from) in (2..).zip([20, 19, 15, 14, 14, 9, 2, 1]) {
        let mut store = open(factory).0;
        store.persist(&[replace(entries(term, from, from + 2))]).expect("replaces");
        expected.retain(|entry| entry.index() < LogIndex(from));
        expected.extend(entries(term, from, from + 2));
        assert_eq!(read_all(&store, 1), expected, "truncated from {from}");
        drop(store);
        let (store, recovered) = open(factory);
        assert_log(&store, &recovered, &expected);
    }
}

/// A log that was cut and grows again never shows entries from before the cut.
pub fn a_truncated_tail_never_returns<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 9)), replace(entries(2, 3, 3))]);
    let mut expected = [entries(1, 1, 2), entries(2, 3, 3)].concat();
    for index in 4..=9 {
        assert_eq!(read_all(&store, 1), expected);
        store.persist(&[append(entries(2, index, index))]).expect("appends");
        expected.push(entry(2, index));
    }
    drop(store);
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &expected);
}

/// Term, vote and commit come back as last written.
pub fn the_hard_state_is_recovered<F: StoreFactory>(factory: &mut F) {
    let steps = [(1, None, 0), (1, Some(2), 0), (1, Some(2), 1), (5, None, 1), (5, Some(3), 1)];
    drop(open_with(factory, &[append(entries(1, 1, 1))]));
    for (term, voted_for, commit) in steps {
        let mut store = open(factory).0;
        store.persist(&[hard_state(term, voted_for, commit)]).expect("persists");
        drop(store);
        let voted_for = voted_for.map(NodeId);
        let expected = HardState { term: Term(term), voted_for, commit: LogIndex(commit) };
        assert_eq!(open(factory).1.hard_state, expected);
    }
}

/// A change that says nothing of the hard state leaves it alone.
pub fn the_hard_state_outlives_changes_without_one<F: StoreFactory>(factory: &mut F) {
    let alone = Persist { hard_state: None, ..append(entries(3, 1, 4)) };
    drop(open_with(factory, &[hard_state(3, Some(1), 0), alone]));
    let expected = HardState { term: Term(3), voted_for: Some(NodeId(1)), commit: LogIndex(0) };
    assert_eq!(open(factory).1.hard_state, expected);
}

/// Many changes in one persist have the effect that they would have one by one.
pub fn merged_changes_take_effect_in_order<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 4))]);
    let merged = [
        append(entries(1, 5, 6)),
        replace(entries(2, 6, 8)),
        hard_state(2, Some(1), 2),
        replace(entries(3, 3, 4)),
        nothing(),
        replace(entries(4, 4, 4)),
        append(entries(4, 5, 5)),
        hard_state(4, Some(2), 3),
    ];
    store.persist(&merged).expect("persists");
    let expected = [entries(1, 1, 2), entries(3, 3, 3), entries(4, 4, 5)].concat();
    assert_eq!(read_all(&store, 1), expected);
    drop(store);
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &expected);
    let hard_state = HardState { term: Term(4), voted_for: Some(NodeId(2)), commit: LogIndex(3) };
    assert_eq!(recovered.hard_state, hard_state);
}

/// No changes, or changes without content, are no change.
pub fn an_empty_persist_changes_nothing<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 2))]);
    store.persist(&[]).expect("nothing to do");
    store.persist(&[nothing(), nothing()]).expect("nothing to do");
    drop(store);
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &entries(1, 1, 2));
}

/// Gaps, falling terms, and truncations out of range are refused, with all that came along.
pub fn changes_that_do_not_fit_are_refused_and_leave_nothing<F: StoreFactory>(factory: &mut F) {
    drop(open_with(factory, &[append(entries(2, 1, 3)), hard_state(2, Some(1), 0)]));
    // Without a hard state, which could be what is refused.
    let alone = |change: Persist| Persist { hard_state: None, ..change };
    let wrong = [
        ("a gap", alone(append(entries(2, 6, 6)))),
        ("an entry that is there already", alone(append(entries(2, 3, 3)))),
        ("a falling term", alone(append(entries(1, 5, 5)))),
        ("a truncation past the end", alone(replace(entries(2, 6, 6)))),
        (
            "a truncation without a replacement",
            Persist { truncate_from: Some(LogIndex(2)), ..nothing() },
        ),
        ("a falling term in the hard state", hard_state(1, None, 0)),
        ("a vote that moves", hard_state(2, Some(3), 0)),
        ("a vote that is taken back", hard_state(2, None, 0)),
    ];
    for (name, change) in wrong {
        let mut store = open(factory).0;
        let outcome = store.persist(&[alone(append(entries(2, 4, 4))), change]);
        assert!(matches!(outcome, Err(StoreError::Invalid(_))), "{name}: {outcome:?}");
        drop(store);
        let (store, recovered) = open(factory);
        assert_log(&store, &recovered, &entries(2, 1, 3));
    }
}

/// After a failed persist nobody knows what the disk holds, so the store does nothing more.
pub fn after_an_error_the_store_refuses_everything<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 3))]);
    store.persist(&[append(entries(1, 9, 9))]).expect_err("a gap");
    let outcome = store.persist(&[append(entries(1, 4, 4))]);
    assert!(matches!(outcome, Err(StoreError::Poisoned(_))), "persist: {outcome:?}");
    let outcome = store.compact(id(1, 1));
    assert!(matches!(outcome, Err(StoreError::Poisoned(_))), "compact: {outcome:?}");
    let outcome = store.recover();
    assert!(matches!(outcome, Err(StoreError::Poisoned(_))), "recover: {outcome:?}");
}

/// After compaction the rest is there, before and after a restart.
pub fn compaction_never_removes_more_than_asked<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 4)), append(entries(2, 5, 8))]);
    for up_to in [id(1, 2), id(1, 4), id(2, 5)] {
        store.compact(up_to).expect("compacts");
        let rest = up_to.index.next().get();
        let kept = [entries(1, rest, 4), entries(2, rest.max(5), 8)].concat();
        assert_eq!(read_all(&store, rest), kept);
        drop(store);
        let (reopened, recovered) = open(factory);
        store = reopened;
        assert!(recovered.base <= up_to, "the base is {}", recovered.base);
        assert_log(&store, &recovered, &kept);
    }
}

/// However entries were grouped when they were written, each can be the last to be compacted.
pub fn compaction_inside_an_append_keeps_its_rest<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 12))]);
    for up_to in 1..12 {
        store.compact(id(1, up_to)).expect("compacts");
        assert_eq!(read_all(&store, up_to + 1), entries(1, up_to + 1, 12));
    }
    store.persist(&[replace(entries(2, 12, 13))]).expect("replaces right after the base");
    drop(store);
    let (store, recovered) = open(factory);
    assert!(recovered.base <= id(1, 11));
    assert_log(&store, &recovered, &entries(2, 12, 13));
}

/// What is compacted already needs no more doing.
pub fn compacting_twice_or_backwards_changes_nothing<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 6))]);
    for up_to in [id(1, 4), id(1, 4), id(1, 2)] {
        store.compact(up_to).expect("compacts or has done so");
        assert_eq!(read_all(&store, 5), entries(1, 5, 6));
    }
}

/// A log without entries goes on after its base.
pub fn a_log_compacted_to_its_end_goes_on<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 3))]);
    store.compact(id(1, 3)).expect("compacts");
    assert_eq!(read_all(&store, 4), []);
    drop(store);
    let (mut store, recovered) = open(factory);
    assert_eq!(recovered.terms.last(), id(1, 3));
    store.persist(&[append(entries(2, 4, 5))]).expect("goes on");
    drop(store);
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &entries(2, 4, 5));
}

/// A base that the log does not hold would make up history. Nothing is written, so the store
/// goes on.
pub fn only_entries_of_the_log_are_compacted<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 3))]);
    for wrong in [id(1, 4), id(2, 3)] {
        let outcome = store.compact(wrong);
        assert!(matches!(outcome, Err(StoreError::Invalid(_))), "{wrong}: {outcome:?}");
    }
    assert_eq!(read_all(&store, 1), entries(1, 1, 3));
}

/// A read begins and ends where it was told, stops after the entry that reaches the limit, and
/// delivers at least one.
pub fn readers_keep_to_the_range_and_the_limit<F: StoreFactory>(factory: &mut F) {
    let store = open_with(factory, &[append(entries(1, 1, 6)), append(entries(1, 7, 9))]);
    for first in 1..=9 {
        for last in first..=9 {
            assert_eq!(read(&store, first, last, u64::MAX), entries(1, first, last));
        }
    }
    assert_eq!(read(&store, 5, 4, u64::MAX), [], "an empty range");
    assert_eq!(read(&store, 8, 99, u64::MAX), entries(1, 8, 9), "a range past the end");
    assert_eq!(read(&store, 10, 99, u64::MAX), [], "a range behind the end");
    let weight = entry(1, 1).weight_bytes();
    assert_eq!(read(&store, 5, 9, 0), entries(1, 5, 5), "at least one");
    assert_eq!(read(&store, 5, 9, weight), entries(1, 5, 5), "one fills it");
    assert_eq!(read(&store, 5, 9, weight + 1), entries(1, 5, 6), "the second goes over it");
    assert_eq!(read(&store, 5, 9, 3 * weight), entries(1, 5, 7), "across appends");
}

/// A reader lives long and sees every change that was persisted before the read.
pub fn a_reader_sees_what_is_persisted_after_it_was_made<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 3))]);
    let mut reader = store.reader();
    let mut read = |first| reader.read(LogIndex(first), LogIndex(99), u64::MAX).expect("reads");
    assert_eq!(read(1), entries(1, 1, 3));
    store.persist(&[append(entries(1, 4, 5))]).expect("persists");
    assert_eq!(read(1), entries(1, 1, 5));
    store.persist(&[replace(entries(2, 2, 2))]).expect("persists");
    assert_eq!(read(1), [entry(1, 1), entry(2, 2)]);
    assert_eq!(read(3), []);
    store.compact(id(1, 1)).expect("compacts");
    assert_eq!(read(2), [entry(2, 2)]);
}

/// Reads overlap appends, truncations and compactions, and only ever see runs of entries that
/// were in the log together.
pub fn a_reader_works_beside_the_writer<F: StoreFactory>(factory: &mut F) {
    const ROUNDS: u64 = 60;
    let mut store = open_with(factory, &[append(entries(1, 1, 10))]);
    let mut reader = store.reader();
    let round = AtomicU64::new(1);
    thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                let newest = round.load(Ordering::Acquire);
                // Around the end, where entries come and go, and around the base.
                for first in
                    [newest * 5 - 4, newest * 5 + 2, newest * 5 + 5, newest.max(4) * 5 - 14]
                {
                    check_a_run(&mut *reader, first);
                }
                if newest == ROUNDS {
                    break;
                }
            }
        });
        for term in 2..=ROUNDS {
            // The last five entries go, ten come; the log keeps about twenty.
            let first = (term - 1) * 5 + 1;
            store.persist(&[replace(entries(term, first, first + 9))]).expect("persists");
            if term > 3 {
                store.compact(id(term - 3, first - 11)).expect("compacts");
            }
            round.store(term, Ordering::Release);
        }
    });
    assert_eq!(read_all(&store, ROUNDS * 5 - 4), entries(ROUNDS, ROUNDS * 5 - 4, ROUNDS * 5 + 5));
}

/// Whatever is read from `first` on is one run of entries as they were written.
fn check_a_run(reader: &mut dyn LogReader, first: u64) {
    let run = reader.read(LogIndex(first), LogIndex(u64::MAX), u64::MAX);
    let run = run.expect("reads beside the writer");
    let ids: Vec<_> = run.iter().map(|entry| entry.id).collect();
    assert!(ids.first().is_none_or(|id| id.index == LogIndex(first)), "{ids:?}");
    for pair in ids.windows(2) {
        assert_eq!(pair[1].index, pair[0].index.next(), "{ids:?}");
        assert!(pair[1].term >= pair[0].term, "{ids:?}");
    }
    for found in run {
        assert_eq!(found, entry(found.term().get(), found.index().get()));
    }
}

/// Configurations are recovered with their indices, in order.
pub fn memberships_are_recovered_with_their_places<F: StoreFactory>(factory: &mut F) {
    let log = vec![membership(1, 1, &[1]), entry(1, 2), membership(1, 3, &[1, 2]), entry(1, 4)];
    drop(open_with(factory, &[append(log)]));
    assert_eq!(open(factory).1.memberships, [voters_at(1, &[1]), voters_at(3, &[1, 2])]);
}

/// A configuration that was truncated is in force no more.
pub fn a_truncated_membership_is_forgotten<F: StoreFactory>(factory: &mut F) {
    let log = vec![membership(1, 1, &[1]), entry(1, 2), membership(1, 3, &[1, 2])];
    let mut store = open_with(factory, &[append(log)]);
    store.persist(&[replace(vec![entry(2, 3)])]).expect("persists");
    // Compaction looks at the configurations that the store keeps in mind.
    store.compact(id(2, 3)).expect("compacts");
    drop(store);
    assert_eq!(open(factory).1.memberships, [voters_at(1, &[1])]);
}

/// The configuration in force at the base outlives the entry that brought it.
pub fn the_membership_at_the_base_is_kept<F: StoreFactory>(factory: &mut F) {
    let log = vec![
        membership(1, 1, &[1]),
        membership(1, 2, &[1, 2]),
        entry(1, 3),
        membership(1, 4, &[1, 2, 3]),
        entry(1, 5),
    ];
    let mut store = open_with(factory, &[append(log)]);
    for (up_to, in_force) in [(3, &[1, 2][..]), (4, &[1, 2, 3]), (5, &[1, 2, 3])] {
        store.compact(id(1, up_to)).expect("compacts");
        drop(store);
        let (reopened, recovered) = open(factory);
        store = reopened;
        let kept: Vec<_> = recovered.memberships.iter().collect();
        let at_base = kept.iter().rev().find(|(index, _)| *index <= LogIndex(up_to));
        let (_, found) = at_base.expect("a configuration was in force");
        assert_eq!(*found, voters_at(up_to, in_force).1, "at {up_to}");
        assert!(kept.is_sorted_by(|earlier, later| earlier.0 < later.0), "{kept:?}");
        let newest = recovered.memberships.last().map(|(_, newest)| newest.clone());
        assert_eq!(newest, Some(voters_at(4, &[1, 2, 3]).1));
    }
}

/// The broken mark stays until somebody takes it away; the newest one counts.
pub fn the_broken_mark_is_kept<F: StoreFactory>(factory: &mut F) {
    let mark = |index| BrokenMark { index: LogIndex(index), reason: format!("failed at {index}") };
    let mut store = open_with(factory, &[append(entries(1, 1, 3))]);
    store.persist(&[Persist { broken: Some(mark(2)), ..nothing() }]).expect("persists");
    store.persist(&[append(entries(1, 4, 4))]).expect("persists");
    drop(store);
    let (mut store, recovered) = open(factory);
    assert_eq!(recovered.broken, Some(mark(2)));
    let twice = [mark(3), mark(4)].map(|mark| Persist { broken: Some(mark), ..nothing() });
    store.persist(&twice).expect("persists");
    drop(store);
    assert_eq!(open(factory).1.broken, Some(mark(4)));
}

/// Entries of megabytes come back whole, alone and among small ones.
pub fn large_entries_come_back<F: StoreFactory>(factory: &mut F) {
    let large = |index: u64| {
        let bytes = (0..3_000_001_u64).map(|at| (at * index % 251) as u8);
        Entry::command(id(1, index), bytes.collect())
    };
    let expected = vec![entry(1, 1), large(2), large(3), entry(1, 4), large(5)];
    drop(open_with(factory, &[append(expected[..3].to_vec()), append(expected[3..].to_vec())]));
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &expected);
    assert_eq!(read(&store, 2, 5, 1), expected[1..2]);
}

/// Hundreds of persists of one entry each.
pub fn many_small_persists_come_back<F: StoreFactory>(factory: &mut F) {
    let changes: Vec<_> = (1..=400).map(|index| append(vec![entry(1, index)])).collect();
    drop(open_with(factory, &changes));
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &entries(1, 1, 400));
}

fn voters_at(index: u64, voters: &[u64]) -> (LogIndex, Membership) {
    (LogIndex(index), Membership::of_voters(voters.iter().copied().map(NodeId)))
}

/// What was compacted ends a reader's run at nothing; what follows the base is there.
pub fn compacted_entries_are_not_read<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 9))]);
    let mut reader = store.reader();
    store.compact(id(1, 5)).expect("the log holds the entry");
    for from in [4, 5] {
        let run = reader.read(LogIndex(from), LogIndex(9), u64::MAX).expect("is no fault");
        assert_eq!(run, [], "from {from}");
    }
    assert_eq!(read_all(&store, 6), entries(1, 6, 9));
}

/// Once a persist has returned, its entries are there for a reader on any thread.
pub fn a_reader_on_another_thread_sees_all_that_was_persisted<F: StoreFactory>(factory: &mut F) {
    const ENTRIES: u64 = 200;
    let (mut store, _) = open(factory);
    let mut reader = store.reader();
    let (persisted, news) = mpsc::channel::<u64>();
    let reading = thread::spawn(move || {
        // Ends with the writer, whichever way that one ends.
        for index in news {
            let run = reader.read(LogIndex(index), LogIndex(index), u64::MAX).expect("is durable");
            assert_eq!(run, [entry(1, index)], "entry {index} is durable");
        }
    });
    for index in 1..=ENTRIES {
        store.persist(&[append(entries(1, index, index))]).expect("fits");
        persisted.send(index).expect("the reader goes on");
    }
    drop(persisted);
    reading.join().expect("the reader saw everything");
}
