//! A deterministic generator of pseudo-random numbers.

/// `SplitMix64` (Steele, Lea, Flood 2014). The sequence of a seed never changes, so that a recorded
/// run can be replayed. Not for secrets: one output reveals all others.
#[derive(Clone, Debug)]
pub struct Prng {
    state: u64,
}

impl Prng {
    /// Starts the sequence of a seed. All seeds are equally good.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, or zero if `bound` is zero. The bias is below `bound / 2^64`.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the high half of the product is below bound"
    )]
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.next_u64() as u128 * bound as u128) >> 64) as u64
    }

    /// An index into a list of this length; zero if the list is empty.
    pub fn index_below(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// True with the probability `1 / count`.
    pub const fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// One item of a list.
    ///
    /// # Panics
    /// If the list is empty.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.index_below(list.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_of_a_seed_is_fixed() {
        // The published first outputs of SplitMix64 for the seed 1234567.
        let mut prng = Prng::new(1_234_567);
        assert_eq!(prng.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(prng.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn numbers_are_below_their_bound() {
        let mut prng = Prng::new(1);
        assert!((0..1000).all(|_| prng.below(7) < 7));
        assert_eq!(prng.below(0), 0);
        assert!((0..100).all(|_| prng.index_below(3) < 3));
        assert_eq!(prng.index_below(0), 0);
    }
}
