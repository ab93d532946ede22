//! Pictures of traces.

use raft_testkit::trace::diagram::svg;
use raft_testkit::trace::format::Format;
use raft_testkit::trace::links::LinkHistory;
use raft_testkit::trace::log_replay::LogReplay;
use raft_testkit::trace::record::{BodyView, Loss, RecordKind, Role};
use raft_testkit::trace::view::TraceView;

use super::play::{Play, rewrite};

/// Whether every tag that opens is closed in its turn.
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
fn a_picture_has_a_line_a_record_and_is_well_formed() {
    let trace = rewrite();
    let picture = Format::Svg.render(&trace);
    assert!(well_formed(&picture), "{picture}");
    let messages = trace.records.iter().filter(|record| record.message.is_some());
    for record in messages {
        assert!(picture.contains(&format!("<g id=\"e{}\">", record.sequence)), "{record:?}");
    }
}

#[test]
fn a_picture_shows_partition_crash_loss_roles_and_rewritten_entries() {
    let picture = Format::Svg.render(&rewrite());
    assert_eq!(picture.matches("class=\"band\"").count(), 1, "n1 alone was in a minority, once");
    assert_eq!(picture.matches("<line class=\"down\"").count(), 1, "n3 crashed once");
    assert_eq!(picture.matches("<path class=\"cross\"").count(), 2, "two requests to n1 were lost");
    assert_eq!(picture.matches("<path class=\"gone\"").count(), 2, "entries 2 and 3 of n1 went");
    assert!(picture.contains("entry 3 of term 1"), "{picture}");
    assert!(picture.contains("leader, term 2"), "{picture}");
}

#[test]
fn a_picture_of_one_section_shows_that_section_alone() {
    let trace = rewrite();
    let view = TraceView::new(&trace);
    let picture = svg::diagram(&view, 2);
    assert!(well_formed(&picture), "{picture}");
    assert!(picture.contains("n1 is cut off") && !picture.contains("n2 takes over"), "{picture}");
    assert!(picture.contains("role-leader"), "n1 has led since before");
}

#[test]
fn text_from_a_trace_never_becomes_markup() {
    let mut play = Play::new(2, "a<b>\"&");
    play.section("</svg><script>", &[], &[]);
    play.at(1, RecordKind::Lever { what: "<b onload=\"x\">\u{1}&".to_owned() });
    let id = play.send(1, 2, BodyView::RequestVoteResponse { granted: true });
    play.lose(id, Loss::Dropped);
    let picture = Format::Svg.render(&play.trace());
    assert!(well_formed(&picture), "{picture}");
    assert!(!picture.contains("<script") && !picture.contains("<b "), "{picture}");
}

#[test]
fn a_log_is_rebuilt_through_truncation_and_a_crash_that_loses_writes() {
    let mut play = Play::new(1, "logs");
    play.state(1).role = Role::Leader;
    play.command(1, "a");
    play.command(1, "b");
    let mut trace = play.trace();
    // The last write never became durable.
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
fn cut_links_are_told_together_and_shade_whoever_is_left_without_a_majority() {
    let mut play = Play::new(3, "links");
    play.section("cut", &[], &[]);
    let first = play.next();
    for (from, to) in [(1, 2), (2, 1), (1, 3), (3, 1)] {
        play.at(from, RecordKind::LinkCut { to: to.into() });
    }
    play.crash(2);
    let healed = play.at(3, RecordKind::LinkHealed { to: 1.into() });
    let both = play.at(1, RecordKind::LinkHealed { to: 3.into() });
    let trace = play.trace();
    let links = LinkHistory::new(&TraceView::new(&trace));
    assert_eq!(links.change_at(first).unwrap().text, "cut off from n2, n3");
    assert_eq!(links.change_at(first).unwrap().column, Some(0));
    assert!(links.is_merged(first + 3) && links.is_merged(both));
    assert_eq!(links.without_majority(0), [(first, Some(healed))]);
    assert_eq!(links.without_majority(1), [], "n2 reaches n3");
    let picture = Format::Svg.render(&trace);
    assert_eq!(picture.matches("class=\"band\"").count(), 1);
    assert!(picture.contains("cut off from n2, n3") && picture.contains("linked again to n3"));
}

#[test]
fn a_link_cut_one_way_is_named_with_its_direction_and_shades_nobody() {
    let mut play = Play::new(3, "one way");
    play.section("cut", &[], &[]);
    let first = play.at(1, RecordKind::LinkCut { to: 2.into() });
    let trace = play.trace();
    let links = LinkHistory::new(&TraceView::new(&trace));
    assert_eq!(links.change_at(first).unwrap().text, "links cut: n1→n2");
    assert!(
        (0..3).all(|column| links.without_majority(column).is_empty()),
        "n1 reaches n2 through n3"
    );
}
