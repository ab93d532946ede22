//! All named scenarios of the workspace: scenario files, and Rust tests that name a scenario.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use raft_testkit::features;

/// The directories of the tests that name scenarios.
const TESTS: [&str; 2] = ["../raft-core/tests", "tests"];

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("the directory exists") {
        let path = entry.expect("the directory is readable").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|is| is == extension) {
            found.push(path);
        }
    }
    found
}

fn scenario_files() -> Vec<PathBuf> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios"), "raft")
}

fn rust_tests() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    TESTS.iter().flat_map(|directory| files(&root.join(directory), "rs")).collect()
}

/// The first string literal after each occurrence of `call` in a source file.
fn literals_after(text: &str, call: &str) -> Vec<String> {
    let after = text.split(call).skip(1);
    let literal = after.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    literal.map(str::to_owned).collect()
}

/// The traces of two scenarios with the same name would replace each other.
#[test]
fn names_of_scenarios_are_unique() {
    let mut places: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in scenario_files() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        places.entry(name).or_default().push(path);
    }
    for path in rust_tests() {
        // This file has the text in other places than calls.
        if path.file_name().is_some_and(|name| name == "scenario_registry.rs") {
            continue;
        }
        for title in literals_after(&fs::read_to_string(&path).unwrap(), ".scenario(") {
            let words = title.split(|letter: char| !letter.is_alphanumeric());
            let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
            places.entry(words.join("_").to_lowercase()).or_default().push(path.clone());
        }
    }
    assert!(places.len() > 50, "{places:#?}");
    places.retain(|_, paths| paths.len() > 1);
    assert!(places.is_empty(), "{places:#?}");
}

/// The matrix of features and scenarios has no feature that nothing tests.
#[test]
fn every_feature_is_tested_by_a_scenario() {
    let mut tested: Vec<String> = Vec::new();
    for path in scenario_files() {
        let text = fs::read_to_string(path).unwrap();
        let statements = text.lines().flat_map(|line| line.split(';'));
        let features = statements.filter_map(|statement| statement.trim().strip_prefix("tests "));
        tested.extend(features.flat_map(str::split_whitespace).map(str::to_owned));
    }
    for path in rust_tests() {
        let text = fs::read_to_string(path).unwrap();
        let lists = text.split(".tests(&[").skip(1).filter_map(|rest| rest.split(']').next());
        tested.extend(lists.flat_map(|list| list.split('"').skip(1).step_by(2)).map(str::to_owned));
    }
    let covers = |path: &str, other: &String| {
        other == path || other.split_once('/').is_some_and(|(family, _)| family == path)
    };
    let untested: Vec<&str> = features::ALL
        .iter()
        .map(|feature| feature.path)
        .filter(|path| !tested.iter().any(|other| covers(path, other)))
        .collect();
    assert!(untested.is_empty(), "no scenario tests {untested:?}");
}
