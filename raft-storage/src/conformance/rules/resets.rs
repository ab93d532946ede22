//! Rules about resets of the log to a base.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use raft_core::ports::{LogStore, StoreError};
use raft_core::{LogId, LogIndex, Persist};

use crate::conformance::StoreFactory;
use crate::conformance::changes::{
    append, assert_log, entries, entry, hard_state, id, membership, nothing, open, open_with,
    read_all, replace, reset_discarding, reset_keeping, voters_at,
};

/// The first membership of a new cluster is the base of its log: it is recovered at each restart
/// until a compaction passes a newer one.
pub fn first_membership_of_a_cluster_is_recovered<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[reset_keeping(LogId::ORIGIN, (0, &[1, 2, 3]))]);
    for _ in 0..2 {
        drop(store);
        let (reopened, recovered) = open(factory);
        store = reopened;
        assert_eq!(recovered.memberships, [voters_at(0, &[1, 2, 3])]);
        assert_log(&store, &recovered, &[]);
    }
    let log = vec![entry(1, 1), membership(1, 2, &[1, 2]), entry(1, 3)];
    store.persist(&[append(log)]).expect("appends");
    for (up_to, in_force) in [(1, voters_at(0, &[1, 2, 3])), (3, voters_at(2, &[1, 2]))] {
        store.compact(id(1, up_to)).expect("compacts");
        drop(store);
        let (reopened, recovered) = open(factory);
        store = reopened;
        let newest = recovered.memberships.iter().rfind(|(index, _)| index.get() <= up_to);
        assert_eq!(newest, Some(&in_force), "compacted up to {up_to}");
    }
}

/// A reset that keeps no entry removes those before and after its base; they never return while the
/// log grows again.
pub fn entries_discarded_by_a_reset_never_return<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 5)), append(entries(1, 6, 12))]);
    store.persist(&[reset_discarding(id(2, 7), (4, &[1, 2]))]).expect("resets");
    let mut expected = Vec::new();
    for index in 8..=13 {
        assert_eq!(read_all(&store, 8), expected);
        for old in [1, 6, 7] {
            assert_eq!(read_all(&store, old), [], "from {old}");
        }
        drop(store);
        let (reopened, recovered) = open(factory);
        store = reopened;
        assert_eq!((recovered.base, recovered.hard_state.term.get()), (id(2, 7), 2));
        assert_eq!(recovered.memberships, [voters_at(4, &[1, 2])]);
        assert_log(&store, &recovered, &expected);
        store.persist(&[append(entries(2, index, index))]).expect("appends");
        expected.push(entry(2, index));
    }
}

/// A reset may go past the end of the log, and be repeated. The log continues after its base.
pub fn reset_past_the_end_of_the_log_is_recovered<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 5))]);
    for base in [id(2, 50), id(2, 60), id(3, 60)] {
        store.persist(&[reset_discarding(base, (3, &[1, 2]))]).expect("resets");
        drop(store);
        let (reopened, recovered) = open(factory);
        store = reopened;
        assert_eq!(recovered.base, base);
        assert_log(&store, &recovered, &[]);
        assert_eq!(read_all(&store, base.index.get()), []);
    }
    store.persist(&[append(entries(3, 61, 63))]).expect("continues after the base");
    store.persist(&[replace(entries(4, 61, 62))]).expect("replaces the first entry");
    store.compact(id(4, 61)).expect("compacts");
    drop(store);
    let (store, recovered) = open(factory);
    let kept = entries(4, recovered.base.index.next().get(), 62);
    assert_log(&store, &recovered, &kept);
}

/// A reset to an entry of the log keeps the entries after it, wherever appends began, and sets the
/// membership of the base.
pub fn reset_keeps_matching_entries_after_its_base<F: StoreFactory>(factory: &mut F) {
    let log = [entries(1, 1, 4), vec![membership(1, 5, &[1])], entries(2, 6, 11)].concat();
    let mut store = open_with(factory, &[append(log[..7].to_vec()), append(log[7..].to_vec())]);
    for base in 1..=11_usize {
        let voters = [1, 2, base as u64 + 2];
        store.persist(&[reset_keeping(log[base - 1].id, (base as u64, &voters))]).expect("resets");
        assert_eq!(read_all(&store, base as u64), [], "the base is no longer in the log");
        drop(store);
        let (reopened, recovered) = open(factory);
        store = reopened;
        assert_eq!(recovered.base, log[base - 1].id);
        let newer = (base < 5).then(|| voters_at(5, &[1]));
        let expected: Vec<_> = [voters_at(base as u64, &voters)].into_iter().chain(newer).collect();
        assert_eq!(recovered.memberships, expected, "at base {base}");
        assert_log(&store, &recovered, &log[base..]);
    }
    // The base itself is still in the log, so that only its membership changes.
    store.persist(&[reset_keeping(id(2, 11), (9, &[7]))]).expect("resets to the base");
    drop(store);
    assert_eq!(open(factory).1.memberships, [voters_at(9, &[7])]);
}

/// A reset takes effect in one change with its hard state, truncation and entries.
pub fn reset_and_the_rest_of_its_change_are_one_change<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 9))]);
    let kept =
        Persist { reset: reset_keeping(id(1, 4), (2, &[1])).reset, ..replace(entries(2, 7, 7)) };
    store.persist(&[kept]).expect("resets, truncates and appends");
    let expected = [entries(1, 5, 6), entries(2, 7, 7)].concat();
    assert_eq!(read_all(&store, 5), expected);
    drop(store);
    let (mut store, recovered) = open(factory);
    assert_eq!((recovered.base, recovered.hard_state.term.get()), (id(1, 4), 2));
    assert_log(&store, &recovered, &expected);
    let discarded =
        Persist { reset: reset_discarding(id(3, 6), (6, &[1])).reset, ..append(entries(4, 7, 8)) };
    store.persist(&[discarded]).expect("resets and appends");
    drop(store);
    let (store, recovered) = open(factory);
    assert_eq!((recovered.base, recovered.hard_state.term.get()), (id(3, 6), 4));
    assert_eq!(recovered.memberships, [voters_at(6, &[1])]);
    assert_log(&store, &recovered, &entries(4, 7, 8));
}

/// Resets among several changes of one persist have the same effect as in separate persists: also
/// those to an entry that an earlier change of the same persist appended.
pub fn merged_resets_take_effect_in_order<F: StoreFactory>(factory: &mut F) {
    let alone = |change: Persist| Persist { hard_state: None, ..change };
    drop(open_with(factory, &[append(entries(1, 1, 5)), hard_state(9, None, 0)]));
    let mut check =
        |changes: &[Persist], base: LogId, memberships: &[(u64, &[u64])], expected: &[_]| {
            let mut store = open(factory).0;
            store.persist(changes).expect("persists");
            assert_eq!(read_all(&store, base.index.next().get()), expected);
            drop(store);
            let (store, recovered) = open(factory);
            assert_eq!(recovered.base, base);
            let memberships: Vec<_> =
                memberships.iter().map(|&(at, of)| voters_at(at, of)).collect();
            assert_eq!(recovered.memberships, memberships);
            assert_log(&store, &recovered, expected);
        };
    // To an entry that was not durable yet; memberships around the base.
    let appended = [entries(2, 4, 6), vec![membership(2, 7, &[1])], entries(2, 8, 9)].concat();
    let changes = [
        alone(replace(appended)),
        reset_keeping(id(2, 6), (1, &[1, 2])),
        alone(append(entries(2, 10, 10))),
    ];
    let expected = [vec![membership(2, 7, &[1])], entries(2, 8, 10)].concat();
    check(&changes, id(2, 6), &[(1, &[1, 2]), (7, &[1])], &expected);
    // To a durable entry, then a truncation after it.
    let changes = [
        alone(append(entries(2, 11, 12))),
        reset_keeping(id(2, 8), (8, &[3])),
        alone(replace(entries(3, 9, 14))),
        reset_keeping(id(3, 11), (8, &[4])),
        alone(replace(entries(4, 13, 13))),
    ];
    let expected = [entries(3, 12, 12), entries(4, 13, 13)].concat();
    check(&changes, id(3, 11), &[(8, &[4])], &expected);
    // Discarding, appending, and resetting again to what was appended.
    let changes = [
        alone(append(entries(4, 14, 20))),
        alone(reset_discarding(id(5, 15), (15, &[5]))),
        alone(append([entries(5, 16, 17), vec![membership(5, 18, &[6])]].concat())),
        reset_keeping(id(5, 16), (15, &[5])),
    ];
    let expected = [entries(5, 17, 17), vec![membership(5, 18, &[6])]].concat();
    check(&changes, id(5, 16), &[(15, &[5]), (18, &[6])], &expected);
    // The last of two resets counts, and discards what the first one kept.
    let changes = [
        reset_keeping(id(5, 18), (18, &[6])),
        alone(append(entries(5, 19, 19))),
        alone(reset_discarding(id(6, 19), (19, &[7]))),
        nothing(),
        alone(append(entries(6, 20, 21))),
        alone(replace(entries(7, 21, 21))),
    ];
    let expected = [entries(6, 20, 20), entries(7, 21, 21)].concat();
    check(&changes, id(6, 19), &[(19, &[7])], &expected);
}

/// A reset to an earlier base, to an entry that the log does not hold, or below the commit index is
/// refused, with all changes of the same persist.
pub fn invalid_resets_are_refused_and_write_nothing<F: StoreFactory>(factory: &mut F) {
    let prepared = [append(entries(1, 1, 9)), reset_keeping(id(1, 3), (2, &[1]))];
    let mut store = open_with(factory, &prepared);
    store.persist(&[hard_state(1, None, 6)]).expect("persists");
    drop(store);
    let wrong = [
        ("an earlier base", reset_discarding(id(1, 2), (2, &[1]))),
        ("a membership after the base", reset_discarding(id(2, 7), (8, &[1]))),
        ("a committed entry is lost", reset_discarding(id(1, 5), (2, &[1]))),
        ("another entry at the base", reset_keeping(id(2, 7), (2, &[1]))),
        ("the base is past the end", reset_keeping(id(1, 11), (2, &[1]))),
    ];
    for (name, change) in wrong {
        let mut store = open(factory).0;
        let appended = Persist { hard_state: None, ..append(entries(1, 10, 10)) };
        let outcome = store.persist(&[appended, change]);
        assert!(matches!(outcome, Err(StoreError::Invalid(_))), "{name}: {outcome:?}");
        drop(store);
        let (store, recovered) = open(factory);
        assert_eq!(recovered.base, id(1, 3));
        assert_eq!(recovered.memberships, [voters_at(2, &[1])]);
        assert_log(&store, &recovered, &entries(1, 4, 9));
    }
}

/// A compaction after a reset keeps the membership of the reset, also without a restart between.
pub fn compaction_after_a_reset_keeps_its_membership<F: StoreFactory>(factory: &mut F) {
    let log = [entries(1, 1, 2), vec![membership(1, 3, &[1])], entries(1, 4, 9)].concat();
    let mut store = open_with(factory, &[append(log)]);
    let resets = [reset_keeping(id(1, 4), (2, &[1, 2])), reset_discarding(id(2, 20), (9, &[3]))];
    for (reset, up_to, in_force) in
        [(&resets[0], id(1, 6), voters_at(2, &[1, 2])), (&resets[1], id(2, 22), voters_at(9, &[3]))]
    {
        store.persist(std::slice::from_ref(reset)).expect("resets");
        if up_to.term.get() == 2 {
            store.persist(&[append(entries(2, 21, 23))]).expect("appends");
        }
        store.compact(up_to).expect("compacts");
        drop(store);
        let (reopened, recovered) = open(factory);
        store = reopened;
        let newest = recovered.memberships.iter().rfind(|(index, _)| *index <= up_to.index);
        assert_eq!(newest, Some(&in_force), "compacted up to {up_to}");
    }
}

/// A reader on another thread finds contiguous entries or none while the log is reset: the missing
/// entries are no damage.
pub fn reads_during_resets_find_no_gap<F: StoreFactory>(factory: &mut F) {
    const ROUNDS: u64 = 100;
    let mut store = open_with(factory, &[append(entries(1, 1, 10))]);
    let mut reader = store.reader();
    let done = AtomicBool::new(false);
    // The first entry of the log, which the next reset removes.
    let oldest = AtomicU64::new(1);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let oldest = oldest.load(Ordering::Acquire);
                // The second one is after the base of the next reset.
                for (first, bytes_max) in [(oldest, 1), (oldest + 7, u64::MAX), (oldest, 1)] {
                    let run = reader.read(LogIndex(first), LogIndex(u64::MAX), bytes_max);
                    let run = run.expect("reads during resets");
                    for (at, found) in (first..).zip(run) {
                        assert_eq!(found, entry(found.term().get(), at));
                    }
                }
            }
        });
        // Ends the reader also when a check of this thread fails.
        let _ends_the_reader = SetOnDrop(&done);
        for round in 2..=ROUNDS {
            // The log ends ten entries after its base; the reset goes five entries past that base.
            let base = id(round, (round - 1) * 5);
            store.persist(&[reset_discarding(base, (0, &[1]))]).expect("resets");
            let first = base.index.next().get();
            store.persist(&[append(entries(round, first, first + 9))]).expect("appends");
            oldest.store(first, Ordering::Release);
        }
    });
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
