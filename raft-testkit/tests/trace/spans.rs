//! What lasts at a node is a bar beside its lifeline.

use std::time::Duration;

use raft_testkit::trace::format::Format;
use raft_testkit::trace::record::RecordKind;
use raft_testkit::trace::spans::{SpanKind, spans};
use raft_testkit::trace::view::TraceView;
use raft_testkit::{Cluster, Crash, append, install_snapshot, sent};

/// The spans of node 1 of a kind: whether each ends, and the text.
fn of_node_1(c: &Cluster, kind: SpanKind) -> Vec<(bool, String)> {
    let trace = c.trace();
    let found = spans(&TraceView::new(&trace)).remove(0);
    let of_kind = found.into_iter().filter(|span| span.kind == kind);
    of_kind.map(|span| (span.end.is_some(), span.text)).collect()
}

#[test]
fn a_lease_lasts_until_its_time_or_a_crash() {
    let mut c = Cluster::new(3).leases(Duration::from_millis(15));
    c.elect(1);
    c.deliver_all();
    let lease = |ended| vec![(ended, "lease to 285 ms".to_owned())];
    assert_eq!(of_node_1(&c, SpanKind::Lease), lease(false));
    let mut expired = c.fork();
    expired.advance(Duration::from_millis(300));
    expired.tick(2);
    assert_eq!(of_node_1(&expired, SpanKind::Lease), lease(true));
    c.crash(1, Crash::LoseUnsynced);
    assert_eq!(of_node_1(&c, SpanKind::Lease), lease(true));
}

#[test]
fn a_joint_membership_a_transfer_and_a_snapshot_last_from_record_to_record() {
    let mut c = Cluster::new(3).spares(1).keep(0);
    c.elect(1);
    c.deliver_all();
    c.set_members(1, &[1, 2, 4], &[3]);
    let joint = |ended| vec![(ended, "joint 1 2 3 -> 1 2 4 learners 3".to_owned())];
    assert_eq!(of_node_1(&c, SpanKind::JointMembership), joint(false));
    c.deliver_all();
    assert_eq!(of_node_1(&c, SpanKind::JointMembership), joint(true));

    c.cut_off(3);
    c.propose(1, "add 1");
    c.deliver_all();
    c.take_snapshot(1);
    c.compact(1);
    c.heal();
    c.heartbeat(1);
    c.deliver_until(sent(install_snapshot().to(3)));
    let snapshot = |ended| vec![(ended, "snapshot on its way to n3".to_owned())];
    assert_eq!(of_node_1(&c, SpanKind::Snapshot), snapshot(false));
    c.deliver_all();
    assert_eq!(of_node_1(&c, SpanKind::Snapshot), snapshot(true));

    c.propose(1, "add 2");
    c.hold(append().to(2));
    c.transfer(1, 2);
    let transfer = |ended| vec![(ended, "transfer to n2".to_owned())];
    assert_eq!(of_node_1(&c, SpanKind::Transfer), transfer(false));
    c.release(append());
    c.deliver_all();
    assert_eq!(of_node_1(&c, SpanKind::Transfer), transfer(true));

    let trace = c.trace();
    let started = |record: &&raft_testkit::trace::record::Record| {
        matches!(record.kind, RecordKind::TransferStarted { .. })
    };
    let sequence = trace.records.iter().find(started).map(|record| record.sequence);
    let found = spans(&TraceView::new(&trace)).remove(0);
    let span = found.iter().find(|span| span.kind == SpanKind::Transfer);
    assert_eq!(span.map(|span| span.first), sequence);
    for format in [Format::Svg, Format::Html] {
        let picture = format.render(&trace);
        for name in ["joint", "transfer", "transit"] {
            assert!(picture.contains(&format!("span-{name}")), "{format:?} {name}");
        }
    }
    let bars = |kind: &str| {
        let bar = format!("<rect class=\"span span-{kind}\"");
        Format::Svg.render(&trace).matches(bar.as_str()).count()
    };
    assert_eq!(["lease", "joint", "transfer", "transit"].map(bars), [1, 5, 2, 2], "and the legend");
}
