//! Scenario files: each in the directory holds, and mistakes are pointed at.

use std::fs;
use std::path::PathBuf;

use raft_testkit::script::{self, RunError, Script};

#[test]
fn every_scenario_file_holds() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut ran = 0;
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "raft") {
            script::run_file(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            ran += 1;
        }
    }
    assert!(ran >= 6, "only {ran} scenario files");
}

#[test]
fn an_unknown_verb_is_pointed_at() {
    let error = Script::parse("cluster 3 voters\ncampaign 1 ; campain 2\n").unwrap_err();
    let expected = "line 2: unknown verb \"campain\"; did you mean \"campaign\"?\n  \
                    campaign 1 ; campain 2\n               ^^^^^^^";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn what_is_missing_or_too_much_is_pointed_at() {
    let caret = |text: &str| {
        let error = Script::parse(text).unwrap_err();
        (error.what, error.caret)
    };
    assert_eq!(caret("elect"), ("a node is missing".to_owned(), "     ^".to_owned()));
    assert_eq!(caret("elect one"), ("a node must be a number".to_owned(), "      ^^^".to_owned()));
    assert_eq!(caret("elect 1 2"), ("this is too much".to_owned(), "        ^".to_owned()));
    let (what, _) = caret("deliver appent 1 -> 2");
    assert_eq!(what, "unknown kind of message \"appent\"; did you mean \"append\"?");
    let (what, _) = caret("expect covnerged");
    assert_eq!(what, "unknown expectation \"covnerged\"; did you mean \"converged\"?");
}

#[test]
fn what_does_not_hold_is_told_with_its_line() {
    let script = Script::parse("cluster 3 voters\nelect 1\nexpect leader 2\n").unwrap();
    let Err(RunError::Failed { line, command, report }) = script.run("wrong") else {
        panic!("it does not hold");
    };
    assert_eq!((line, command.as_str()), (3, "expect leader 2"));
    assert!(report.contains("node 2 should be a leader"), "{report}");
    assert!(report.lines().count() <= 40, "{report}");
}

#[test]
fn a_golden_trace_is_compared_and_differences_are_told_with_their_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("golden.raft");
    fs::write(&path, "cluster 1 voters\ncampaign 1\ntrace\nsomething else\n").unwrap();
    let Err(RunError::Trace { line, file, .. }) = script::run_file(&path) else {
        panic!("the trace differs");
    };
    assert_eq!((line, file.as_str()), (4, "something else"));
}
