//! Each rule is violated by the smallest scenario that breaks it, and by none that keeps it.

mod memberships;

use std::collections::BTreeMap;

use bytes::Bytes;
use raft_core::ports::LogReset;
use raft_core::{
    AppendEntries, AppendEntriesResponse, AppendOutcome, Body, ClusterId, Entry, GroupId,
    HardState, Incarnation, LogId, LogIndex, LogSlice, Membership, Message, NodeId, Persist,
    PersistId, ReadConsistency, RequestId, RequestVoteResponse, RoleKind, Round, Rpc, Status, Term,
    Timestamp,
};

use super::checker::Checker;
use super::reads::ReadArrival;
use super::rule::Rule;
use crate::snapshot::Snapshot;

/// A checker of a cluster of three nodes, 1 to 3.
struct Scenario {
    checker: Checker,
    members: Membership,
    record: u64,
}

impl Scenario {
    fn new() -> Self {
        let members = Membership::of_voters([1, 2, 3].map(NodeId));
        Self { checker: Checker::new(3, &members), members, record: 0 }
    }

    fn next(&mut self) -> u64 {
        self.record += 1;
        self.record
    }

    /// The node submits entries to its disk, from this index on; they become durable or not.
    fn write(&mut self, node: u64, from: u64, terms: &[u64], durable: bool) -> &mut Self {
        let record = self.next();
        let held = self.checker.nodes[at(node)].log.len() as u64;
        let entries = (from..).zip(terms).map(|(index, &term)| entry(index, term, b"add 1"));
        let change = Persist {
            id: PersistId(record),
            hard_state: None,
            reset: None,
            truncate_from: (from <= held).then_some(LogIndex(from)),
            entries: entries.collect(),
            broken: None,
        };
        self.checker.on_persist(at(node), &change, LogIndex::ZERO, record);
        if durable {
            self.checker.on_durable(at(node), &change, record);
        }
        self
    }

    fn vote(&mut self, node: u64, term: u64, voted_for: Option<u64>) -> &mut Self {
        let record = self.next();
        let voted_for = voted_for.map(NodeId);
        let hard_state = HardState { term: Term(term), voted_for, commit: LogIndex::ZERO };
        let change = Persist {
            id: PersistId(record),
            hard_state: Some(hard_state),
            reset: None,
            truncate_from: None,
            entries: Vec::new(),
            broken: None,
        };
        self.checker.on_durable(at(node), &change, record);
        self
    }

    fn observe(&mut self, node: u64, role: RoleKind, term: u64, commit: u64) -> &mut Self {
        let record = self.next();
        let status = self.status(node, role, term, commit);
        self.checker.observe(at(node), &status, record);
        self
    }

    fn status(&self, node: u64, role: RoleKind, term: u64, commit: u64) -> Status {
        let log = &self.checker.nodes[at(node)].log;
        let last = log.last().map_or(Term(0), |digest| digest.term);
        Status {
            node: NodeId(node),
            role,
            term: Term(term),
            voted_for: None,
            leader: None,
            lease_end: None,
            transfer_target: None,
            staleness: None,
            first_index: LogIndex(1),
            last_log: LogId::new(last, LogIndex(log.len() as u64)),
            persisted_index: LogIndex(0),
            commit_index: LogIndex(commit),
            commit_index_seen: LogIndex(commit),
            applied_index: LogIndex(0),
            durably_applied_index: LogIndex(0),
            log_bytes: 0,
            apply_failed_at: None,
            membership: self.members.clone(),
            membership_version: LogIndex(0),
            settings: raft_core::Settings::default(),
            participation: raft_core::Participation::Voter,
            storage_waiting: std::time::Duration::ZERO,
            tail_bytes: 0,
            unapplied_bytes: 0,
            progress: BTreeMap::new(),
        }
    }

    fn send(&mut self, from: u64, to: u64, term: u64, body: Body) -> &mut Self {
        let record = self.next();
        let message = Message {
            cluster: ClusterId(1),
            group: GroupId(1),
            from: NodeId(from),
            from_incarnation: Incarnation(1),
            to: NodeId(to),
            to_incarnation: None,
            rpc: Rpc::new(Term(term), body).expect("a consistent message"),
        };
        self.checker.on_send(&message, record);
        self
    }

    /// One entry of term 1 on all nodes, committed by node 1, the leader of term 1.
    fn committed_one() -> Self {
        let mut scenario = Self::new();
        for node in 1..=3 {
            scenario.write(node, 1, &[1], true);
        }
        scenario.observe(1, RoleKind::Leader, 1, 1);
        scenario
    }

    fn violated(&self) -> Option<Rule> {
        self.checker.violation().map(|violation| violation.rule)
    }
}

fn at(node: u64) -> usize {
    crate::network::slot_of(NodeId(node))
}

fn entry(index: u64, term: u64, command: &'static [u8]) -> Entry {
    Entry::command(LogId::new(Term(term), LogIndex(index)), Bytes::from_static(command))
}

const GRANTED: Body = Body::RequestVoteResponse(RequestVoteResponse { granted: true });

#[test]
fn a_second_leader_in_a_term_violates_election_safety() {
    let mut scenario = Scenario::new();
    scenario.observe(1, RoleKind::Leader, 1, 0).observe(2, RoleKind::Leader, 2, 0);
    assert_eq!(scenario.violated(), None);
    scenario.observe(3, RoleKind::Leader, 2, 0);
    assert_eq!(scenario.violated(), Some(Rule::ElectionSafety));
    let violation = scenario.checker.violation().unwrap();
    assert_eq!(violation.earlier.text, "n2 leads term 2");
    assert_eq!((violation.earlier.record, violation.later.record), (2, 3));
}

#[test]
fn a_leader_never_removes_its_own_entries() {
    let mut scenario = Scenario::new();
    scenario.write(1, 1, &[1, 1], true).observe(1, RoleKind::Leader, 1, 0);
    scenario.write(1, 2, &[1], true);
    assert_eq!(scenario.violated(), Some(Rule::LeaderAppendOnly));
}

#[test]
fn logs_that_share_an_entry_are_equal_up_to_it() {
    let mut scenario = Scenario::new();
    scenario.write(1, 1, &[1, 2], true).write(2, 1, &[1, 2], true);
    assert_eq!(scenario.violated(), None);
    scenario.write(3, 1, &[2, 2], true);
    assert_eq!(scenario.violated(), Some(Rule::LogMatching));

    let mut scenario = Scenario::new();
    scenario.write(1, 1, &[1], true);
    let other = Persist {
        id: PersistId(1),
        hard_state: None,
        reset: None,
        truncate_from: None,
        entries: vec![entry(1, 1, b"sub 1")],
        broken: None,
    };
    scenario.checker.on_persist(1, &other, LogIndex::ZERO, 9);
    assert_eq!(scenario.violated(), Some(Rule::LogMatching));
}

#[test]
fn every_later_leader_has_the_committed_entries() {
    let mut scenario = Scenario::new();
    scenario.write(1, 1, &[1], true).write(2, 1, &[1], true).observe(1, RoleKind::Leader, 1, 1);
    scenario.observe(2, RoleKind::Leader, 2, 0);
    assert_eq!(scenario.violated(), None, "it has the entry");
    scenario.observe(3, RoleKind::Leader, 3, 0);
    assert_eq!(scenario.violated(), Some(Rule::LeaderCompleteness));

    let mut late = Scenario::new();
    late.write(1, 1, &[1], true).write(2, 1, &[1], true);
    late.observe(3, RoleKind::Leader, 2, 0).observe(1, RoleKind::Leader, 1, 1);
    assert_eq!(
        late.violated(),
        Some(Rule::LeaderCompleteness),
        "committed after the later leader was elected"
    );
}

#[test]
fn no_two_nodes_commit_different_entries_at_an_index() {
    let mut scenario = Scenario::new();
    scenario.write(1, 1, &[1], true).write(2, 1, &[1], true).observe(1, RoleKind::Leader, 1, 1);
    scenario.write(3, 1, &[2], true).observe(3, RoleKind::Follower, 2, 1);
    assert_eq!(scenario.violated(), Some(Rule::StateMachineSafety));
}

#[test]
fn committed_entries_are_durable_on_a_quorum() {
    let mut scenario = Scenario::new();
    scenario.write(1, 1, &[1], true).write(2, 1, &[1], false).observe(1, RoleKind::Leader, 1, 1);
    assert_eq!(scenario.violated(), Some(Rule::CommitOnQuorum));
}

#[test]
fn leaders_commit_only_entries_of_their_own_term() {
    let held_by_two = || {
        let mut scenario = Scenario::new();
        scenario.write(1, 1, &[1, 2], true).write(2, 1, &[1, 2], true);
        scenario
    };
    let mut scenario = held_by_two();
    scenario.observe(1, RoleKind::Leader, 2, 2);
    assert_eq!(scenario.violated(), None, "the entry of the older term is committed along with it");

    let mut scenario = held_by_two();
    scenario.observe(1, RoleKind::Leader, 2, 1);
    assert_eq!(scenario.violated(), Some(Rule::CommitInOwnTerm));

    let mut scenario = held_by_two();
    scenario.observe(1, RoleKind::Follower, 1, 1).observe(1, RoleKind::Leader, 2, 1);
    assert_eq!(scenario.violated(), Some(Rule::CommitInOwnTerm), "no leader has committed it");

    let mut scenario = Scenario::committed_one();
    scenario.observe(2, RoleKind::Follower, 1, 1).observe(2, RoleKind::Leader, 2, 1);
    assert_eq!(scenario.violated(), None, "it was committed there before the node led");
}

#[test]
fn committed_entries_are_kept() {
    let mut scenario = Scenario::committed_one();
    scenario.write(2, 1, &[2], true);
    assert_eq!(scenario.violated(), Some(Rule::CommittedKept));
}

#[test]
fn terms_and_commit_indexes_never_fall() {
    let mut scenario = Scenario::new();
    scenario.observe(1, RoleKind::Follower, 5, 0).observe(1, RoleKind::Follower, 4, 0);
    assert_eq!(scenario.violated(), Some(Rule::TermMonotonic));
    let mut scenario = Scenario::new();
    scenario.vote(1, 5, None).vote(1, 4, None);
    assert_eq!(scenario.violated(), Some(Rule::TermMonotonic));
    let mut scenario = Scenario::committed_one();
    scenario.observe(1, RoleKind::Leader, 1, 0);
    assert_eq!(scenario.violated(), Some(Rule::CommitMonotonic));
}

#[test]
fn a_node_votes_once_in_a_term() {
    let mut scenario = Scenario::new();
    scenario.vote(1, 5, None).vote(1, 5, Some(2)).vote(1, 6, Some(3));
    assert_eq!(scenario.violated(), None);
    scenario.vote(1, 6, Some(2));
    assert_eq!(scenario.violated(), Some(Rule::OneVote));

    let mut scenario = Scenario::new();
    scenario.vote(1, 5, Some(2)).send(1, 2, 5, GRANTED).send(1, 2, 5, GRANTED);
    assert_eq!(scenario.violated(), None);
    scenario.send(1, 3, 5, GRANTED);
    assert_eq!(scenario.violated(), Some(Rule::OneVote));
}

#[test]
fn messages_are_sent_after_the_state_that_they_depend_on_is_durable() {
    let mut scenario = Scenario::new();
    scenario.send(1, 2, 5, GRANTED);
    assert_eq!(scenario.violated(), Some(Rule::PersistBeforeSend));

    let matched = |index| {
        let outcome = AppendOutcome::Matched { match_index: LogIndex(index) };
        Body::AppendEntriesResponse(AppendEntriesResponse { round: Round(1), outcome })
    };
    let mut scenario = Scenario::new();
    scenario.vote(2, 1, None).write(2, 1, &[1], true).write(2, 2, &[1], false);
    scenario.send(2, 1, 1, matched(1));
    assert_eq!(scenario.violated(), None);
    scenario.send(2, 1, 1, matched(2));
    assert_eq!(scenario.violated(), Some(Rule::PersistBeforeSend));
}

#[test]
fn entries_are_applied_once_and_with_the_same_output() {
    let mut scenario = Scenario::committed_one();
    scenario.checker.on_apply(0, &entry(1, 1, b"add 1"), 20);
    scenario.checker.on_output(0, LogIndex(1), b"1", 20);
    assert_eq!(scenario.violated(), None);
    scenario.checker.on_apply(0, &entry(1, 1, b"add 1"), 21);
    assert_eq!(scenario.violated(), Some(Rule::AppliedInOrder), "twice");

    let mut scenario = Scenario::committed_one();
    scenario.checker.on_output(0, LogIndex(1), b"1", 20);
    scenario.checker.on_output(1, LogIndex(1), b"2", 21);
    assert_eq!(scenario.violated(), Some(Rule::SameOutputs));
}

#[test]
fn durable_state_survives_a_restart() {
    let mut scenario = Scenario::new();
    scenario.write(1, 1, &[1, 1], true);
    scenario.checker.on_crash(0);
    let mut status = scenario.status(1, RoleKind::Follower, 0, 0);
    scenario.checker.on_restart(0, &status, LogIndex::ZERO, 9);
    assert_eq!(scenario.violated(), None);
    status.last_log.index = LogIndex(1);
    scenario.checker.on_restart(0, &status, LogIndex::ZERO, 10);
    assert_eq!(scenario.violated(), Some(Rule::DurableKept));
}

#[test]
fn clients_receive_committed_results_and_later_reads_are_not_older() {
    let mut scenario = Scenario::committed_one();
    scenario.checker.on_acknowledged(0, &entry(1, 1, b"add 1"), 20);
    assert_eq!(scenario.violated(), None);
    let floor = scenario.checker.client_seen();
    scenario.checker.on_read_ready(0, floor, LogIndex(0), 21);
    assert_eq!(scenario.violated(), Some(Rule::ReadsAreCurrent));

    let mut scenario = Scenario::committed_one();
    scenario.checker.on_acknowledged(0, &entry(1, 2, b"add 1"), 20);
    assert_eq!(scenario.violated(), Some(Rule::AcknowledgedKept));
}

#[test]
fn reads_are_confirmed_by_a_round_that_began_after_they_arrived() {
    let append = |round| {
        let prev = LogId::new(Term(1), LogIndex(1));
        let (commit, round) = (LogIndex(1), Round(round));
        let slice = LogSlice::empty(prev);
        Body::AppendEntries(AppendEntries { slice, commit, round })
    };
    let acknowledged = |round| {
        let outcome = AppendOutcome::Matched { match_index: LogIndex(1) };
        Body::AppendEntriesResponse(AppendEntriesResponse { round: Round(round), outcome })
    };
    const ARRIVAL: ReadArrival = ReadArrival {
        leader: NodeId(1),
        consistency: ReadConsistency::Linearizable,
        now: Timestamp(0),
    };
    let read = RequestId(1);
    // Node 2 acknowledges `before`, a read arrives, node 1 begins round 2, node 2 acknowledges
    // `after`, and the read completes.
    let read_after = |before: &[u64], after: &[(u64, u64)]| {
        let mut scenario = Scenario::committed_one();
        scenario.vote(2, 1, Some(1)).vote(2, 2, None).send(1, 2, 1, append(1));
        for &round in before {
            scenario.send(2, 1, 1, acknowledged(round));
        }
        scenario.checker.on_read_arrived(at(1), read, ARRIVAL, 20);
        scenario.send(1, 2, 1, append(2));
        for &(term, round) in after {
            scenario.send(2, 1, term, acknowledged(round));
        }
        scenario.checker.on_read_response(read, 21);
        scenario.violated()
    };
    let unconfirmed = Some(Rule::ReadsAreConfirmed);
    assert_eq!(read_after(&[1], &[(1, 2)]), None);
    assert_eq!(read_after(&[1], &[]), unconfirmed, "no acknowledgement since");
    assert_eq!(read_after(&[], &[(1, 1)]), unconfirmed, "of a round that began before");
    assert_eq!(read_after(&[2], &[]), unconfirmed, "of a round that had not begun");
    assert_eq!(read_after(&[1], &[(2, 2)]), unconfirmed, "in another term");
}

fn snapshot(index: u64, commands: &[u64]) -> Snapshot {
    let id = |index: &u64| LogId::new(Term(1), LogIndex(*index));
    let command = |index| (id(index), Bytes::from_static(b"add 1"));
    Snapshot {
        last: id(&index),
        data: Bytes::new(),
        commands: Some(commands.iter().map(command).collect()),
        damaged: false,
    }
}

#[test]
fn snapshots_have_the_committed_commands_up_to_their_last_entry() {
    let violated = |snapshot: &Snapshot| {
        let mut scenario = Scenario::committed_one();
        scenario.checker.on_snapshot(1, snapshot, 20);
        scenario.violated()
    };
    assert_eq!(violated(&snapshot(1, &[1])), None);
    assert_eq!(violated(&snapshot(1, &[])), Some(Rule::SnapshotOfCommitted), "one is missing");
    assert_eq!(violated(&snapshot(2, &[1, 2])), Some(Rule::SnapshotOfCommitted), "not committed");
}

/// Node 2 resets its log to entry 1, with this configuration.
fn reset(scenario: &mut Scenario, members: &[u64], keeps_later_entries: bool) -> Persist {
    let record = scenario.next();
    let base = LogId::new(Term(1), LogIndex(1));
    let members = Membership::of_voters(members.iter().copied().map(NodeId));
    let membership = (LogIndex::ZERO, members);
    let change = Persist {
        id: PersistId(record),
        hard_state: None,
        reset: Some(LogReset { base, membership, keeps_later_entries }),
        truncate_from: None,
        entries: Vec::new(),
        broken: None,
    };
    scenario.checker.on_persist(1, &change, LogIndex::ZERO, record);
    change
}

#[test]
fn a_reset_keeps_what_is_committed_and_has_the_configuration_in_force() {
    let violated = |members: &[u64], keeps_later_entries| {
        let mut scenario = Scenario::committed_one();
        for node in 1..=3 {
            scenario.write(node, 2, &[1], true);
        }
        scenario.observe(1, RoleKind::Leader, 1, 2);
        reset(&mut scenario, members, keeps_later_entries);
        scenario.violated()
    };
    assert_eq!(violated(&[1, 2, 3], true), None);
    assert_eq!(violated(&[1, 2, 3], false), Some(Rule::CommittedKept), "entry 2 is committed");
    assert_eq!(violated(&[1, 2], true), Some(Rule::SnapshotOfCommitted), "of another cluster");
}

#[test]
fn state_machines_are_restored_after_the_reset_is_durable() {
    let base = LogId::new(Term(1), LogIndex(1));
    let mut scenario = Scenario::committed_one();
    let change = reset(&mut scenario, &[1, 2, 3], true);
    let mut early = scenario.checker.clone();
    early.on_restore(1, base, 30);
    assert_eq!(early.violation().map(|violation| violation.rule), Some(Rule::RestoredAfterReset));
    scenario.checker.on_durable(1, &change, 30);
    scenario.checker.on_restore(1, base, 31);
    assert_eq!(scenario.violated(), None);
}

#[test]
fn only_durably_applied_entries_are_compacted() {
    let mut scenario = Scenario::committed_one();
    scenario.checker.on_durably_applied(0, LogIndex(1));
    scenario.checker.on_compact(0, LogIndex(1), 20);
    assert_eq!(scenario.violated(), None);
    scenario.checker.on_compact(1, LogIndex(1), 21);
    assert_eq!(scenario.violated(), Some(Rule::CompactedAfterApply));
}
