//! The report of a failure.

use raft_testkit::trace::record::{RecordKind, Trace};
use raft_testkit::trace::report::{LINES_MAX, Observation, failure_report};

use super::play::{Play, rewrite};

fn report(trace: &Trace, observations: &[Observation<'_>]) -> String {
    let rule = "election safety: at most one leader a term";
    failure_report(&trace.header, &trace.records, rule, observations, "cargo test -- it")
}

#[test]
fn a_report_shows_rule_witnesses_causes_nodes_and_how_to_repeat_it() {
    let trace = rewrite();
    let observations = [
        Observation { text: "n1 leads term 1", record: Some(30) },
        Observation { text: "n2 leads term 1", record: Some(70) },
    ];
    let report = report(&trace, &observations);
    for expected in [
        "BROKEN: election safety: at most one leader a term\n",
        "in rewrite (The play called rewrite), seed 1\n",
        "  #30 n1 leads term 1\n  #70 n2 leads term 1\n",
        "n2 test: campaign\n",
        "n1 falls into a minority\n",
        "  n2    leader            2    n2      4@t2        4       4        0\n",
        "\nagain: cargo test -- it\n",
    ] {
        assert!(report.contains(expected), "{expected}\nis not in\n{report}");
    }
}

#[test]
fn a_report_has_at_most_40_lines_of_120_columns_whatever_happened() {
    let mut play = Play::new(30, "long");
    for round in 0..60 {
        play.crash(1 + round % 30);
        play.restart(1 + round % 30);
    }
    play.at(1, RecordKind::Halted { reason: "a reason\nof many lines\n".repeat(50) });
    let trace = play.trace();
    let saw = "much\nto be\nsaid ".repeat(20) + &"wide".repeat(90);
    let observations: Vec<_> =
        (1..=30).map(|at| Observation { text: &saw, record: Some(at * 3) }).collect();
    let report = report(&trace, &observations);
    assert!(report.lines().count() <= LINES_MAX, "{report}");
    assert!(report.lines().all(|line| line.chars().count() <= 120), "{report}");
    assert!(report.ends_with("again: cargo test -- it\n"), "{report}");
    assert!(report.contains("earlier ones left out"), "{report}");
}

#[test]
fn a_report_of_nothing_is_still_a_report() {
    let trace = Play::new(1, "empty").trace();
    let observations = [Observation { text: "nothing", record: Some(9) }];
    assert!(report(&trace, &observations).contains("n1    never heard of"));
}
