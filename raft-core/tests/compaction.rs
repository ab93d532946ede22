//! What is compacted, and what is kept for which follower (Raft §7).

use raft_core::{Entry, LogId, LogIndex, NodeId, Settings};
use raft_testkit::{Cluster, Crash, append_response, heartbeat, install_snapshot, sent};

fn weight() -> u64 {
    Entry::command(LogId::ORIGIN, "add 1".into()).weight_bytes()
}

/// A leader with this policy, and commands that all nodes but the stopped ones have applied.
fn cluster(stopped: &[u64], commands: u64, adjust: fn(&mut Settings)) -> Cluster {
    let mut c = Cluster::new(3).config(adjust);
    c.elect(1);
    for &node in stopped {
        c.crash(node, Crash::LoseUnsynced);
    }
    propose(&mut c, commands);
    c
}

fn propose(c: &mut Cluster, commands: u64) {
    for _ in 0..commands {
        c.propose(1, "add 1");
        c.deliver_all();
    }
}

#[test]
fn nothing_is_compacted_that_is_not_durably_applied() {
    let mut c = cluster(&[], 5, |settings| settings.compaction.kept_entries_max = 0);
    c.compact(1);
    c.expect_base(1, 0);
    c.take_snapshot(1);
    propose(&mut c, 2);
    c.compact(1);
    c.expect_base(1, 6);
}

#[test]
fn policy_keeps_entries_and_bytes() {
    let mut c = cluster(&[], 10, |settings| settings.compaction.kept_entries_max = 4);
    c.take_snapshot(1);
    c.expect_base(1, 11 - 4);
    let mut c = cluster(&[], 10, |settings| {
        settings.compaction.kept_bytes_max = 3 * weight();
    });
    c.take_snapshot(1);
    c.expect_base(1, 11 - 3);
}

/// A request ignores what the policy keeps, but not what followers lack.
#[test]
fn request_compacts_what_no_follower_lacks() {
    let mut c = cluster(&[], 10, |_| ());
    c.take_snapshot(1);
    c.expect_base(1, 0);
    c.compact(1);
    c.expect_base(1, 11);
    let mut c = cluster(&[3], 10, |_| ());
    c.take_snapshot(1);
    c.compact(1);
    c.expect_base(1, 1);
}

#[test]
fn entries_are_kept_for_a_slow_follower_up_to_a_budget() {
    let mut c = cluster(&[3], 4, |settings| {
        settings.compaction.kept_entries_max = 0;
        settings.compaction.follower_bytes_max = 5 * weight();
    });
    c.take_snapshot(1);
    c.expect_base(1, 1);
    propose(&mut c, 2);
    c.take_snapshot(1);
    c.expect_base(1, 7);
}

/// Compaction in small steps would cost a write of the store for each entry.
#[test]
fn policy_compacts_in_steps() {
    let mut c = cluster(&[], 0, |settings| settings.compaction.kept_entries_max = 64);
    let mut bases = Vec::new();
    for _ in 0..80 {
        propose(&mut c, 1);
        c.take_snapshot(1);
        bases.push(c.status(1).first_index.get() - 1);
    }
    bases.dedup();
    assert_eq!(bases, [0, 5, 10, 15]);
}

/// The entries after a snapshot are kept while a follower installs it, up to the cap; beyond it the
/// follower needs another snapshot.
#[test]
fn log_is_pinned_for_a_follower_that_installs_a_snapshot() {
    for (cap_entries, base) in [(100, 5), (2, 9)] {
        let cap = cap_entries * weight();
        let mut c = Cluster::new(3).keep(0).config(move |settings| {
            settings.compaction.snapshot_bytes_max = cap;
        });
        c.elect(1);
        c.cut_off(3);
        propose(&mut c, 4);
        c.take_snapshot(1);
        c.heal();
        c.heartbeat(1);
        c.deliver_until(sent(install_snapshot()));
        c.hold(install_snapshot());
        propose(&mut c, 4);
        c.take_snapshot(1);
        c.compact(1);
        c.expect_base(1, base);
        c.release(install_snapshot());
        for _ in 0..30 {
            c.heartbeat(1);
            c.deliver_all();
        }
        c.expect_converged();
    }
}

/// What was appended while a follower installed a snapshot is kept until it has that, too. Else it
/// would need another snapshot at once, and under load never catch up.
#[test]
fn log_is_kept_until_a_follower_has_caught_up_after_its_snapshot() {
    let mut c = Cluster::new(3).keep(0).config(|settings| {
        settings.compaction.follower_bytes_max = 0;
        settings.compaction.snapshot_bytes_max = 100 * weight();
    });
    c.elect(1);
    c.cut_off(3);
    propose(&mut c, 4);
    c.take_snapshot(1);
    c.heal();
    c.heartbeat(1);
    c.deliver_until(sent(install_snapshot()));
    c.hold(install_snapshot());
    propose(&mut c, 4);
    c.release(install_snapshot());
    c.deliver(install_snapshot());
    c.heartbeat(1);
    c.deliver(heartbeat().to(3));
    c.deliver(append_response().from(3));
    assert_eq!(c.status(1).progress[&NodeId(3)].match_index, LogIndex(5), "the snapshot");
    c.flush(1);
    c.compact(1);
    c.expect_base(1, 5);
    c.deliver_all();
    c.expect_converged();
    c.compact(1);
    c.expect_base(1, 9);
}

/// Sizes of recovered entries are not known and count with an estimate; the policy works all the
/// same.
#[test]
fn policy_works_after_a_restart() {
    let mut c = cluster(&[], 10, |settings| settings.compaction.kept_bytes_max = 1500);
    c.restart(1);
    c.elect(1);
    c.deliver_all();
    c.take_snapshot(1);
    let first = c.status(1).first_index.get();
    assert!((9..=12).contains(&first), "the log begins at {first}");
    assert!(c.status(1).log_bytes <= 1500, "{} bytes", c.status(1).log_bytes);
}

/// A node that restarts with a compacted log recovers its base and the terms after it.
#[test]
fn compacted_log_is_recovered() {
    let mut c = cluster(&[], 4, |settings| settings.compaction.kept_entries_max = 2);
    c.take_snapshot(1);
    c.expect_base(1, 3);
    c.restart(1);
    c.expect_base(1, 3);
    c.expect_last(1, 5, 1);
    c.elect(2);
    c.heartbeat(2);
    c.deliver_all();
    c.expect_converged();
    assert_eq!(c.machine(1).total(), 4);
}
