//! Words that documents, comments and names do not use.

use super::{SourceFile, files, report};

const LIST: &str = include_str!("banned_words.txt");

/// Files with words of others or of earlier releases.
const SKIPPED_FILES: &[&str] =
    &["CHANGELOG.md", "raft-server/tests/tidy/banned_words.txt", "raft-server/tests/tidy/words.rs"];

/// The ends of the names of the files with text of ours. `run` is the script of CI.
const TEXT_FILES: &[&str] =
    &[".rs", ".md", ".toml", ".sh", ".raft", ".js", ".html", ".css", "Makefile", "run"];

/// A line of the list: a word or phrase, what to write instead, where it is permitted.
struct Banned<'a> {
    words: Vec<&'a str>,
    instead: &'a str,
    permitted_in: Vec<&'a str>,
}

fn banned_words() -> Vec<Banned<'static>> {
    let lines = LIST.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parse = |line: &'static str| {
        let mut fields = line.split('|').map(str::trim);
        let words: Vec<_> = fields.next().unwrap().split_whitespace().collect();
        let instead = fields.next().unwrap_or_else(|| panic!("no second field: {line}"));
        let permitted_in = fields.next().unwrap_or("").split_whitespace().collect();
        assert!(!words.is_empty() && !instead.is_empty(), "incomplete line: {line}");
        Banned { words, instead, permitted_in }
    };
    lines.map(parse).collect()
}

/// Splits a line into lower-case words; names are split at underscores and capitals.
fn words_of(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut after_lower = false;
    for char in line.chars() {
        if !char.is_ascii_alphabetic() || (char.is_ascii_uppercase() && after_lower) {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        }
        if char.is_ascii_alphabetic() {
            word.push(char.to_ascii_lowercase());
        }
        after_lower = char.is_ascii_lowercase();
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

fn violations_in(file: &SourceFile, list: &[Banned<'_>]) -> Vec<String> {
    let permitted = |banned: &Banned<'_>| {
        banned.permitted_in.iter().any(|prefix| file.path.starts_with(prefix))
    };
    let list: Vec<_> = list.iter().filter(|banned| !permitted(banned)).collect();
    let mut violations = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let words = words_of(line);
        for banned in &list {
            if words.windows(banned.words.len()).any(|window| window == banned.words) {
                violations.push(format!(
                    "{}:{}: `{}`: write {}",
                    file.path,
                    number + 1,
                    banned.words.join(" "),
                    banned.instead
                ));
            }
        }
    }
    violations
}

#[test]
fn no_file_uses_a_banned_word() {
    let list = banned_words();
    let violations: Vec<_> = files(TEXT_FILES)
        .iter()
        .filter(|file| !SKIPPED_FILES.contains(&file.path.as_str()))
        .flat_map(|file| violations_in(file, &list))
        .collect();
    report("banned words", &violations);
}

#[test]
fn a_banned_word_is_found_in_names_and_phrases() {
    let list = banned_words();
    let text = "fn on_folderOpened() {}\n// The road is fine.\nlet x = Folder::new();\n";
    let file = SourceFile { path: "a/b.rs".to_owned(), text: text.to_owned() };
    let violations = violations_in(&file, &list);
    let lines: Vec<_> = violations.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(lines, ["a/b.rs:1", "a/b.rs:3"], "{violations:?}");
}

#[test]
fn a_word_that_is_permitted_somewhere_is_permitted_in_existing_files() {
    let files = files(TEXT_FILES);
    let mut violations = Vec::new();
    for banned in banned_words() {
        for prefix in &banned.permitted_in {
            if !files.iter().any(|file| file.path.starts_with(prefix)) {
                violations.push(format!("`{}`: nothing at {prefix}", banned.words.join(" ")));
            }
        }
    }
    report("permissions for files that do not exist", &violations);
}
