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
    for file in ["index.html", "matrix.html", "index.md", "index.rst"] {
        assert!(out.join(file).is_file(), "{file}");
    }
    for file in ["rewrite.md", "rewrite.rst", "rewrite.html", "rewrite.svg", "rewrite.txt"] {
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

/// A reader finds a scenario in the index, opens its page, and returns.
#[test]
fn the_index_lists_scenarios_by_source_and_every_link_leads_to_a_page() {
    let directory = tempfile::tempdir().unwrap();
    let mut file = rewrite();
    file.header.scenario = "from_a_file".to_owned();
    file.header.source = "from_a_file.raft".to_owned();
    let written = documents::write(&[rewrite(), file], directory.path()).unwrap();
    let index = std::fs::read_to_string(&written.index).unwrap();
    let places = ["<h2>Scenario files</h2>", "from_a_file.html", "Tests of package: module"]
        .map(|text| index.find(text).unwrap_or_else(|| panic!("{text} in {index}")));
    assert!(places.is_sorted(), "{places:?}");
    assert!(index.contains("Summary by hand."));
    for page in ["index.html", "matrix.html", "rewrite.html"] {
        let text = std::fs::read_to_string(directory.path().join(page)).unwrap();
        let markup = text.split("<script").next().unwrap();
        let links: Vec<&str> =
            markup.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(!links.is_empty(), "{page}");
        for link in links {
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if target.is_empty() { page } else { target };
            let target = std::fs::read_to_string(directory.path().join(target)).expect(link);
            let found = anchor.is_empty() || target.contains(&format!("id=\"{anchor}\""));
            assert!(found, "{page}: {link}");
        }
    }
}

#[test]
fn the_matrix_marks_tested_and_used_features_and_lists_those_without_a_test() {
    let matrix = FeatureMatrix::new(&[&rewrite()]).unwrap();
    let page = matrix.markdown();
    let line = |title: &str| page.lines().find(|line| line.contains(title)).unwrap();
    assert!(
        line(">Conflicting entries are replaced<").ends_with("| [1](rewrite.md) |  |"),
        "{page}"
    );
    assert!(line(">Leader election<").ends_with("|  | [1](rewrite.md) |"), "{page}");
    assert!(line(">Snapshots and compaction<").ends_with("|  |  |"), "{page}");
    let (_, untested) = page.split_once("## Features without a test").unwrap();
    assert!(untested.contains("(`snapshots`;") && untested.contains("(`leader_election`;"));
    assert!(!untested.contains("conflict_overwritten"), "{untested}");
    assert!(!untested.contains("(`log_replication`;"), "a branch of it is tested");
}

#[test]
fn an_unregistered_feature_is_an_error_with_a_similar_path() {
    let mut builder = TraceBuilder::new(1, "typo");
    builder.section("only", &["leader_election/split_votes"], &[]);
    let error = FeatureMatrix::new(&[&builder.trace()]).unwrap_err();
    assert!(matches!(error, DocumentsError::UnknownFeature { .. }), "{error}");
    assert!(error.to_string().contains("did you mean \"leader_election/split_vote\"?"), "{error}");
}

#[test]
fn a_directory_without_traces_is_an_error_with_a_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let error = documents::read_directory(directory.path()).unwrap_err().to_string();
    assert!(error.contains("run the tests first"), "{error}");
}
