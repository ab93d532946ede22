//! Rules for the repository itself that no compiler or linter checks. `make check` runs them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cycles;
mod documents;
mod packages;
mod sources;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

/// Directories that hold no files of ours.
const SKIPPED_DIRECTORIES: &[&str] = &[".git", "target"];

/// The root of the repository.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("every package is in a directory of the repository").to_owned()
}

/// A text file of the repository.
struct SourceFile {
    /// Its path from the root, with `/` between the parts.
    path: String,
    text: String,
}

impl SourceFile {
    /// Whether it holds tests only.
    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

/// All files with one of these extensions, sorted by path.
fn files(extensions: &[&str]) -> Vec<SourceFile> {
    let root = root();
    let mut found = Vec::new();
    let mut pending = vec![root.clone()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_symlink() {
                continue;
            } else if path.is_dir() {
                if !SKIPPED_DIRECTORIES.contains(&name) {
                    pending.push(path);
                }
            } else if extensions.iter().any(|extension| name.ends_with(extension)) {
                let relative = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                found.push(SourceFile { path: relative, text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no files with {extensions:?} below {}", root.display());
    found
}

/// Fails with all violations of a rule, if there are any.
#[track_caller]
fn report(rule: &str, violations: &[String]) {
    assert!(
        violations.is_empty(),
        "{rule}: {} violations\n{}",
        violations.len(),
        violations.join("\n")
    );
}
