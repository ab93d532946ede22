//! Random operations, compared with a simple model.
#![allow(
    clippy::cast_possible_truncation,
    reason = "the model's log is thousands of entries long at most"
)]

use std::env;

use raft_core::ports::{LogReset, LogStore};
use raft_core::{
    Entry, HardState, LogId, LogIndex, Membership, NodeId, Payload, Persist, Prng, Recovered, Term,
};

use super::StoreFactory;
use super::changes::{entry, id, membership, nothing, open, read, voters_at};

const OPERATIONS: u32 = 250;

/// A few hundred random operations: persists of several changes, resets, compactions, reads,
/// restarts.
/// After each one the store equals the model. A failure prints the seed; the environment variable
/// `LOG_STORE_SEED` sets it.
pub fn any_sequence_of_operations_matches_the_model<F: StoreFactory>(factory: &mut F) {
    let given = env::var("LOG_STORE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or(0x5eed_0001);
    let seed_printer = PrintSeedOnPanic(seed);
    let mut generator = Prng::new(seed);
    let mut model = Model::default();
    let (mut store, recovered) = open(factory);
    model.check_recovered(&recovered);
    for _ in 0..OPERATIONS {
        match generator.below(20) {
            0 => {
                drop(store);
                let (reopened, recovered) = open(factory);
                model.check_recovered(&recovered);
                store = reopened;
            }
            1..=2 => model.compact(&mut generator, &mut store),
            3..=8 => model.check_read(&mut generator, &store),
            _ => {
                let changes: Vec<_> =
                    (0..=generator.below(3)).map(|_| model.change(&mut generator)).collect();
                store.persist(&changes).expect("persists");
            }
        }
    }
    drop(seed_printer);
}

/// The log as a vector that keeps compacted entries.
#[derive(Default)]
struct Model {
    /// Entry `i` is at `i - 1`. Up to the base of the last reset, entries stand in for those that
    /// the log never held.
    entries: Vec<Entry>,
    base: u64,
    /// The base of the last reset, and the membership there.
    reset: Option<(u64, (LogIndex, Membership))>,
    hard_state: HardState,
}

impl Model {
    fn last(&self) -> u64 {
        self.entries.len() as u64
    }

    /// A random valid change, applied to the model.
    fn change(&mut self, generator: &mut Prng) -> Persist {
        let mut change = nothing();
        let last_term = self.entries.last().map_or(1, |entry| entry.term().get());
        let term = self.hard_state.term.get().max(last_term) + u64::from(generator.below(4) == 0);
        if generator.below(8) == 0 {
            change.reset = Some(self.reset(generator, term));
        }
        if generator.below(3) > 0 {
            let mut first = self.last() + 1;
            if generator.below(4) == 0 && self.base < self.last() {
                first -= generator.below(self.last() - self.base) + 1;
                change.truncate_from = Some(LogIndex(first));
                self.entries.truncate(first as usize - 1);
            }
            let count = if generator.below(5) == 0 {
                1 + generator.below(300)
            } else {
                1 + generator.below(4)
            };
            change.entries =
                (first..first + count).map(|index| random_entry(generator, term, index)).collect();
            self.entries.extend(change.entries.iter().cloned());
        }
        if change.entries.is_empty() || term > self.hard_state.term.get() {
            let voted_for = match self.hard_state.voted_for {
                Some(vote) if self.hard_state.term == Term(term) => Some(vote),
                Some(_) | None => {
                    Some(NodeId(1 + generator.below(3))).filter(|_| generator.below(2) == 0)
                }
            };
            let commit = LogIndex(self.base);
            self.hard_state = HardState { term: Term(term), voted_for, commit };
            change.hard_state = Some(self.hard_state);
        }
        change
    }

    /// A random valid reset, applied to the model.
    fn reset(&mut self, generator: &mut Prng, term: u64) -> LogReset {
        let keeps_later_entries = generator.below(2) == 0;
        let base = if keeps_later_entries {
            let index = self.base + generator.below(self.last() - self.base + 1);
            let entry = (index as usize).checked_sub(1).map(|at| self.entries[at].id);
            entry.unwrap_or_default()
        } else {
            let index = self.base + generator.below(self.last() - self.base + 30);
            let base = if index == 0 { LogId::ORIGIN } else { id(term, index) };
            self.entries.truncate(index as usize);
            let stand_ins = self.last() + 1..=index;
            self.entries.extend(stand_ins.map(|index| Entry::empty(id(0, index))));
            if let Some(last) = self.entries.last_mut() {
                *last = Entry::empty(base);
            }
            base
        };
        self.base = base.index.get();
        let membership_index = generator.below(self.base + 1);
        let membership = voters_at(membership_index, &[1, 2, 3 + generator.below(3)]);
        self.reset = Some((self.base, membership.clone()));
        LogReset { base, membership, keeps_later_entries }
    }

    fn compact(&mut self, generator: &mut Prng, store: &mut impl LogStore) {
        if self.base == self.last() {
            return;
        }
        let up_to = self.base + 1 + generator.below(self.last() - self.base);
        let term = self.entries[up_to as usize - 1].term().get();
        store.compact(id(term, up_to)).expect("compacts");
        self.base = up_to;
    }

    fn check_read(&self, generator: &mut Prng, store: &impl LogStore) {
        let from = self.base + 1 + generator.below(self.last() - self.base + 2);
        let last = from + generator.below(80);
        let bytes_max = generator.below(4_000);
        let mut expected = Vec::new();
        let mut weight_bytes = 0;
        for entry in self.entries.iter().skip(from as usize - 1) {
            if entry.index() > LogIndex(last) {
                break;
            }
            expected.push(entry.clone());
            weight_bytes += entry.weight_bytes();
            if weight_bytes >= bytes_max {
                break;
            }
        }
        assert_eq!(read(store, from, last, bytes_max), expected, "{from} to {last}");
    }

    fn check_recovered(&self, recovered: &Recovered) {
        assert_eq!(recovered.hard_state, self.hard_state);
        let (reset_base, at_reset) = self.reset.clone().unzip();
        let reset_base = reset_base.unwrap_or_default();
        let bases = reset_base..=self.base;
        assert!(bases.contains(&recovered.base.index.get()), "the base {}", recovered.base);
        let last = self.entries.last().map_or_else(|| id(0, 0), |entry| entry.id);
        assert_eq!(recovered.terms.last(), last);
        for entry in &self.entries[recovered.base.index.get() as usize..] {
            assert!(recovered.terms.contains(entry.id), "the term at {}", entry.index());
        }
        let of = |entry: &Entry| match &entry.payload {
            Payload::Membership(found) => Some((entry.index(), Membership::clone(found))),
            Payload::Empty | Payload::Command(_) => None,
        };
        let since_reset = self.entries.iter().skip(reset_base as usize).filter_map(of);
        let expected: Vec<_> = at_reset.into_iter().chain(since_reset).collect();
        let split = |list: &[(LogIndex, Membership)]| {
            let (before, after) =
                list.split_at(list.partition_point(|(index, _)| index.get() <= self.base));
            (before.last().cloned(), after.to_vec())
        };
        assert_eq!(split(&recovered.memberships), split(&expected), "at the base, and after it");
    }
}

/// A random entry, mostly a small command.
fn random_entry(generator: &mut Prng, term: u64, index: u64) -> Entry {
    match generator.below(30) {
        0 => membership(term, index, &[1, 2, 3 + generator.below(3)]),
        1 => Entry::empty(id(term, index)),
        2 => {
            let bytes_max = 20_000;
            let byte = generator.below(256) as u8;
            Entry::command(id(term, index), vec![byte; generator.below(bytes_max) as usize].into())
        }
        _ => entry(term, index),
    }
}

/// Prints the seed when a check fails.
pub(super) struct PrintSeedOnPanic(pub(super) u64);

impl Drop for PrintSeedOnPanic {
    #[allow(clippy::print_stderr, reason = "a failing test prints how to repeat it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat with LOG_STORE_SEED={}", self.0);
        }
    }
}
