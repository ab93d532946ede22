//! Prints figures as they are measured, and writes them as JSON.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use crate::failover::Failover;
use crate::measure::{Figures, Kind};
use crate::timeline::Event;

/// All figures so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    cases: Vec<Value>,
    failover: Value,
    idle: Value,
}

impl Report {
    pub(crate) fn head(&self) {
        show(&format!(
            "{:<8}{:>8}{:>12}{:>11}{:>11}{:>16}",
            "", "clients", "a second", "p50 ms", "p99 ms", "nodes' CPU us"
        ));
    }

    pub(crate) fn case(&mut self, figures: Figures) {
        let Figures { kind, clients, operations, elapsed, p50, p99, cpu } = figures;
        let kind = match kind {
            Kind::Writes => "writes",
            Kind::Reads => "reads",
        };
        let count = u32::try_from(operations).map_or(f64::MAX, f64::from);
        let rate = count / elapsed.as_secs_f64();
        let cpu_micros = cpu.as_secs_f64() * 1e6 / count.max(1.0);
        let (p50, p99) = (millis(p50), millis(p99));
        show(&format!("{kind:<8}{clients:>8}{rate:>12.0}{p50:>11.2}{p99:>11.2}{cpu_micros:>16.1}"));
        self.cases.push(json!({
            "kind": kind,
            "clients": clients,
            "operations": operations,
            "operations_per_second": rate,
            "p50_ms": p50,
            "p99_ms": p99,
            "nodes_cpu_us_per_operation": cpu_micros,
        }));
    }

    pub(crate) fn failovers(&mut self, rounds: Vec<Failover>) {
        for (round, failover) in rounds.iter().enumerate() {
            show_failover(round, failover);
        }
        let mut sorted: Vec<Duration> = rounds.iter().map(|failover| failover.elapsed).collect();
        sorted.sort_unstable();
        // The smallest value that this share of all values does not exceed.
        let quantile = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).copied().map(millis)
        };
        let (Some(median), Some(p99), Some(worst)) = (quantile(50), quantile(99), quantile(100))
        else {
            return;
        };
        let count = rounds.len();
        show(&format!(
            "leader killed to next acknowledged write, {count} times: median {median:.0} ms, \
             p99 {p99:.0} ms, worst {worst:.0} ms"
        ));
        let details: Vec<Value> = rounds.iter().map(failover_json).collect();
        self.failover = json!({
            "median_ms": median, "p99_ms": p99, "worst_ms": worst, "rounds": details,
        });
    }

    /// The leader's memory before and after `count` idle connections were opened to it.
    pub(crate) fn idle(&mut self, count: usize, before_bytes: u64, after_bytes: u64) {
        let each = after_bytes.saturating_sub(before_bytes) / (count as u64).max(1);
        show(&format!(
            "{count} idle connections: the leader's resident memory goes from {} to {} MiB, {each} \
             bytes a connection",
            before_bytes >> 20,
            after_bytes >> 20,
        ));
        self.idle = json!({
            "connections": count,
            "resident_bytes_before": before_bytes,
            "resident_bytes_after": after_bytes,
        });
    }

    /// The number of idle connections that are open at the end.
    pub(crate) fn idle_left(&mut self, count: usize) {
        show(&format!("{count} idle connections are open at the end"));
        self.idle["connections_at_end"] = json!(count);
    }

    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let value = json!({ "cases": self.cases, "failover": self.failover, "idle": self.idle });
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(path, format!("{value:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))?;
        show(&format!("written to {}", path.display()));
        Ok(())
    }
}

/// Prints a failover in one line, and the events of a long one.
fn show_failover(round: usize, failover: &Failover) {
    /// The events of a longer failover are printed.
    const LONG: Duration = Duration::from_millis(800);
    let at =
        |at_ms: Option<f64>| at_ms.map_or_else(|| "-".to_owned(), |at_ms| format!("{at_ms:.0}"));
    show(&format!(
        "kill {:>3}: campaign after {:>4} ms, {} terms, elected after {:>4} ms, client lost the \
         connection after {:>4} ms, write acknowledged after {:>5.0} ms",
        round + 1,
        at(failover.noticed_ms()),
        failover.campaigns(),
        at(failover.elected_ms()),
        at(failover.client_noticed_ms()),
        millis(failover.elapsed),
    ));
    if failover.elapsed > LONG {
        for event in &failover.events {
            show(&event.line());
        }
    }
}

fn failover_json(failover: &Failover) -> Value {
    let events: Vec<String> = failover.events.iter().map(Event::line).collect();
    json!({
        "ms": millis(failover.elapsed),
        "campaign_ms": failover.noticed_ms(),
        "terms": failover.campaigns(),
        "elected_ms": failover.elected_ms(),
        "client_noticed_ms": failover.client_noticed_ms(),
        "events": events,
    })
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn show(line: &str) {
    println!("{line}");
}
