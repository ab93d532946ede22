//! The `raft-testkit` command as its users run it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use raft_testkit::trace::format::Format;
use raft_testkit::trace::record::{RecordKind, Trace};

use super::play::rewrite;

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
fn render_draws_every_form_and_a_pipe_gets_no_colours() {
    let directory = Directory::new();
    let trace = rewrite();
    let path = directory.trace("rewrite.jsonl", &trace);
    for form in Format::ALL {
        let output = raft_testkit(&["render", "--to", form.name()], &[&path]);
        assert!(output.status.success(), "{form}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), form.render(&trace), "{form}");
    }
}

#[test]
fn render_writes_into_a_file_when_asked() {
    let directory = Directory::new();
    let path = directory.trace("rewrite.jsonl", &rewrite());
    let out = directory.0.path().join("page.html");
    let output =
        raft_testkit(&["render", "--to", "html", "--out", &out.to_string_lossy()], &[&path]);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", text(&output.stderr));
    assert!(std::fs::read_to_string(out).unwrap().starts_with("<!doctype html>"));
}

#[test]
fn why_ends_with_the_record_and_begins_with_the_lever() {
    let directory = Directory::new();
    let path = directory.trace("rewrite.jsonl", &rewrite());
    let output = raft_testkit(&["why", "38"], &[&path]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(said.starts_with("#5    n1 test: campaign\n"), "{said}");
    assert!(said.lines().last().unwrap().starts_with("#38 "), "{said}");
}

#[test]
fn diff_exits_with_0_for_equal_and_1_for_different_traces() {
    let directory = Directory::new();
    let mut other = rewrite();
    other.records[30].kind = RecordKind::Note { text: "odd".to_owned() };
    let (a, b) = (directory.trace("a.jsonl", &rewrite()), directory.trace("b.jsonl", &other));
    assert_eq!(raft_testkit(&["diff"], &[&a, &a]).status.code(), Some(0));
    let output = raft_testkit(&["diff"], &[&a, &b]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("\n+"), "{}", text(&output.stdout));
}

#[test]
fn what_cannot_be_read_exits_with_2_and_says_where() {
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
            directory.put("later.jsonl", &good.replacen("\"version\":1", "\"version\":2", 1)),
            "version 2, but this build reads \"raft-trace\" version 1",
        ),
    ];
    for (path, expected) in cases {
        let output = raft_testkit(&["render"], &[&path]);
        assert_eq!(output.status.code(), Some(2), "{expected}");
        let said = text(&output.stderr);
        assert!(said.contains(expected), "{said}\nlacks\n{expected}");
    }
}

#[test]
fn an_unknown_form_or_record_exits_with_2() {
    let directory = Directory::new();
    let path = directory.trace("rewrite.jsonl", &rewrite());
    let output = raft_testkit(&["render", "--to", "pdf"], &[&path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there are facts, rst"), "{}", text(&output.stderr));
    let output = raft_testkit(&["why", "999"], &[&path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no record 999; the last one is 116"));
}

const SCENARIO: &str = "# title: one leader
cluster 3 voters, timers off
--- elect
elect 1
expect leader 1 term 1
";

#[test]
fn run_says_that_a_scenario_holds_or_draws_its_trace() {
    let directory = Directory::new();
    let path = directory.put("one.raft", SCENARIO);
    let output = raft_testkit(&["run"], &[&path]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("one.raft: holds, "), "{}", text(&output.stdout));
    let output = raft_testkit(&["run", "--to", "jsonl"], &[&path]);
    let trace = Trace::read(&mut output.stdout.as_slice()).unwrap();
    assert_eq!(trace.header.scenario, "one");
}

#[test]
fn run_exits_with_1_for_what_does_not_hold_and_with_2_for_what_is_no_scenario() {
    let directory = Directory::new();
    let path = directory.put("wrong.raft", &SCENARIO.replace("leader 1 term 1", "leader 2 term 1"));
    let traces = directory.0.path().join("traces");
    let output = Command::new(env!("CARGO_BIN_EXE_raft-testkit"))
        .env("RAFT_TRACES", &traces)
        .arg("run")
        .arg(&path)
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(traces.join("failures/wrong.html").is_file(), "the trace lies beside it in every form");
    assert!(said.contains("wrong.raft: line 5") && said.lines().count() <= 42, "{said}");
    assert!(!said.contains("panicked"), "{said}");
    let path = directory.put("verb.raft", &SCENARIO.replace("elect 1", "erect 1"));
    let output = raft_testkit(&["run"], &[&path]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains('^') && said.contains("erect 1"), "{said}");
    let output = raft_testkit(&["run"], &[&directory.0.path().join("none.raft")]);
    assert_eq!(output.status.code(), Some(2));
}
