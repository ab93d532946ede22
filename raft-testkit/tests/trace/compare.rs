//! Causes of records, and differences between traces.

use raft_testkit::trace::diff;
use raft_testkit::trace::record::{RecordKind, Role};
use raft_testkit::trace::view::TraceView;

use super::hand_written::{TraceBuilder, rewrite};

#[test]
fn the_chain_of_causes_leads_from_the_action_of_the_test_to_the_record() {
    let mut builder = TraceBuilder::new(3, "why");
    builder.section("only", &[], &[]);
    builder.elect(1, &[2, 3], &[2]);
    let trace = builder.trace();
    let vote = trace
        .records
        .iter()
        .find(|record| matches!(record.kind, RecordKind::RoleChanged { to: Role::Leader, .. }));
    let chain = TraceView::new(&trace).causes(vote.unwrap().sequence);
    assert_eq!(chain[0].kind, RecordKind::TestAction { action: "campaign".to_owned() });
    assert!(chain.windows(2).all(|pair| pair[1].cause == Some(pair[0].sequence)));
    assert!(chain.len() >= 8, "two rounds of requests and responses: {}", chain.len());
}

#[test]
fn times_are_not_compared() {
    let (a, mut b) = (rewrite(), rewrite());
    b.records.iter_mut().for_each(|record| record.time += 7);
    let report = diff::compare(&a, &b);
    assert!(report.equal, "{}", report.text);
}

#[test]
fn a_difference_is_shown_with_its_place_and_context() {
    let (a, mut b) = (rewrite(), rewrite());
    let dropped = b.records.remove(40);
    b.records[60].kind = RecordKind::Note { text: "something else".to_owned() };
    let report = diff::compare(&a, &b);
    assert!(!report.equal);
    assert!(report.text.contains("@@ record 38 | record 38 @@"), "{}", report.text);
    let missing =
        report.text.lines().filter(|line| line.starts_with('-') && !line.starts_with("---"));
    assert_eq!(missing.count(), 2, "{}\n{dropped:?}", report.text);
    assert_eq!(report.text.matches("\n+ ").count(), 1, "{}", report.text);
    assert!(report.text.lines().count() < 24, "{}", report.text);
}
