//! What the trace has a record of.

use raft_core::{NodeId, RoleKind};
use raft_testkit::trace::record::RecordKind;
use raft_testkit::{Cluster, vote, vote_response};

fn kinds(c: &Cluster) -> impl Iterator<Item = &RecordKind> {
    c.records().iter().map(|record| &record.kind)
}

/// A trace of a failed run shows what failed.
#[test]
fn violation_is_recorded_once_at_the_later_observation() {
    let mut c = Cluster::new(3).pre_vote(false).without_panic();
    c.campaign(1);
    c.force_role(3, RoleKind::Leader);
    c.deliver(vote().from(1).to(2));
    c.deliver(vote_response().from(2).to(1));
    c.deliver_all();
    let violation = c.violation().expect("two nodes lead term 1").clone();
    let is_violation = |kind: &&RecordKind| matches!(kind, RecordKind::Violation { .. });
    assert_eq!(kinds(&c).filter(is_violation).count(), 1);
    let record = c.records().iter().find(|record| is_violation(&&record.kind)).expect("one");
    assert_eq!((record.node, record.cause), (Some(NodeId(1)), Some(violation.later.record)));
    let RecordKind::Violation { rule, text } = &record.kind else { panic!("{record:?}") };
    assert_eq!(rule, "election safety");
    assert!(text.contains(&violation.earlier.text) && text.contains(&violation.later.text));
}

/// A reader of the trace must not take a link for cut that a partition has restored.
#[test]
fn cut_link_that_a_partition_restores_has_a_record() {
    let mut c = Cluster::new(3);
    c.start();
    c.cut(1, 2);
    c.partition(&[&[1, 2], &[3]]);
    let healed = |c: &Cluster| {
        let of_link =
            |kind: &&RecordKind| matches!(kind, RecordKind::LinkHealed { to } if *to == NodeId(2));
        kinds(c).filter(of_link).count()
    };
    assert_eq!(healed(&c), 1);
    c.heal();
    assert_eq!(healed(&c), 1, "a partition has records of its own");
}

/// Two scenarios with different failing commands have different traces.
#[test]
fn failing_command_is_named_in_its_record() {
    let mut c = Cluster::new(1);
    c.fail_command(1, "add 7");
    c.fail_commands(1);
    let named = |action: &str| {
        kinds(&c)
            .filter(|kind| matches!(kind, RecordKind::TestAction { action: a } if a == action))
            .count()
    };
    assert_eq!((named("fail command: add 7"), named("fail all commands")), (1, 1));
}
