//! Histograms of durations.

use std::time::Duration;

use super::clock::nanos;
use super::count::Count;

/// Upper bounds of the buckets of a [`DurationHistogram`]: 50 µs, doubling up to 409.6 ms.
pub const DURATION_BUCKETS: [Duration; 14] = {
    let mut bounds = [Duration::ZERO; 14];
    let mut bucket = 0;
    while bucket < bounds.len() {
        bounds[bucket] = Duration::from_micros(50 << bucket);
        bucket += 1;
    }
    bounds
};

/// How often an operation took how long.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DurationHistogram {
    /// The number of durations at most as long as each bound of [`DURATION_BUCKETS`] and longer
    /// than the bound before. The last one counts durations longer than every bound.
    pub buckets: [u64; DURATION_BUCKETS.len() + 1],
    /// The sum of all durations.
    pub sum: Duration,
    /// The number of durations.
    pub count: u64,
}

/// Records durations into a [`DurationHistogram`].
#[derive(Debug, Default)]
pub(super) struct DurationRecorder {
    buckets: [Count; DURATION_BUCKETS.len() + 1],
    sum_nanos: Count,
}

impl DurationRecorder {
    pub(super) fn record(&self, duration: Duration) {
        self.buckets[DURATION_BUCKETS.partition_point(|bound| *bound < duration)].add(1);
        self.sum_nanos.add(nanos(duration));
    }

    pub(super) fn values(&self) -> DurationHistogram {
        let buckets = std::array::from_fn(|bucket| self.buckets[bucket].get());
        DurationHistogram {
            buckets,
            sum: Duration::from_nanos(self.sum_nanos.get()),
            count: buckets.iter().sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let recorder = DurationRecorder::default();
        recorder.record(DURATION_BUCKETS[0]);
        recorder.record(DURATION_BUCKETS[0] + Duration::from_nanos(1));
        recorder.record(Duration::from_secs(3600));
        let values = recorder.values();
        assert_eq!(values.buckets[..2], [1, 1]);
        assert_eq!(values.buckets[DURATION_BUCKETS.len()], 1);
        assert_eq!(values.count, 3);
        assert!(values.sum > Duration::from_secs(3600));
    }
}
