//! The run of one seed.

use std::ops::RangeInclusive;

use raft_storage::MemLogStore;

use raft_core::Prng;

use super::known_bug::KnownBug;
use super::plan::{CLOCK_RATES, Plan};
use super::statistics::Statistics;
use crate::cluster::{Cluster, RequestHandle, Timers};
use crate::counter::Counter;
use crate::sim_node::SimNode;
use crate::trace::record::CommandOutcome;

/// How many timers fire after the faults ended before the run counts as not converging.
const CONVERGENCE_TIMERS_MAX: u64 = 3_000;

/// The run of one seed.
pub(super) struct Run {
    pub(super) cluster: Cluster,
    pub(super) prng: Prng,
    pub(super) plan: Plan,
    pub(super) steps: u64,
    pub(super) statistics: Statistics,
    pub(super) known_bug: Option<KnownBug>,
    /// The reads that were submitted to followers.
    pub(super) follower_reads: Vec<RequestHandle>,
    /// The number of the last message that the known bug has altered.
    pub(super) altered_up_to: u64,
}

impl Run {
    pub(super) fn new(seed: u64, steps: u64, known_bug: Option<KnownBug>) -> Self {
        let mut prng = Prng::new(seed);
        let mut plan = Plan::draw(&mut prng);
        if let Some(known_bug) = known_bug {
            plan.suit(known_bug);
        }
        let (settings, compaction) = (plan.settings, plan.compaction);
        let cluster = Cluster::new(plan.nodes - plan.spares)
            .spares(plan.spares)
            .named(&format!("swarm_seed_{seed}"))
            .described(&format!("{plan:?}"))
            .seed(seed)
            .timers(Timers::On)
            .config(move |config| settings.adjust(config))
            .config(move |config| compaction.adjust(config));
        let statistics = Statistics::default();
        let follower_reads = Vec::new();
        let altered_up_to = 0;
        Self { cluster, prng, plan, steps, statistics, known_bug, follower_reads, altered_up_to }
    }

    pub(super) fn execute(&mut self) -> Result<(), String> {
        self.cluster.section("faults");
        self.cluster.start();
        for node in 1..=self.plan.nodes as u64 {
            if self.plan.disks_by_hand {
                self.cluster.disk_by_hand(node);
            }
            if self.plan.applies_by_hand {
                self.cluster.apply_by_hand(node);
            }
            if self.plan.snapshots_by_hand {
                self.cluster.snapshots_by_hand(node);
            }
            if self.plan.settings.leases {
                let rates = self.clock_rates();
                let rate = rates.start() + self.prng.below(rates.end() - rates.start() + 1);
                self.cluster.clock_rate(node, rate);
            }
        }
        for _ in 0..self.steps {
            self.take_action();
            self.inject_bug();
            if self.cluster.violation().is_some() {
                return Ok(());
            }
        }
        self.cluster.section("recovery");
        let converged = match (self.recover(), self.known_bug) {
            // The wiped node lacks what it has acknowledged and does not recover. What counts is
            // whether that violates a rule.
            (Err(_), Some(KnownBug::WipedNodesKeepTheirIncarnation)) => Ok(()),
            (converged, _) => converged,
        };
        self.statistics.count_end(&self.cluster);
        self.statistics.reads_at_followers += self.completed_follower_reads();
        converged
    }

    fn clock_rates(&self) -> RangeInclusive<u64> {
        match self.known_bug {
            Some(KnownBug::ClocksDriftBeyondTheBound) => 100..=3_000,
            _ => CLOCK_RATES,
        }
    }

    /// Ends all faults. The nodes must converge, and a new command must be applied.
    fn recover(&mut self) -> Result<(), String> {
        self.end_faults();
        self.converge()?;
        let Some(leader) = self.leader() else { return Err("no node leads".to_owned()) };
        let write = self.cluster.propose(leader, "add 1");
        self.converge()?;
        match self.cluster.outcome(write) {
            Some(CommandOutcome::Applied(_)) => Ok(()),
            other => Err(format!("the last command is {other:?}")),
        }
    }

    fn converge(&mut self) -> Result<(), String> {
        let mut why = String::new();
        for _ in 0..CONVERGENCE_TIMERS_MAX {
            self.cluster.deliver_all();
            if self.cluster.violation().is_some() {
                return Ok(());
            }
            match self.cluster.converged() {
                Ok(()) => return Ok(()),
                Err(reason) => why = reason,
            }
            let Some((at, due)) = self.cluster.next_timer() else {
                return Err("no timer is set".to_owned());
            };
            self.cluster.fire_timer(at, due);
        }
        Err(why)
    }

    fn completed_follower_reads(&self) -> u64 {
        let is_ready = |read: &&RequestHandle| {
            matches!(self.cluster.outcome(**read), Some(CommandOutcome::ReadReady(_)))
        };
        self.follower_reads.iter().filter(is_ready).count() as u64
    }

    /// The leader of the highest term.
    pub(super) fn leader(&self) -> Option<u64> {
        self.leaders().max_by_key(|node| node.status.term).map(|node| node.id.get())
    }

    /// All nodes that are up and lead, including leaders of earlier terms.
    pub(super) fn leaders(&self) -> impl Iterator<Item = &SimNode<Counter, MemLogStore>> {
        let leads =
            |node: &&SimNode<_, _>| node.is_up() && node.status.role == raft_core::RoleKind::Leader;
        self.cluster.nodes.iter().filter(leads)
    }
}
