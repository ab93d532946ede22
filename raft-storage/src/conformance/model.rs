//! Random changes against the simplest log there is.

use raft_core::ports::LogStore;
use raft_core::{Entry, LogIndex, Persist};

use super::{StoreFactory, append, entry, id, read_all, recovered, replace};

const SEED: u64 = 0x0bad_5eed;
const STEPS: u64 = 400;

/// A small generator of the suite's own (SplitMix64), so that a seed means the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

/// The log as a list: the entry of index `i` is at `i - 1`; `base` of them are compacted.
struct Model {
    entries: Vec<Entry>,
    base: u64,
    term: u64,
}

impl Model {
    fn last(&self) -> u64 {
        self.entries.len() as u64
    }

    /// A change that fits, applied here as well.
    fn change(&mut self, random: &mut Random, number: u64) -> Persist {
        self.term += random.below(2);
        let count = 1 + random.below(20);
        let truncates = self.last() > self.base && random.below(4) == 0;
        let from = if truncates {
            self.base + 1 + random.below(self.last() - self.base)
        } else {
            self.last() + 1
        };
        let new: Vec<Entry> = (from..from + count).map(|index| entry(index, self.term)).collect();
        self.entries.truncate(usize::try_from(from - 1).expect("a small log"));
        self.entries.extend(new.iter().cloned());
        if truncates { replace(number, new) } else { append(number, new) }
    }
}

/// Appends, truncations, merged changes, compactions and restarts in random order: the store
/// always holds what a plain list holds. A failure names the seed and the step.
pub fn random_changes_agree_with_a_model<F: StoreFactory>(factory: &mut F) {
    let mut random = Random(SEED);
    let mut model = Model { entries: Vec::new(), base: 0, term: 1 };
    let (mut store, _) = recovered(factory);
    for step in 0..STEPS {
        let context = format!("seed {SEED:#x}, step {step}");
        match random.below(8) {
            0 => {
                drop(store);
                let (opened, found) = recovered(factory);
                store = opened;
                assert_eq!(found.terms.last().index, LogIndex(model.last()), "{context}");
                // Compaction may be lazy; what is compacted must not come back half.
                assert!(found.base.index <= LogIndex(model.base), "{context}");
            }
            1 if model.last() > model.base => {
                let up_to = model.base + 1 + random.below(model.last() - model.base);
                let at = usize::try_from(up_to - 1).expect("a small log");
                store.compact(id(up_to, model.entries[at].term().get())).expect(&context);
                model.base = up_to;
            }
            _ => {
                let changes: Vec<Persist> = (0..=random.below(3))
                    .map(|nth| model.change(&mut random, 10 * step + nth + 1))
                    .collect();
                store.persist(&changes).expect(&context);
            }
        }
        let from = model.base + 1 + random.below(model.last() - model.base + 1);
        let kept = usize::try_from(from - 1).expect("a small log");
        let expected = model.entries.get(kept..).unwrap_or_default();
        assert_eq!(read_all(&store, from, model.last()), expected, "{context}");
    }
}
