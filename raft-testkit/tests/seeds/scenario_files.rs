//! The same scenarios as scenario files have the same rows.

use std::path::PathBuf;

use raft_testkit::Cluster;
use raft_testkit::script;
use raft_testkit::trace::event_table::{EventTable, Row};
use raft_testkit::trace::record::{RecordKind, Trace};

type Run = fn() -> Cluster;

#[test]
fn scenario_files_have_the_rows_of_the_scenarios_in_rust() {
    let scenarios: [(&str, Run); 5] = [
        ("test_command_1", super::command::run),
        ("test_feature_defs_3", super::feature_definitions::run),
        ("test_follower_explodes_in_command", super::follower_explodes::run),
        ("test_follower_rewrite_1", super::follower_rewrite::run),
        ("test_slow_voter", super::slow_voter::run),
    ];
    for (name, run) in scenarios {
        let path = directory().join(format!("{name}.raft"));
        let from_file = script::run_file(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let from_rust = run();
        assert_eq!(documentation(&from_file), documentation(&from_rust), "{name}");
        let (from_file, from_rust) = (rows(&from_file), rows(&from_rust));
        for (number, (file, rust)) in (1..).zip(from_file.iter().zip(&from_rust)) {
            assert_eq!(file, rust, "{name}, section {number}");
        }
        assert_eq!(from_file.len(), from_rust.len(), "{name}");
    }
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// The title, the description, and the sections with the features that they use and test. The pages
/// of a scenario are the same, whichever of its two forms ran last.
fn documentation(cluster: &Cluster) -> Vec<String> {
    let Trace { header, records } = cluster.trace();
    let sections = records.into_iter().filter_map(|record| {
        let RecordKind::Section { title, uses, tests, .. } = record.kind else { return None };
        Some(format!("{title} {uses:?} {tests:?}"))
    });
    [header.title, header.description].into_iter().chain(sections).collect()
}

/// The rows of each section, without the numbers of the records.
fn rows(cluster: &Cluster) -> Vec<Vec<Row>> {
    let table = EventTable::new(&cluster.trace());
    let bare = |mut row: Row| {
        row.sequence = 0;
        row
    };
    table.sections.into_iter().map(|s| s.rows.into_iter().map(bare).collect()).collect()
}
