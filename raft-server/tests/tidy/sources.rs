//! Rules for source files.

use super::{SourceFile, files, report};

/// Lines of code in a file; blank lines, comments and unit tests do not count.
const CODE_LINES_MAX: usize = 400;
/// Lines of code in a file of tests.
const TEST_LINES_MAX: usize = 600;

/// Files that may be longer, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// The only places where a test waits by time, each with its reason.
const WAITS: &[(&str, &str)] = &[(
    "raft-server/tests/process/poll.rs",
    "polls other processes, which do not notify a test when their state changes",
)];

/// Code without the unit tests behind it.
fn without_unit_tests(file: &SourceFile) -> &str {
    match file.text.find("#[cfg(test)]\nmod ") {
        Some(start)
            if file.text[start..].lines().nth(1).is_some_and(|line| line.ends_with('{')) =>
        {
            &file.text[..start]
        }
        Some(_) | None => &file.text,
    }
}

fn code_lines(text: &str) -> usize {
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    text.lines().filter(is_code).count()
}

#[test]
fn no_source_file_is_too_long() {
    let mut violations = Vec::new();
    for file in files(&[".rs"]) {
        let (text, limit) = if file.is_test() {
            (file.text.as_str(), TEST_LINES_MAX)
        } else {
            (without_unit_tests(&file), CODE_LINES_MAX)
        };
        let lines = code_lines(text);
        let excused = LONG_FILES.iter().any(|(path, _)| *path == file.path);
        if lines > limit && !excused {
            violations.push(format!("{}: {lines} lines of code, at most {limit}", file.path));
        } else if lines <= limit && excused {
            violations.push(format!("{}: is short now, remove it from LONG_FILES", file.path));
        }
    }
    report("files that are too long", &violations);
}

/// Functions are limited by a lint; this checks that the lint is on in every crate.
#[test]
fn the_length_of_functions_is_limited_in_every_crate() {
    let mut violations = Vec::new();
    for file in files(&["clippy.toml"]) {
        if !file.text.lines().any(|line| line == "too-many-lines-threshold = 70") {
            violations.push(format!("{}: no too-many-lines-threshold = 70", file.path));
        }
    }
    for file in files(&[".rs"]) {
        for (number, line) in file.text.lines().enumerate() {
            let line = line.trim_start();
            if (line.starts_with("#[") || line.starts_with("#!["))
                && line.contains("too_many_lines")
            {
                violations.push(format!("{}:{}: {line}", file.path, number + 1));
            }
        }
    }
    report("functions without a limit of length", &violations);
}

#[test]
fn tests_do_not_sleep() {
    let mut violations = Vec::new();
    for file in files(&[".rs"]) {
        if file.path.starts_with("raft-server/tests/tidy/") {
            continue;
        }
        let tests_from = if file.is_test() { 0 } else { without_unit_tests(&file).len() };
        let excused = WAITS.iter().any(|(path, _)| *path == file.path);
        let first_line = file.text[..tests_from].lines().count();
        for (number, line) in file.text[tests_from..].lines().enumerate() {
            if line.contains("sleep(") && !excused {
                violations.push(format!("{}:{}", file.path, first_line + number + 1));
            }
        }
    }
    for (path, _) in WAITS {
        if !files(&[".rs"]).iter().any(|file| file.path == *path && file.text.contains("sleep(")) {
            violations.push(format!("{path}: does not sleep, remove it from WAITS"));
        }
    }
    report("tests that sleep", &violations);
}

#[test]
fn unit_tests_are_not_counted() {
    let text = "//! Doc.\n\nfn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
    let file = SourceFile { path: "x/src/y.rs".to_owned(), text: text.to_owned() };
    assert_eq!(code_lines(without_unit_tests(&file)), 1);
    let elsewhere = text.replace("mod tests {", "mod tests;");
    let file = SourceFile { path: "x/src/y.rs".to_owned(), text: elsewhere };
    assert_eq!(code_lines(without_unit_tests(&file)), 5);
}
