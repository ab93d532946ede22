//! The `raft-testkit` command as its users run it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use raft_testkit::trace::format::Format;
use raft_testkit::trace::record::{RecordKind, Trace};

use super::hand_written::rewrite;

struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("the directory takes a file");
        path
    }

    fn trace(&self, name: &str, trace: &Trace) -> PathBuf {
        self.put(name, &Format::Records.render(trace))
    }
}

fn raft_testkit(arguments: &[&str], paths: &[&Path]) -> Output {
    let (verb, options) = arguments.split_first().expect("a verb");
    let mut command = Command::new(env!("CARGO_BIN_EXE_raft-testkit"));
    command.arg(verb).args(paths).args(options).output().expect("the command starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn render_writes_every_format_without_colours_into_a_pipe() {
    let directory = Directory::new();
    let trace = rewrite();
    let path = directory.trace("rewrite.jsonl", &trace);
    for format in Format::ALL {
        let output = raft_testkit(&["render", "--to", format.name()], &[&path]);
        assert!(output.status.success(), "{format}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), format.render(&trace), "{format}");
    }
}

#[test]
fn render_writes_the_file_named_by_out() {
    let directory = Directory::new();
    let path = directory.trace("rewrite.jsonl", &rewrite());
    let out = directory.0.path().join("page.html");
    let output =
        raft_testkit(&["render", "--to", "html", "--out", &out.to_string_lossy()], &[&path]);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", text(&output.stderr));
    assert!(std::fs::read_to_string(out).unwrap().starts_with("<!doctype html>"));
}

#[test]
fn why_prints_the_chain_from_the_action_of_the_test_to_the_record() {
    let directory = Directory::new();
    let path = directory.trace("rewrite.jsonl", &rewrite());
    let output = raft_testkit(&["why", "38"], &[&path]);
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(printed.starts_with("#5    n1 test: campaign\n"), "{printed}");
    assert!(printed.lines().last().unwrap().starts_with("#38 "), "{printed}");
}

#[test]
fn diff_exits_with_0_for_equal_and_1_for_different_traces() {
    let directory = Directory::new();
    let mut other = rewrite();
    other.records[30].kind = RecordKind::Note { text: "different".to_owned() };
    let (a, b) = (directory.trace("a.jsonl", &rewrite()), directory.trace("b.jsonl", &other));
    assert_eq!(raft_testkit(&["diff"], &[&a, &a]).status.code(), Some(0));
    let output = raft_testkit(&["diff"], &[&a, &b]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("\n+"), "{}", text(&output.stdout));
}

#[test]
fn an_unreadable_trace_exits_with_2_and_an_error_with_its_place() {
    let directory = Directory::new();
    let good = Format::Records.render(&rewrite());
    let missing = directory.0.path().join("missing.jsonl");
    let cases = [
        (missing, "missing.jsonl: No such file"),
        (directory.put("empty.jsonl", ""), "empty.jsonl: the trace is empty"),
        (
            directory.put("bad.jsonl", &(good.clone() + "{oops}\n")),
            "bad.jsonl: line 118, column 2: ",
        ),
        (
            directory.put("later.jsonl", &good.replacen("\"version\":2", "\"version\":3", 1)),
            "version 3; this build reads \"raft-trace\" version 2",
        ),
    ];
    for (path, expected) in cases {
        let output = raft_testkit(&["render"], &[&path]);
        assert_eq!(output.status.code(), Some(2), "{expected}");
        let printed = text(&output.stderr);
        assert!(printed.contains(expected), "{printed}\nlacks\n{expected}");
    }
}

#[test]
fn an_unknown_format_or_record_exits_with_2() {
    let directory = Directory::new();
    let path = directory.trace("rewrite.jsonl", &rewrite());
    let output = raft_testkit(&["render", "--to", "pdf"], &[&path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("the formats are json, rst"), "{}", text(&output.stderr));
    let output = raft_testkit(&["why", "999"], &[&path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no record has the number 999; the last one is 116"));
}

const SCENARIO: &str = "# title: one leader
cluster 3 voters, timers off
--- elect
elect 1
expect leader 1 term 1
";

#[test]
fn run_reports_that_a_scenario_passed_or_renders_its_trace() {
    let directory = Directory::new();
    let path = directory.put("one.raft", SCENARIO);
    let output = raft_testkit(&["run"], &[&path]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("one.raft: passed, "), "{}", text(&output.stdout));
    let output = raft_testkit(&["run", "--to", "jsonl"], &[&path]);
    let trace = Trace::read(&mut output.stdout.as_slice()).unwrap();
    assert_eq!(trace.header.scenario, "one");
}

#[test]
fn run_exits_with_1_for_a_failed_scenario_and_with_2_for_a_file_that_is_none() {
    let directory = Directory::new();
    let path = directory.put("wrong.raft", &SCENARIO.replace("leader 1 term 1", "leader 2 term 1"));
    let traces = directory.0.path().join("traces");
    let output = Command::new(env!("CARGO_BIN_EXE_raft-testkit"))
        .env("RAFT_TRACES", &traces)
        .arg("run")
        .arg(&path)
        .output()
        .unwrap();
    let printed = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(traces.join("failures/wrong.html").is_file(), "the trace is written in every format");
    assert!(printed.contains("wrong.raft: line 5") && printed.lines().count() <= 42, "{printed}");
    assert!(!printed.contains("panicked"), "{printed}");
    let path = directory.put("verb.raft", &SCENARIO.replace("elect 1", "erect 1"));
    let output = raft_testkit(&["run"], &[&path]);
    let printed = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{printed}");
    assert!(printed.contains('^') && printed.contains("erect 1"), "{printed}");
    let output = raft_testkit(&["run"], &[&directory.0.path().join("none.raft")]);
    assert_eq!(output.status.code(), Some(2));
}
