//! Documents made from traces.

use raft_testkit::trace::documents::{self, DocumentsError, FeatureMatrix};
use raft_testkit::trace::format::Format;

use super::hand_written::{TraceBuilder, rewrite};

#[test]
fn every_scenario_has_pages_and_every_section_has_a_diagram() {
    let directory = tempfile::tempdir().unwrap();
    let (traces, out) = (directory.path().join("traces"), directory.path().join("out"));
    std::fs::create_dir(&traces).unwrap();
    std::fs::write(traces.join("rewrite.jsonl"), Format::Records.render(&rewrite())).unwrap();
    let written = documents::write(&documents::read_directory(&traces).unwrap(), &out).unwrap();
    assert_eq!((written.scenarios, written.tested), (1, 5));
    for file in ["index.md", "index.rst", "rewrite.md", "rewrite.rst", "rewrite.html"] {
        assert!(out.join(file).is_file(), "{file}");
    }
    let page = std::fs::read_to_string(out.join("rewrite.md")).unwrap();
    let pictures: Vec<_> =
        page.split("](").skip(1).filter_map(|rest| rest.split_once(')')).collect();
    assert_eq!(pictures.len(), 5, "one for each section");
    for (picture, _) in pictures {
        assert!(out.join(picture).is_file(), "{picture}");
    }
}

#[test]
fn the_matrix_marks_tested_and_used_features_and_lists_those_without_a_test() {
    let matrix = FeatureMatrix::new(&[rewrite()]).unwrap();
    let page = matrix.markdown();
    let line = |title: &str| page.lines().find(|line| line.contains(title)).unwrap();
    assert!(line(">Conflicting entries are replaced<").ends_with("| ● |"), "{page}");
    assert!(line(">Leader election<").ends_with("| ○ |"), "{page}");
    assert!(line(">Snapshots and compaction<").ends_with("|  |"), "{page}");
    let (_, untested) = page.split_once("## Features without a test").unwrap();
    assert!(untested.contains("(`snapshots`;") && untested.contains("(`leader_election`;"));
    assert!(!untested.contains("conflict_overwritten"), "{untested}");
    assert!(!untested.contains("(`log_replication`;"), "a branch of it is tested");
}

#[test]
fn an_unregistered_feature_is_an_error_with_a_similar_path() {
    let mut builder = TraceBuilder::new(1, "typo");
    builder.section("only", &["leader_election/split_votes"], &[]);
    let error = FeatureMatrix::new(&[builder.trace()]).unwrap_err();
    assert!(matches!(error, DocumentsError::UnknownFeature { .. }), "{error}");
    assert!(error.to_string().contains("did you mean \"leader_election/split_vote\"?"), "{error}");
}

#[test]
fn a_directory_without_traces_is_an_error_with_a_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let error = documents::read_directory(directory.path()).unwrap_err().to_string();
    assert!(error.contains("run the tests first"), "{error}");
}
