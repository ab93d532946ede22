//! The same five as text: they give the same rows.

use std::path::PathBuf;

use raft_testkit::Cluster;
use raft_testkit::script;
use raft_testkit::trace::event_table::{EventTable, Row};

type Tell = fn() -> Cluster;

#[test]
fn the_scenario_files_tell_what_the_scripts_tell() {
    let told: [(&str, Tell); 5] = [
        ("test_command_1", super::command::tell),
        ("test_feature_defs_3", super::feature_definitions::tell),
        ("test_follower_explodes_in_command", super::follower_explodes::tell),
        ("test_follower_rewrite_1", super::follower_rewrite::tell),
        ("test_slow_voter", super::slow_voter::tell),
    ];
    for (name, tell) in told {
        let path = scenarios().join(format!("{name}.raft"));
        let from_file = script::run_file(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (from_file, from_script) = (rows(&from_file), rows(&tell()));
        for (number, (file, script)) in (1..).zip(from_file.iter().zip(&from_script)) {
            assert_eq!(file, script, "{name}, section {number}");
        }
        assert_eq!(from_file.len(), from_script.len(), "{name}");
    }
}

fn scenarios() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// Everything that happened, without the numbers of the records.
fn rows(cluster: &Cluster) -> Vec<Vec<Row>> {
    let facts = EventTable::new(&cluster.trace());
    let bare = |mut row: Row| {
        row.sequence = 0;
        row
    };
    facts.sections.into_iter().map(|s| s.rows.into_iter().map(bare).collect()).collect()
}
