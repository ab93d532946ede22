//! What a failing test prints and leaves behind.

use std::fmt::Write as _;
use std::path::PathBuf;

use raft_core::ports::{LogStore, StateMachine};

use super::sim_cluster::Cluster;
use crate::trace::files;
use crate::trace::report::{Observation, failure_report};

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Ends the test with a report.
    pub(crate) fn fail(&self, what: &str) -> ! {
        let report = self.report(what);
        panic!("{report}");
    }

    /// What went wrong, the witnesses, what led to it, how the nodes stand, and how to repeat it:
    /// at most 40 lines. The trace is written beside it in every form.
    #[must_use]
    pub fn report(&self, what: &str) -> String {
        let repeat = self.repeat_command();
        let (header, records) = (&self.recorder.header, self.records());
        if let Some(violation) = self.violation() {
            let witness = |witness: &'_ crate::check::Observation| witness.record;
            let (earlier, later) = (&violation.earlier, &violation.later);
            let on = self.recorder.is_enabled();
            let witnesses = [
                Observation { text: &earlier.text, record: on.then(|| witness(earlier)) },
                Observation { text: &later.text, record: on.then(|| witness(later)) },
            ];
            failure_report(header, records, violation.rule.name(), &witnesses, &repeat)
        } else {
            let mut lines = what.lines();
            let rule = lines.next().unwrap_or("an expectation");
            let rest: Vec<&str> = lines.collect();
            let saw = rest.join("\n");
            let witnesses = [Observation { text: &saw, record: None }];
            let shown = if saw.is_empty() { &witnesses[..0] } else { &witnesses[..] };
            failure_report(header, records, rule, shown, &repeat)
        }
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

    /// Writes the trace in every form into the directory `traces` of cargo's target directory, named
    /// after the scenario. Returns where the facts lie.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn save_trace(&self) -> PathBuf {
        files::write_all(&self.trace()).expect("the target directory can be written")
    }
}

impl<M: StateMachine, S: LogStore> Drop for Cluster<M, S> {
    /// A test that fails leaves its trace behind, in every form. With `RAFT_SAVE_TRACES=1` every
    /// scenario that has a title does.
    fn drop(&mut self) {
        if !self.recorder.is_enabled() || self.records().is_empty() {
            return;
        }
        if std::thread::panicking() {
            // Nobody is left to be told of a failure to write: the test fails already.
            let _ = files::write_failure(&self.trace());
        } else if !self.recorder.header.title.is_empty() && files::save_all() {
            self.save_trace();
        }
    }
}
