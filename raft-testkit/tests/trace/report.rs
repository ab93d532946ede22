//! The report of a failed test.

use raft_testkit::trace::record::{RecordKind, Trace};
use raft_testkit::trace::report::{LINES_MAX, Observation, failure_report};

use super::hand_written::{TraceBuilder, rewrite};

fn report(trace: &Trace, observations: &[Observation<'_>]) -> String {
    let rule = "election safety: at most one leader a term";
    failure_report(&trace.header, &trace.records, rule, observations, &[], "cargo test -- it")
}

#[test]
fn a_report_has_the_rule_observations_causes_nodes_and_the_command_to_repeat_it() {
    let trace = rewrite();
    let observations = [
        Observation { text: "n1 leads term 1", record: Some(30) },
        Observation { text: "n2 leads term 1", record: Some(70) },
    ];
    let report = report(&trace, &observations);
    for expected in [
        "FAILED: election safety: at most one leader a term\n",
        "scenario: rewrite (The scenario rewrite), seed 1\n",
        "  #30 n1 leads term 1\n  #70 n2 leads term 1\n",
        "n2 test: campaign\n",
        "n1 is in a minority\n",
        "  n2    leader            2    n2      4@t2        4       4        0\n",
        "\nrepeat with: cargo test -- it\n",
    ] {
        assert!(report.contains(expected), "{expected}\nis not in\n{report}");
    }
}

#[test]
fn a_report_has_at_most_40_lines_of_120_columns() {
    let mut builder = TraceBuilder::new(30, "long");
    for round in 0..60 {
        builder.crash(1 + round % 30);
        builder.restart(1 + round % 30);
    }
    builder.at(1, RecordKind::Halted { reason: "a reason\nof many lines\n".repeat(50) });
    let trace = builder.trace();
    let text = "much\nto be\nsaid ".repeat(20) + &"wide".repeat(90);
    let observations: Vec<_> =
        (1..=30).map(|at| Observation { text: &text, record: Some(at * 3) }).collect();
    let report = report(&trace, &observations);
    assert!(report.lines().count() <= LINES_MAX, "{report}");
    assert!(report.lines().all(|line| line.chars().count() <= 120), "{report}");
    assert!(report.ends_with("repeat with: cargo test -- it\n"), "{report}");
    assert!(report.contains("earlier records are left out"), "{report}");
}

#[test]
fn a_report_of_an_empty_trace_has_every_node() {
    let trace = TraceBuilder::new(1, "empty").trace();
    let observations = [Observation { text: "nothing", record: Some(9) }];
    assert!(report(&trace, &observations).contains("n1    no record"));
}
