//! Scenario files: all pass, and errors name the place of a mistake.

use std::fs;
use std::path::PathBuf;

use raft_testkit::script::{self, RunError, Scenario};

#[test]
fn every_scenario_file_passes() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    let is_scenario = |path: &PathBuf| path.extension().is_some_and(|is| is == "raft");
    let files: Vec<PathBuf> = files.filter(is_scenario).collect();
    assert!(files.len() >= 22, "only {} scenario files", files.len());
    let failures: Vec<String> =
        files.iter().filter_map(|path| Some(script::run_file(path).err()?.to_string())).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A page without a description or features shows events and no reason for them.
#[test]
fn every_scenario_file_states_what_it_shows_and_which_features_it_tests() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for line in ["# title: ", "# description: ", "--- ", "tests ", "expect "] {
            let found = text.lines().any(|other| other.starts_with(line));
            assert!(found, "{} has no line {line:?}", path.display());
        }
    }
}

#[test]
fn an_error_has_the_line_the_place_a_hint_and_what_is_allowed() {
    let error = Scenario::parse("cluster 3 voters\ncampaign 1 ; deliver appent\n").unwrap_err();
    let expected = "line 2: unknown kind of message \"appent\"; did you mean \"append\"?\n  \
                    campaign 1 ; deliver appent\n                       ^^^^^^\n  \
                    allowed: any, append, append_resp, heartbeat, install_snapshot, pre_vote, pre_vote_resp, \
                    read_index, read_index_resp, timeout_now, timeout_now_resp, vote, vote_resp";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_missing_wrong_or_additional_word_is_an_error_at_its_place() {
    let cases = [
        ("elect", "a node is missing", "     ^"),
        ("elect one", "a node must be a number", "      ^^^"),
        ("elect 1 2", "unexpected \"2\" after the statement", "        ^"),
        ("cut 1 2", "\"->\" is missing", "      ^"),
        ("disk 1 by foot", "\"by hand\" or \"at once\" is missing", "       ^^"),
        ("cluster 0 voters", "a cluster has at least one voter", "        ^"),
        ("campain 1", "unknown statement \"campain\"; did you mean \"campaign\"?", "^^^^^^^"),
        (
            "expect covnerged",
            "unknown expectation \"covnerged\"; did you mean \"converged\"?",
            "       ^^^^^^^^^",
        ),
        ("expect 1: king", "unknown role \"king\"", "          ^^^^"),
        (
            "change 1: demot 2",
            "unknown change \"demot\"; did you mean \"demote\"?",
            "          ^^^^^",
        ),
        ("change 1: add 4", "\"learner\" is missing", "              ^"),
        ("change 1: set members", "a node is missing", "                     ^"),
    ];
    for (text, message, caret) in cases {
        let error = Scenario::parse(text).unwrap_err();
        assert_eq!((error.message.as_str(), error.caret.as_str()), (message, caret), "{text}");
        assert!(!error.allowed.is_empty(), "{text}");
    }
}

#[test]
fn a_failed_expectation_is_reported_with_its_line() {
    let scenario = Scenario::parse("cluster 3 voters\nelect 1\nexpect leader 2\n").unwrap();
    let Err(failure) = scenario.run("wrong") else { panic!("node 2 is not the leader") };
    assert_eq!((failure.line, failure.statement.as_str()), (3, "expect leader 2"));
    let report = failure.report;
    assert!(report.contains("expected node 2 to be leader"), "{report}");
    assert!(report.contains("it is follower in term 1"), "{report}");
    assert!(report.lines().count() <= 40, "{report}");
}

#[test]
fn a_difference_from_the_golden_table_is_reported_with_file_and_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("golden.raft");
    fs::write(&path, "cluster 1 voters\ncampaign 1\ntrace\nsomething else\n").unwrap();
    let Err(error) = script::run_file(&path) else { panic!("the tables differ") };
    assert!(error.to_string().starts_with(&format!("{}: line 4: ", path.display())), "{error}");
    let RunError::GoldenTable { line, expected, .. } = error else { panic!("{error}") };
    assert_eq!((line, expected.as_str()), (4, "something else"));
}
