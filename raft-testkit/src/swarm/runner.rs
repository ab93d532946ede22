//! The runner of many seeds.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::known_bug::KnownBug;
use super::run::Run;
use super::statistics::Statistics;
use crate::cluster::Cluster;

/// Runs of random schedules, one for each seed.
#[derive(Clone, Debug)]
pub struct Swarm {
    seeds: Range<u64>,
    steps: u64,
    repeat: String,
    known_bug: Option<KnownBug>,
}

/// A seed whose run violated a rule, panicked, or did not converge.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The report, at most 40 lines.
    pub report: String,
}

impl Swarm {
    /// Runs of these seeds with 1,500 random actions each.
    ///
    /// Environment variables override this: `RAFT_SWARM_SEED` is the only seed, `RAFT_SWARM_SEEDS`
    /// the number of seeds, `RAFT_SWARM_STEPS` the number of actions.
    #[must_use]
    pub fn of_seeds(seeds: Range<u64>) -> Self {
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        let seeds = match (number("RAFT_SWARM_SEED"), number("RAFT_SWARM_SEEDS")) {
            (Some(seed), _) => seed..seed.saturating_add(1),
            (None, Some(count)) => seeds.start..seeds.start.saturating_add(count),
            (None, None) => seeds,
        };
        let repeat = "cargo test --release -p raft-testkit swarm".to_owned();
        let steps = number("RAFT_SWARM_STEPS").unwrap_or(1_500);
        Self { seeds, steps, repeat, known_bug: None }
    }

    /// Sets the number of random actions of each seed.
    #[must_use]
    pub const fn steps(mut self, steps: u64) -> Self {
        self.steps = steps;
        self
    }

    /// Injects a known bug into every run.
    #[must_use]
    pub const fn known_bug(mut self, known_bug: KnownBug) -> Self {
        self.known_bug = Some(known_bug);
        self
    }

    /// Sets the command line that runs this swarm, for reports. The failing seed is put in front of
    /// it as environment variables.
    #[must_use]
    pub fn repeated_by(mut self, line: &str) -> Self {
        line.clone_into(&mut self.repeat);
        self
    }

    /// Runs all seeds on as many threads as there are cores. Returns the statistics of all runs.
    ///
    /// # Panics
    /// If a seed fails, with the report of the lowest one that failed; its trace is written in
    /// every form.
    #[must_use]
    pub fn run(&self) -> Statistics {
        let (statistics, failure) = self.search();
        match failure {
            None => statistics,
            Some(Failure { seed, report }) => panic!("seed {seed} fails\n{report}"),
        }
    }

    /// Runs the seeds until one fails. Returns the statistics of the runs that passed, and the
    /// lowest seed that failed.
    #[must_use]
    pub fn search(&self) -> (Statistics, Option<Failure>) {
        let next = AtomicU64::new(self.seeds.start);
        let failed = AtomicU64::new(u64::MAX);
        let total = Mutex::new(Statistics::default());
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let mut statistics = Statistics::default();
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= self.seeds.end || seed > failed.load(Ordering::Relaxed) {
                            break;
                        }
                        if !self.passes(seed, &mut statistics) {
                            failed.fetch_min(seed, Ordering::Relaxed);
                        }
                    }
                    if let Ok(mut total) = total.lock() {
                        total.merge(&statistics);
                    }
                });
            }
        });
        let statistics = total.into_inner().unwrap_or_default();
        let failed = failed.into_inner();
        let failure = (failed != u64::MAX).then(|| self.report(failed));
        (statistics, failure)
    }

    /// Runs one seed without a trace.
    fn passes(&self, seed: u64, statistics: &mut Statistics) -> bool {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut run = Run::new(seed, self.steps, self.known_bug);
            run.cluster = run.cluster.untraced().without_panic();
            let converged = run.execute();
            (converged.is_ok() && run.cluster.violation().is_none()).then_some(run.statistics)
        }));
        match outcome {
            Ok(Some(done)) => {
                statistics.merge(&done);
                true
            }
            Ok(None) | Err(_) => false,
        }
    }

    /// Runs a failed seed again, with a trace.
    fn report(&self, seed: u64) -> Failure {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.replay(seed)));
        let report = match outcome {
            Ok(_) => "the seed passes in a second run: the run is not deterministic".to_owned(),
            Err(panic) => match panic.downcast::<String>() {
                Ok(text) => *text,
                Err(panic) => panic
                    .downcast_ref::<&str>()
                    .map_or_else(|| "the run panics".to_owned(), |text| (*text).to_owned()),
            },
        };
        Failure { seed, report }
    }

    /// Runs one seed with a trace and returns the cluster.
    ///
    /// # Panics
    /// If the seed fails, with the report.
    #[must_use]
    pub fn replay(&self, seed: u64) -> Cluster {
        let mut run = Run::new(seed, self.steps, self.known_bug);
        run.cluster = run.cluster.repeated_by(&self.repeat_command(seed));
        if let Err(why) = run.execute() {
            run.cluster
                .fail(&format!("the cluster did not converge after the faults ended: {why}"));
        }
        run.cluster
    }

    fn repeat_command(&self, seed: u64) -> String {
        let Self { steps, repeat, .. } = self;
        format!("RAFT_SWARM_SEED={seed} RAFT_SWARM_STEPS={steps} {repeat}")
    }
}
