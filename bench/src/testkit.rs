//! Measures the test kit: events a second in one thread, with five nodes and all rules checked.
//!
//! `testkit-bench`
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::time::Instant;

use raft_testkit::Cluster;

const COMMANDS: u64 = 100_000;

fn main() {
    for (name, traced) in [("untraced", false), ("traced", true)] {
        let mut cluster = Cluster::new(5).scenario("throughput");
        if !traced {
            cluster = cluster.untraced();
        }
        cluster.elect(1);
        let commands = if traced { COMMANDS / 10 } else { COMMANDS };
        let begin = Instant::now();
        for number in 0..commands {
            cluster.propose(1, "add 1");
            cluster.deliver_all();
            if number % 64 == 0 {
                cluster.heartbeat(1);
            }
        }
        cluster.deliver_all();
        let seconds = begin.elapsed().as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let events = cluster.events() as f64;
        println!("{name}: {events} events in {seconds:.2} s, {:.0} a second", events / seconds);
        assert_eq!(cluster.machine(1).total().unsigned_abs(), commands);
    }
}
