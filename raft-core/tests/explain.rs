//! What a node explains: one test for each finding.

use std::time::Duration;

use raft_core::{ApplyFailurePolicy, FollowerReads, Settings};
use raft_testkit::{
    Cluster, Crash, MemLogStore, append, append_response, handled, heartbeat, install_snapshot,
    leader_is, sent, vote,
};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Node 1 leads, and everything is delivered.
fn led(c: Cluster) -> Cluster {
    let mut c = c;
    c.elect(1);
    c.heartbeat(1);
    c.deliver_all();
    c
}

fn propose(c: &mut Cluster, commands: u64) {
    for _ in 0..commands {
        c.propose(1, "add 1");
        c.deliver_all();
    }
}

#[test]
fn a_cluster_at_rest_waits_for_nothing() {
    let mut c = led(Cluster::new(3));
    propose(&mut c, 1);
    c.heartbeat(1);
    c.deliver_all();
    assert_eq!(c.explain(1).to_string(), "node 1: leader in term 1; nothing waits");
    let follower = "node 2: follower in term 1, node 1 leads; nothing waits";
    assert_eq!(c.explain(2).to_string(), follower);
}

#[test]
fn voters_without_contact_are_named() {
    let mut c = led(Cluster::new(5));
    c.crash(1, Crash::LoseUnsynced);
    c.crash(4, Crash::LoseUnsynced);
    c.crash(5, Crash::LoseUnsynced);
    c.advance(millis(12_000));
    c.campaign(2);
    c.deliver_all();
    c.expect_explained(2, "leader: 3 of 5 voters are needed, contact with 2 and 3 only; ");
    c.expect_explained(2, "the last message of 1 was 12.0 s ago; no message of 4 since the start");
    c.expect_explained(2, "granted by 2 and 3, refused by none, no response of 1, 4 and 5");
}

#[test]
fn a_leader_that_loses_its_quorum_explains_it() {
    let mut c = led(Cluster::new(3));
    c.cut_off(1);
    c.advance(millis(250));
    assert!(!c.explain(1).to_string().contains("voters are needed"));
    c.advance(millis(51));
    c.expect_explained(1, "2 of 3 voters are needed, contact with 1 only");
}

/// Both majorities of a joint configuration are needed.
#[test]
fn the_outgoing_voters_are_a_set_of_their_own() {
    let mut c = led(Cluster::new(3).spares(2));
    c.set_members(1, &[1, 4, 5], &[]);
    c.cut_off(2);
    c.cut_off(3);
    c.deliver_all();
    c.advance(millis(400));
    c.deliver_all();
    c.expect_explained(1, "2 of 3 voters of the outgoing configuration are needed, contact with 1");
    c.expect_explained(1, "membership: the joint membership of entry 2 is in force, and 1 is");
}

#[test]
fn a_node_without_members_or_vote_explains_why_it_never_campaigns() {
    let mut c = led(Cluster::new(3).spares(1));
    c.expect_explained(4, "the log names no members");
    c.add_learner(1, 4);
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.crash(1, Crash::LoseUnsynced);
    c.restart(4);
    c.expect_explained(4, "this node is a learner and never campaigns");
    c.restart(1);
    c.elect(1);
    c.remove(1, 3);
    c.deliver_all();
    c.expect_explained(3, "this node was removed and never campaigns");
}

#[test]
fn a_silent_leader_and_the_next_campaign_are_announced() {
    let mut c = led(Cluster::new(3));
    c.advance(millis(200));
    c.expect_explained(2, "leader: the last append of node 1 was 200 ms ago");
    c.restart(3);
    c.expect_explained(3, "the node campaigns in ");
}

#[test]
fn a_refused_candidate_is_named_with_the_reason() {
    let mut c = led(Cluster::new(3));
    c.cut_off(3);
    propose(&mut c, 1);
    c.heal();
    c.crash(1, Crash::LoseUnsynced);
    c.advance(millis(1_000));
    c.campaign(3);
    c.deliver_all();
    let behind = "candidate 3 was refused 0 ms ago: its log is behind: it ends in entry 1 of term \
                  1, the log of this node in entry 2 of term 1";
    c.expect_explained(2, behind);
    c.expect_explained(3, "pre-votes: granted by 3, refused by 2, no response of 1");
}

#[test]
fn a_second_candidate_of_the_term_is_refused() {
    let mut c = Cluster::new(3).pre_vote(false);
    c.campaign(1);
    c.campaign(2);
    c.deliver(vote().from(1).to(3));
    c.deliver(vote().from(2).to(3));
    c.expect_explained(3, "candidate 2 was refused 0 ms ago: this node voted for node 1");
}

#[test]
fn a_candidate_is_refused_while_the_leader_is_in_contact() {
    let mut c = led(Cluster::new(3).config(|settings| settings.check_quorum = true));
    c.cut(1, 2);
    c.advance(millis(200));
    c.campaign(3);
    c.deliver_all();
    c.expect_explained(2, "candidate 3 was refused 0 ms ago: this node has recent contact");
}

#[test]
fn a_vote_that_is_not_durable_and_a_busy_disk_are_explained() {
    let stall = |settings: &mut Settings| settings.storage_stall_timeout = Some(millis(1_500));
    let mut c = Cluster::new(3).config(stall);
    c.start();
    c.disk_by_hand(2);
    c.cut_off(3);
    c.campaign(1);
    c.deliver_all();
    c.advance(millis(1_000));
    c.expect_explained(2, "leader: the vote for node 1 is not durable yet");
    c.expect_explained(2, "disk: the disk of this node has been writing for 1.0 s, entry 0 of 0");
    c.expect_explained(2, "it counts as stalled after 1.5 s");
    c.advance(millis(2_000));
    c.expect_explained(2, "writing for 3.0 s");
    c.expect_explained(2, "it is stalled, so that the node neither leads nor campaigns");
}

#[test]
fn messages_of_a_wiped_node_are_explained_at_both_ends() {
    let mut c = led(Cluster::new(3));
    c.heartbeat(1);
    c.deliver_all();
    c.wipe(3);
    c.heartbeat(1);
    c.deliver_all();
    c.advance(millis(500));
    c.expect_explained(1, "followers: node 3 has acknowledged entry 1 of 1: it does not respond");
    c.expect_explained(3, "the log names no members");
    let refused = "a message of node 1 was refused 500 ms ago: it is addressed to incarnation 1";
    c.expect_explained(3, refused);
}

#[test]
fn a_halted_node_explains_it() {
    let mut c = led(Cluster::new(1));
    c.fail_commands(1);
    c.propose(1, "add 1");
    c.deliver_all();
    c.expect_explained(1, "leader: the node has halted");
    c.expect_explained(1, "apply: 1 of 2 committed entries are applied: the state machine failed");
}

#[test]
fn uncommitted_entries_name_the_voters_that_lack_them() {
    let mut c = led(Cluster::new(3));
    c.cut_off(2);
    c.disk_by_hand(1);
    c.propose(1, "add 1");
    c.expect_explained(1, "commit: entries 2 to 2 are not committed: entry 2 is durable at none");
    c.deliver(append().to(3));
    c.deliver(append_response().from(3));
    c.expect_explained(1, "entry 2 is durable at 3, not at 1 and 2");
    c.advance(millis(400));
    c.expect_explained(1, "node 2 has acknowledged entry 1 of 2: it does not respond, the last");
    c.expect_explained(1, "the disk of this node has been writing for 400 ms, entry 1 of 2");
}

#[test]
fn a_new_leader_explains_that_its_term_has_no_committed_entry() {
    let mut c = Cluster::new(3);
    c.campaign(1);
    c.lose(append());
    c.deliver_until(leader_is(1));
    c.expect_explained(1, "entry 0 is committed, and none of this term");
}

#[test]
fn a_follower_explains_that_it_lacks_committed_entries() {
    let mut c = led(Cluster::new(3));
    c.lose(append().to(3).entries(1));
    propose(&mut c, 1);
    c.heartbeat(1);
    c.deliver(heartbeat().to(3));
    c.expect_explained(3, "commit: entry 2 is committed; this node has 1 of them");
}

#[test]
fn a_transfer_and_a_full_budget_refuse_proposals() {
    let mut c = led(Cluster::new(3).config(|settings| {
        settings.limits.command_bytes_max = 100;
        settings.limits.unapplied_bytes_max = 400;
    }));
    c.cut_off(2);
    c.cut_off(3);
    c.propose(1, "add 1".repeat(20));
    c.propose(1, "add 1".repeat(20));
    c.expect_explained(1, "proposals are refused as busy: ");
    c.transfer(1, 2);
    c.expect_explained(1, "the leadership is being transferred to node 2");
}

#[test]
fn unapplied_entries_wait_for_the_state_machine() {
    let mut c = led(Cluster::new(3).apply_failure(ApplyFailurePolicy::Retry));
    c.apply_by_hand(1);
    c.propose(1, "add 1");
    c.deliver_all();
    c.advance(millis(5_000));
    let read = c.read(1);
    c.deliver_all();
    c.expect_explained(
        1,
        "apply: 1 of 2 committed entries are applied: the state machine has entries up to 2 and \
         made no progress for 5.0 s",
    );
    c.expect_explained(1, "reads: 1 wait until entry 2 is applied; 1 is");
    c.fail_commands(1);
    c.complete_apply(1);
    c.expect_explained(1, "the state machine failed at entry 2, which is retried in 0 ms");
    c.clear_command_failures(1);
    c.apply_at_once(1);
    c.heartbeat(1);
    c.deliver_all();
    c.expect(read).is_read_ready();
}

#[test]
fn committed_entries_wait_for_the_own_disk() {
    let mut c = led(Cluster::new(3));
    c.disk_by_hand(1);
    propose(&mut c, 1);
    c.expect_explained(
        1,
        "1 of 2 committed entries are applied: this node's disk holds entries up",
    );
}

#[test]
fn reads_wait_for_a_quorum_or_for_the_leader() {
    let mut c = led(Cluster::new(3).follower_reads(FollowerReads::ReadIndex));
    c.cut_off(2);
    c.cut_off(3);
    c.read(1);
    c.expect_explained(1, "reads: 1 wait until a quorum confirms the leadership; no response of 2");
    c.read(2);
    c.expect_explained(2, "reads: 1 wait for the read index of the leader");
}

#[test]
fn followers_need_probes_entries_or_faster_disks() {
    let mut c = led(Cluster::new(3).window(1, 1));
    c.disk_by_hand(2);
    c.propose(1, "add 1");
    c.hold(append().to(3).entries(1));
    c.propose(1, "add 2");
    c.deliver_all();
    c.expect_explained(
        1,
        "node 3 has acknowledged entry 1 of 3: entries are being sent, 1 appends",
    );
    c.drop(append().to(3).entries(1));
    c.peer_unreachable(1, 3);
    c.expect_explained(1, "node 3 has acknowledged entry 1 of 3: it is probed before entry 2");
    let mut c = led(Cluster::new(3));
    c.disk_by_hand(2);
    c.propose(1, "add 1");
    c.deliver_all();
    c.expect_explained(1, "everything is sent and it responds, but 1 appends are not acknowledged");
}

#[test]
fn a_follower_waits_for_the_store_of_the_leader() {
    let mut c = led(Cluster::new(3).config(|settings| settings.limits.tail_bytes_max = 1));
    c.crash(3, Crash::LoseUnsynced);
    propose(&mut c, 2);
    c.disk_by_hand(1);
    c.restart(3);
    c.heartbeat(1);
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.expect_explained(1, "1 of 3: the entries are being read from this node's store");
    c.fail_next_read(1);
    c.complete_fetch(1);
    c.expect_explained(1, "the store of this node did not return the entries");
}

/// Node 3 needs a snapshot of node 1.
fn needs_snapshot(c: Cluster) -> Cluster {
    let mut c = led(c.keep(0));
    c.cut_off(3);
    propose(&mut c, 3);
    c.snapshots_by_hand(1);
    c.flush(1);
    c.compact(1);
    c.expect_base(1, 4);
    c.heal();
    c.heartbeat(1);
    c.deliver_all();
    c
}

#[test]
fn the_stages_of_a_snapshot_are_explained() {
    let mut c = needs_snapshot(Cluster::new(3));
    c.expect_explained(1, "node 3 has acknowledged entry 1 of 4: it needs a snapshot, which is");
    c.fail_snapshot(1);
    c.expect_explained(1, "its snapshot failed; the next attempt is in 100 ms");
    c.advance(millis(100));
    c.heartbeat(1);
    c.deliver_all();
    c.complete_snapshot(1);
    c.deliver_until(sent(install_snapshot()));
    c.expect_explained(1, "the snapshot of entry 4 is being sent to it");
    c.disk_by_hand(3);
    c.deliver_until(handled(install_snapshot()));
    c.expect_explained(1, "it installs the snapshot of entry 4");
    c.expect_explained(3, "the log is reset to a snapshot, which is not durable yet");
    c.apply_by_hand(3);
    c.complete_all_persists(3);
    c.expect_explained(3, "the state machine is being restored to the snapshot of entry 4");
}

/// The store of node 3 is replaced by an empty one while it is down, without a new incarnation.
#[test]
fn a_follower_that_lost_entries_must_be_replaced() {
    let lost = |node, store| if node == 3 { MemLogStore::new() } else { store };
    let mut c = led(Cluster::new(3).reopening(lost).without_panic());
    propose(&mut c, 1);
    c.crash(3, Crash::LoseUnsynced);
    c.restart(3);
    c.heartbeat(1);
    c.deliver_all();
    c.complete_all_persists(3);
    c.deliver_all();
    c.expect_explained(
        1,
        "followers: node 3 has lost entries that it had acknowledged: replace it",
    );
}

#[test]
fn a_learner_that_lags_blocks_its_promotion() {
    let mut c = led(Cluster::new(3).spares(1));
    c.add_learner(1, 4);
    c.lose(append().to(4));
    c.deliver_all();
    c.expect_explained(
        1,
        "membership: learner 4 has acknowledged entry 0 of 2, it is not promoted",
    );
    c.promote_when_caught_up(1, 4);
    c.expect_explained(1, "the promotion of 4 waits until it has caught up: 0 of 10 rounds");
}

#[test]
fn a_removed_member_that_is_away_is_named() {
    let mut c = led(Cluster::new(3));
    c.cut_off(3);
    c.remove(1, 3);
    c.expect_explained(1, "the membership of entry 2 is in force, and 1 is committed: other chang");
    c.deliver_all();
    c.expect_explained(1, "membership: node 3 is removed and has not acknowledged that");
}

#[test]
fn compaction_waits_for_durable_state_or_for_a_follower() {
    let mut c = led(Cluster::new(3).keep(0));
    c.cut_off(3);
    propose(&mut c, 3);
    c.expect_explained(
        1,
        "compaction: entries after 0 are kept, 4 is applied: the state machine is",
    );
    let mut c = led(Cluster::new(3).config(|settings: &mut Settings| {
        settings.compaction.kept_entries_max = 0;
    }));
    c.cut_off(3);
    propose(&mut c, 3);
    c.flush(1);
    c.heartbeat(1);
    c.expect_explained(1, "compaction: entries after 1 are kept, 4 is applied: node 3 needs those");
}
