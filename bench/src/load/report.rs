//! Shows figures as they come, and writes them as JSON.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use crate::measure::{Figures, Kind};

/// All figures so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    cases: Vec<Value>,
    failover: Value,
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

    pub(crate) fn failovers(&mut self, mut rounds: Vec<Duration>) {
        rounds.sort_unstable();
        let (Some(median), Some(worst)) = (rounds.get(rounds.len() / 2), rounds.last()) else {
            return;
        };
        let (median, worst) = (millis(*median), millis(*worst));
        let count = rounds.len();
        show(&format!(
            "leader killed to next acknowledged write, {count} times: median {median:.0} ms, \
             worst {worst:.0} ms"
        ));
        let all: Vec<f64> = rounds.into_iter().map(millis).collect();
        self.failover = json!({ "median_ms": median, "worst_ms": worst, "rounds_ms": all });
    }

    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let value = json!({ "cases": self.cases, "failover": self.failover });
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, format!("{value:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))?;
        show(&format!("written to {}", path.display()));
        Ok(())
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[allow(clippy::print_stdout, reason = "showing figures is what this program is for")]
fn show(line: &str) {
    println!("{line}");
}
