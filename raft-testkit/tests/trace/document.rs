//! `docs/traces.md` is true: its commands run, and it lists every format and every op.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use raft_testkit::trace::format::Format;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document() -> String {
    fs::read_to_string(root().join("docs/traces.md")).expect("the document can be read")
}

/// A directory with the files that the commands read.
fn prepare(directory: &Path) {
    let scenarios = directory.join("raft-testkit/scenarios");
    let traces = directory.join("target/traces");
    fs::create_dir_all(&scenarios).expect("the directory is writable");
    fs::create_dir_all(&traces).expect("the directory is writable");
    let name = "stale_leader.raft";
    let scenario = root().join("raft-testkit/scenarios").join(name);
    fs::copy(scenario, scenarios.join(name)).expect("the directory is writable");
    let trace = Format::Records.render(&super::hand_written::rewrite());
    fs::write(traces.join("rewrite.jsonl"), &trace).expect("the directory is writable");
    fs::write(directory.join("other.jsonl"), trace).expect("the directory is writable");
}

#[test]
fn every_command_of_the_document_runs() {
    let directory = tempfile::tempdir().unwrap();
    prepare(directory.path());
    let document = document();
    let commands: Vec<&str> =
        document.lines().filter_map(|line| line.strip_prefix("$ raft-testkit ")).collect();
    assert!(commands.len() >= 6, "{commands:?}");
    for line in commands {
        let command = line.split('#').next().unwrap_or_default();
        let output = Command::new(env!("CARGO_BIN_EXE_raft-testkit"))
            .current_dir(directory.path())
            .args(command.split_whitespace())
            .output()
            .unwrap();
        let expected = i32::from(command.starts_with("diff"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(expected), "{command}: {errors}");
    }
}

#[test]
fn the_document_lists_every_format_with_its_file() {
    let document = document();
    for format in Format::ALL {
        let row = document
            .lines()
            .find(|line| line.starts_with('|') && line.contains(&format!("`{}`", format.name())));
        let row = row.unwrap_or_else(|| panic!("{format} has no row"));
        assert!(row.contains(&format!("`NAME.{}`", format.extension())), "{row}");
    }
}

#[test]
fn the_document_lists_every_op_of_the_recorded_scenarios() {
    let document = document();
    let changes = ["STARTED", "NEW ROLE", "CRASH", "RESTART", "NETSPLIT", "NETJOIN"];
    for op in changes.into_iter().chain(["CMD START", "CMD DONE"]) {
        assert!(document.contains(&format!("`{op}`")), "{op}");
    }
    for kind in ["p_v_r", "p_v", "poll", "vote", "ae", "ae_reply"] {
        assert!(document.contains(&format!("`{kind}`")), "{kind}");
    }
}
