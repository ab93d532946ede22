//! Diagrams of traces.

use raft_testkit::trace::diagram::svg;
use raft_testkit::trace::format::Format;
use raft_testkit::trace::links::LinkHistory;
use raft_testkit::trace::log_replay::LogReplay;
use raft_testkit::trace::record::{BodyView, Loss, RecordKind, Role};
use raft_testkit::trace::view::TraceView;

use super::hand_written::{TraceBuilder, rewrite};

/// Whether every start tag has its end tag.
fn well_formed(xml: &str) -> bool {
    let mut open: Vec<&str> = Vec::new();
    for piece in xml.split('<').skip(1) {
        let Some((tag, _)) = piece.split_once('>') else { return false };
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        if tag.starts_with('/') {
            if open.pop() != Some(name) {
                return false;
            }
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    open.is_empty()
}

#[test]
fn a_diagram_has_a_line_for_each_message_and_is_well_formed() {
    let trace = rewrite();
    let picture = Format::Svg.render(&trace);
    assert!(well_formed(&picture), "{picture}");
    let messages = trace.records.iter().filter(|record| record.message.is_some());
    for record in messages {
        assert!(picture.contains(&format!("<g id=\"e{}\">", record.sequence)), "{record:?}");
    }
}

#[test]
fn a_diagram_shows_partition_crash_loss_roles_and_removed_entries() {
    let picture = Format::Svg.render(&rewrite());
    assert_eq!(picture.matches("class=\"band\"").count(), 1, "only n1 was in a minority, once");
    assert_eq!(picture.matches("<line class=\"down\"").count(), 1, "n3 crashed once");
    assert_eq!(picture.matches("<path class=\"cross\"").count(), 2, "two requests to n1 were lost");
    assert_eq!(
        picture.matches("<path class=\"removed\"").count(),
        2,
        "entries 2 and 3 of n1 are removed"
    );
    assert!(picture.contains("entry 3 of term 1"), "{picture}");
    assert!(picture.contains("leader, term 2"), "{picture}");
}

#[test]
fn a_diagram_of_one_section_shows_that_section_alone() {
    let trace = rewrite();
    let view = TraceView::new(&trace);
    let picture = svg::diagram(&view, 2);
    assert!(well_formed(&picture), "{picture}");
    assert!(picture.contains("n1 is cut off") && !picture.contains("n2 takes over"), "{picture}");
    assert!(picture.contains("role-leader"), "n1 is the leader since an earlier section");
}

#[test]
fn text_of_a_trace_is_escaped() {
    let mut builder = TraceBuilder::new(2, "a<b>\"&");
    builder.section("</svg><script>", &[], &[]);
    builder.at(1, RecordKind::TestAction { action: "<b onload=\"x\">\u{1}&".to_owned() });
    let id = builder.send(1, 2, BodyView::RequestVoteResponse { granted: true });
    builder.lose(id, Loss::Dropped);
    let picture = Format::Svg.render(&builder.trace());
    assert!(well_formed(&picture), "{picture}");
    assert!(!picture.contains("<script") && !picture.contains("<b "), "{picture}");
}

#[test]
fn a_log_is_rebuilt_after_a_crash_that_loses_writes() {
    let mut builder = TraceBuilder::new(1, "logs");
    builder.state(1).role = Role::Leader;
    builder.command(1, "a");
    builder.command(1, "b");
    let mut trace = builder.trace();
    // The last write is not durable.
    assert!(matches!(trace.records.pop().unwrap().kind, RecordKind::PersistDone { .. }));
    let mut crash = trace.records[0].clone();
    crash.sequence = trace.records.len() as u64 + 1;
    crash.kind = RecordKind::Crashed { lost: 1, kept: 0 };
    trace.records.push(crash);
    let view = TraceView::new(&trace);
    let mut logs = LogReplay::new(&view);
    let mut lengths = Vec::new();
    for record in &trace.records {
        logs.apply(&view, record);
        lengths.push(logs.entries(0).len());
    }
    assert_eq!(lengths, [0, 1, 1, 1, 2, 1]);
}

#[test]
fn cuts_of_several_links_are_one_change_and_nodes_without_a_majority_have_a_band() {
    let mut builder = TraceBuilder::new(3, "links");
    builder.section("cut", &[], &[]);
    let first = builder.next();
    for (from, to) in [(1, 2), (2, 1), (1, 3), (3, 1)] {
        builder.at(from, RecordKind::LinkCut { to: to.into() });
    }
    builder.crash(2);
    let healed = builder.at(3, RecordKind::LinkHealed { to: 1.into() });
    let both = builder.at(1, RecordKind::LinkHealed { to: 3.into() });
    let trace = builder.trace();
    let links = LinkHistory::new(&TraceView::new(&trace));
    assert_eq!(links.change_at(first).unwrap().text, "cut off from n2, n3");
    assert_eq!(links.change_at(first).unwrap().column, Some(0));
    assert!(links.is_merged(first + 3) && links.is_merged(both));
    assert_eq!(links.without_majority(0), [(first, Some(healed))]);
    assert_eq!(links.without_majority(1), [], "n2 reaches n3");
    let picture = Format::Svg.render(&trace);
    assert_eq!(picture.matches("class=\"band\"").count(), 1);
    assert!(picture.contains("cut off from n2, n3") && picture.contains("reconnected to n3"));
}

#[test]
fn a_link_cut_in_one_direction_is_named_and_leaves_every_node_with_a_majority() {
    let mut builder = TraceBuilder::new(3, "one way");
    builder.section("cut", &[], &[]);
    let first = builder.at(1, RecordKind::LinkCut { to: 2.into() });
    let trace = builder.trace();
    let links = LinkHistory::new(&TraceView::new(&trace));
    assert_eq!(links.change_at(first).unwrap().text, "links cut: n1→n2");
    assert!(
        (0..3).all(|column| links.without_majority(column).is_empty()),
        "n1 reaches n2 through n3"
    );
}
