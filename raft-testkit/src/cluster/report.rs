//! The report and the files of a failing test.

use std::fmt::Write as _;
use std::path::PathBuf;

use raft_core::ports::{LogStore, StateMachine};

use super::sim_cluster::Cluster;
use crate::check::{Observation, Violation};
use crate::trace::files;
use crate::trace::report;

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Panics with a report.
    pub(crate) fn fail(&self, failure: &str) -> ! {
        let report = self.report(failure);
        panic!("{report}");
    }

    /// The report of a failure, in at most 40 lines: the violated rule (else `failure`), what it
    /// requires, the two observations that contradict each other, the events that led to them, the
    /// state of the nodes, what they wait for if no rule is violated ([`Cluster::explain`]), and the
    /// command that repeats the test.
    #[must_use]
    pub fn report(&self, failure: &str) -> String {
        let repeat = self.repeat_command();
        let (header, records) = (&self.recorder.header, self.records());
        if let Some(Violation { rule, earlier, later, .. }) = self.violation() {
            let rule_text = format!("{} ({})", rule.statement(), rule.source());
            let traced = self.recorder.is_enabled();
            let record = |observation: &'_ Observation| traced.then_some(observation.record);
            let observations = [
                report::Observation { text: &rule_text, record: None },
                report::Observation { text: &earlier.text, record: record(earlier) },
                report::Observation { text: &later.text, record: record(later) },
            ];
            return report::failure_report(
                header,
                records,
                rule.name(),
                &observations,
                &[],
                &repeat,
            );
        }
        let (heading, details) = failure.split_once('\n').unwrap_or((failure, ""));
        let observations = [report::Observation { text: details, record: None }];
        let shown = if details.is_empty() { &observations[..0] } else { &observations[..] };
        let waiting = self.explanation_lines();
        report::failure_report(header, records, heading, shown, &waiting, &repeat)
    }

    fn repeat_command(&self) -> String {
        if let Some(line) = &self.settings.repeat_command {
            return line.clone();
        }
        let mut line = "cargo test".to_owned();
        if let Ok(package) = std::env::var("CARGO_PKG_NAME") {
            let _ = write!(line, " -p {package}");
        }
        if let Some(test) = std::thread::current().name() {
            let _ = write!(line, " {test} -- --exact");
        }
        line
    }

    /// Writes the trace in every format into the directory `traces` of cargo's target directory.
    /// Returns the path of the JSON file.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn save_trace(&self) -> PathBuf {
        files::write_all(&self.trace()).expect("the target directory can be written")
    }
}

impl<M: StateMachine, S: LogStore> Drop for Cluster<M, S> {
    /// Writes the trace in every format if the test fails. With `RAFT_SAVE_TRACES=1` every scenario
    /// with a title does.
    fn drop(&mut self) {
        if !self.recorder.is_enabled() || self.records().is_empty() {
            return;
        }
        if std::thread::panicking() {
            // The test fails already; a failure to write cannot be reported.
            let _ = files::write_failure(&self.trace());
        } else if !self.recorder.header.title.is_empty() && files::save_all() {
            self.save_trace();
        }
    }
}
