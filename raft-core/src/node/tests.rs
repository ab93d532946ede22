//! One node alone, with valid and invalid inputs.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one effect among all")]

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::Node;
use crate::config::{ApplyFailurePolicy, Config, Settings};
use crate::effect::{Effect, FetchEntries, Outcome, Refusal};
use crate::entry::Entry;
use crate::event::RoleKind;
use crate::input::{ApplyFailure, EntriesFetched, Input, Proposal, ReadConsistency};
use crate::log::TermRuns;
use crate::membership::{MemberInfo, Membership};
use crate::message::{
    AppendEntries, AppendEntriesResponse, AppendOutcome, Body, LogSlice, Message, PreVote,
    PreVoteResponse, RequestVote, RequestVoteResponse, Rpc,
};
use crate::ports::{BrokenMark, HardState, Recovered};
use crate::prng::Prng;
use crate::recovery::RecoveryError;
use crate::types::{
    ClusterId, GroupId, Identity, Incarnation, LogId, LogIndex, NodeId, PersistId, RequestId,
    Round, Term, Timestamp,
};

const IDENTITY: Identity = Identity {
    cluster: ClusterId(1),
    group: GroupId(0),
    node: NodeId(1),
    incarnation: Incarnation(1),
};

fn node_with(config: Config, recovered: Recovered, voters: u64) -> Node {
    let recovered = Recovered { memberships: vec![bootstrapped(voters)], ..recovered };
    Node::new(config, recovered, Timestamp(0)).expect("a good configuration")
}

/// Voters 1 to `voters`, each pinned to its first incarnation.
fn bootstrapped(voters: u64) -> (LogIndex, Membership) {
    let info = MemberInfo { incarnation: Some(Incarnation(1)), ..MemberInfo::default() };
    let mut membership = Membership::of_voters((1..=voters).map(NodeId));
    membership.nodes = (1..=voters).map(|node| (NodeId(node), info.clone())).collect();
    (LogIndex::ZERO, membership)
}

fn message(from: u64, term: u64, body: Body) -> Input {
    received(from, Rpc::new(Term(term), body).expect("a consistent message"))
}

fn received(from: u64, rpc: Rpc) -> Input {
    Input::Message(Message {
        cluster: IDENTITY.cluster,
        group: IDENTITY.group,
        from: NodeId(from),
        from_incarnation: Incarnation(1),
        to: IDENTITY.node,
        to_incarnation: None,
        rpc,
    })
}

fn config(settings: Settings) -> Config {
    Config::new(IDENTITY, 1, settings).expect("valid settings")
}

fn step(node: &mut Node, input: Input) -> Vec<Effect> {
    let mut effects = Vec::new();
    node.step(Timestamp(0), input, &mut effects);
    effects
}

fn persists(effects: &[Effect]) -> Vec<PersistId> {
    let ids = effects.iter().filter_map(|effect| match effect {
        Effect::Persist(persist) => Some(persist.id),
        _ => None,
    });
    ids.collect()
}

fn sends(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Send(_))).count()
}

/// Makes the only node of its cluster its leader, with everything durable and applied.
fn sole_leader(config: Config) -> Node {
    let mut node = node_with(config, Recovered::default(), 1);
    step(&mut node, Input::Campaign);
    step(&mut node, Input::Persisted(PersistId(1)));
    step(&mut node, Input::Persisted(PersistId(2)));
    step(&mut node, Input::Applied(LogIndex(1)));
    assert_eq!(node.role(), RoleKind::Leader);
    node
}

#[test]
fn vote_is_sent_only_once_it_is_durable() {
    let mut node = node_with(config(Settings::default()), Recovered::default(), 3);
    let request = RequestVote { last_log: LogId::ORIGIN, leadership_transfer: false };
    let effects = step(&mut node, message(2, 1, Body::RequestVote(request)));
    assert_eq!(persists(&effects), [PersistId(1)]);
    assert_eq!(sends(&effects), 0, "the vote is not durable yet");
    let effects = step(&mut node, Input::Persisted(PersistId(1)));
    assert_eq!(sends(&effects), 1);
}

/// etcd #14370: a cluster of one must not commit an entry that is not durable.
#[test]
fn cluster_of_one_commits_only_durable_entries() {
    let mut node = sole_leader(config(Settings::default()));
    let proposal = Proposal { id: RequestId(1), command: Bytes::from_static(b"x") };
    let effects = step(&mut node, Input::Propose(vec![proposal]));
    assert_eq!(node.commit_index(), LogIndex(1), "appended, not durable");
    let [id] = persists(&effects)[..] else { panic!("one persist a batch") };
    let effects = step(&mut node, Input::Persisted(id));
    assert_eq!(node.commit_index(), LogIndex(2));
    let applied = effects.iter().find_map(|effect| match effect {
        Effect::Apply(batch) => Some(batch[0].request),
        _ => None,
    });
    assert_eq!(applied, Some(Some(RequestId(1))));
}

#[test]
fn batch_is_refused_entry_by_entry_when_the_limit_is_reached() {
    let mut settings = Settings::default();
    settings.limits.command_bytes_max = 100;
    let weight = |bytes| Entry::command(LogId::ORIGIN, Bytes::from(vec![0; bytes])).weight_bytes();
    settings.limits.unapplied_bytes_max = weight(90) + weight(10);
    let mut node = sole_leader(config(settings));
    let command = |id, bytes| Proposal { id: RequestId(id), command: Bytes::from(vec![0; bytes]) };
    let batch = vec![command(1, 101), command(2, 90), command(3, 90), command(4, 10)];
    let effects = step(&mut node, Input::Propose(batch));
    let refused: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Respond(response) => Some((response.id.get(), response.outcome)),
            _ => None,
        })
        .collect();
    let too_large = Refusal::TooLarge { bytes: 101, bytes_max: 100 };
    assert_eq!(
        refused,
        [(1, Outcome::Refused(too_large)), (3, Outcome::Refused(Refusal::Busy))],
        "the second and the fourth fit"
    );
}

#[test]
fn older_entries_are_fetched_and_checked_before_they_are_applied() {
    let mut terms = TermRuns::default();
    for index in 1..=3 {
        terms.push(LogId::new(Term(1), LogIndex(index))).expect("continues");
    }
    let hard_state = HardState { term: Term(1), voted_for: None, commit: LogIndex(3) };
    let recovered = Recovered { hard_state, terms, ..Recovered::default() };
    let mut node = node_with(config(Settings::default()), recovered, 3);
    let effects = step(&mut node, Input::Applied(LogIndex(1)));
    let fetch = effects.iter().find_map(|effect| match effect {
        Effect::FetchEntries(fetch) => Some(*fetch),
        _ => None,
    });
    let Some(FetchEntries { id, from, last, .. }) = fetch else {
        panic!("it requests entries from the store")
    };
    assert_eq!((from, last), (LogIndex(2), LogIndex(3)));

    // An entry of another term than the log has is not applied.
    let wrong = vec![Entry::empty(LogId::new(Term(9), LogIndex(2)))];
    let effects =
        step(&mut node, Input::EntriesFetched(EntriesFetched { id, from, entries: wrong }));
    assert!(effects.is_empty(), "nothing to apply: {effects:?}");
    // With the next append of a leader they are requested again.
    let heartbeat = AppendEntries {
        slice: LogSlice::empty(LogId::new(Term(1), LogIndex(3))),
        commit: LogIndex(3),
        round: Round(1),
    };
    let effects = step(&mut node, message(2, 1, Body::AppendEntries(heartbeat)));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::FetchEntries(_))));
}

/// The result of a fetch may be older than the log: entries that were replaced meanwhile are not
/// sent, and a fetch without a usable entry is repeated after the next heartbeat, not before.
#[test]
fn fetched_entries_are_sent_only_as_far_as_they_match_the_log() {
    let mut node = leader_with_recovered_log(3);
    let mismatch = AppendOutcome::Rejected {
        prev_index: LogIndex(3),
        last_index: LogIndex(0),
        hint: LogId::ORIGIN,
    };
    let response = AppendEntriesResponse { round: Round(1), outcome: mismatch };
    let response = Body::AppendEntriesResponse(response);
    let effects = step(&mut node, message(3, 2, response.clone()));
    let [FetchEntries { id, from, .. }] = fetches(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(from, LogIndex(1));

    let replaced = vec![Entry::empty(LogId::new(Term(7), from))];
    let fetched = EntriesFetched { id, from, entries: replaced };
    let effects = step(&mut node, Input::EntriesFetched(fetched));
    assert!(effects.is_empty(), "an entry of another term: {effects:?}");
    let effects = step(&mut node, message(3, 2, response));
    assert_eq!(fetches(&effects), [], "the failed request is not repeated at once");

    let mut effects = Vec::new();
    node.step(node.deadline(), Input::Tick, &mut effects);
    let [FetchEntries { id, from, .. }] = fetches(&effects)[..] else { panic!("{effects:?}") };
    let entries = [(1, 1), (2, 1), (3, 9)]
        .map(|(index, term)| Entry::empty(LogId::new(Term(term), LogIndex(index))));
    let fetched = EntriesFetched { id, from, entries: entries.to_vec() };
    let effects = step(&mut node, Input::EntriesFetched(fetched.clone()));
    let sent = effects.iter().find_map(|effect| match effect {
        Effect::Send(message) => match message.body() {
            Body::AppendEntries(append) => Some(append.entries()),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(sent, Some(&entries[..2]), "up to the entry that was replaced");
    let effects = step(&mut node, Input::EntriesFetched(fetched));
    assert!(effects.is_empty(), "a result counts once: {effects:?}");
}

/// A leader of term 2 whose log was recovered with this many entries of term 1.
fn leader_with_recovered_log(last: u64) -> Node {
    let mut terms = TermRuns::default();
    for index in 1..=last {
        terms.push(LogId::new(Term(1), LogIndex(index))).expect("continues");
    }
    let hard_state = HardState { term: Term(1), voted_for: None, commit: LogIndex(0) };
    let recovered = Recovered { hard_state, terms, ..Recovered::default() };
    let settings = Settings { pre_vote: false, ..Settings::default() };
    let mut node = node_with(config(settings), recovered, 3);
    let effects = step(&mut node, Input::Campaign);
    step(&mut node, Input::Persisted(persists(&effects)[0]));
    let vote = RequestVoteResponse { granted: true };
    step(&mut node, message(2, 2, Body::RequestVoteResponse(vote)));
    assert_eq!(node.role(), RoleKind::Leader);
    node
}

fn fetches(effects: &[Effect]) -> Vec<FetchEntries> {
    let fetches = effects.iter().filter_map(|effect| match effect {
        Effect::FetchEntries(fetch) => Some(*fetch),
        _ => None,
    });
    fetches.collect()
}

#[test]
fn failed_apply_halts_the_node_and_marks_its_log() {
    let mut node = sole_leader(config(Settings::default()));
    let proposal = Proposal { id: RequestId(1), command: Bytes::from_static(b"x") };
    let effects = step(&mut node, Input::Propose(vec![proposal]));
    step(&mut node, Input::Persisted(persists(&effects)[0]));
    let failure = ApplyFailure { index: LogIndex(2), reason: "disk full".into() };
    let effects = step(&mut node, Input::ApplyFailed(failure));
    let mark = effects.iter().find_map(|effect| match effect {
        Effect::Persist(persist) => persist.broken.clone(),
        _ => None,
    });
    let broken = BrokenMark { index: LogIndex(2), reason: "disk full".into() };
    assert_eq!(mark, Some(broken.clone()));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Halt(_))));
    let effects = step(
        &mut node,
        Input::Read { requests: vec![RequestId(2)], consistency: ReadConsistency::Linearizable },
    );
    assert!(
        matches!(&effects[..], [Effect::Respond(r)] if r.outcome == Outcome::Refused(Refusal::Stopped))
    );

    let memberships = vec![bootstrapped(1)];
    let recovered = Recovered { broken: Some(broken), memberships, ..Recovered::default() };
    let again = Node::new(config(Settings::default()), recovered, Timestamp(0));
    assert!(matches!(again, Err(RecoveryError::Broken { .. })), "an operator must act first");
}

#[test]
fn failed_apply_is_retried_with_the_next_heartbeat_when_commands_are_idempotent() {
    let settings = Settings { apply_failure: ApplyFailurePolicy::Retry, ..Settings::default() };
    let mut node = sole_leader(config(settings));
    let commands = [1, 2].map(|id| Proposal { id: RequestId(id), command: Bytes::new() });
    let effects = step(&mut node, Input::Propose(commands.to_vec()));
    step(&mut node, Input::Persisted(persists(&effects)[0]));
    let failure = ApplyFailure { index: LogIndex(2), reason: "not now".into() };
    let effects = step(&mut node, Input::ApplyFailed(failure));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Apply(_))), "not at once");

    let mut effects = Vec::new();
    node.step(node.deadline(), Input::Tick, &mut effects);
    let again = effects.iter().find_map(|effect| match effect {
        Effect::Apply(batch) => Some(batch.iter().map(|c| c.request).collect::<Vec<_>>()),
        _ => None,
    });
    let expected = vec![None, Some(RequestId(2))];
    assert_eq!(again, Some(expected), "the first caller got the error, the second still waits");
}

/// Well-formed messages with contradictory contents, in every order: the node never panics, and its
/// commit index and term never fall.
#[test]
fn arbitrary_messages_never_panic() {
    for seed in 0..300 {
        let mut prng = Prng::new(seed);
        let mut node = node_with(
            Config::new(IDENTITY, seed, Settings::default()).expect("valid settings"),
            Recovered::default(),
            3,
        );
        let (mut term, mut commit) = (node.term(), node.commit_index());
        for _ in 0..400 {
            let Some(input) = arbitrary_input(&mut prng) else { continue };
            let mut effects = Vec::new();
            node.step(Timestamp(prng.below(1 << 34)), input, &mut effects);
            for persist in persists(&effects) {
                step(&mut node, Input::Persisted(persist));
            }
            assert!(node.term() >= term, "seed {seed}");
            assert!(node.commit_index() >= commit, "seed {seed}");
            (term, commit) = (node.term(), node.commit_index());
        }
    }
}

/// Inputs whose messages the decoder accepts, and `None` for those that it refuses.
fn arbitrary_input(prng: &mut Prng) -> Option<Input> {
    let small = |prng: &mut Prng| match prng.below(40) {
        0 => u64::MAX,
        1 => u64::MAX / 4,
        _ => prng.below(6),
    };
    let log_id = |prng: &mut Prng| LogId::new(Term(small(prng)), LogIndex(small(prng)));
    let body = match prng.below(10) {
        0 => {
            let (campaign_term, last_log) = (Term(small(prng)), log_id(prng));
            Body::PreVote(PreVote { campaign_term, last_log })
        }
        1 => {
            let (campaign_term, granted) = (Term(small(prng)), prng.below(2) == 0);
            Body::PreVoteResponse(PreVoteResponse { campaign_term, granted })
        }
        2 => {
            let (last_log, leadership_transfer) = (log_id(prng), prng.below(2) == 0);
            Body::RequestVote(RequestVote { last_log, leadership_transfer })
        }
        3 => Body::RequestVoteResponse(RequestVoteResponse { granted: prng.below(2) == 0 }),
        4 | 5 => {
            let match_index = LogIndex(small(prng));
            let (prev_index, last_index) = (LogIndex(small(prng)), LogIndex(small(prng)));
            let outcome = match prng.below(2) {
                0 => AppendOutcome::Matched { match_index },
                _ => AppendOutcome::Rejected { prev_index, last_index, hint: log_id(prng) },
            };
            let round = Round(small(prng));
            Body::AppendEntriesResponse(AppendEntriesResponse { round, outcome })
        }
        6 => return Some(Input::Tick),
        7 => {
            let proposal = Proposal { id: RequestId(1), command: Bytes::new() };
            return Some(Input::Propose(vec![proposal]));
        }
        _ => {
            let prev = log_id(prng);
            let entries = (1..=prng.below(4))
                .map(|at| {
                    let term = prev.term.get().saturating_add(prng.below(2));
                    Entry::empty(LogId::new(Term(term), prev.index + at))
                })
                .collect();
            let (commit, round) = (LogIndex(small(prng)), Round(small(prng)));
            let slice = LogSlice::new(prev, entries).ok()?;
            Body::AppendEntries(AppendEntries { slice, commit, round })
        }
    };
    let (from, term) = (prng.below(4), small(prng));
    Rpc::new(Term(term), body).ok().map(|rpc| received(from, rpc))
}

fn heartbeat(prev: LogId, commit: u64) -> AppendEntries {
    AppendEntries { slice: LogSlice::empty(prev), commit: LogIndex(commit), round: Round(1) }
}

/// A node whose log is far behind must report it. A wrong value must not make a node that has
/// caught up look behind for longer than the term of the leader that sent it.
#[test]
fn commit_index_seen_is_the_highest_that_the_leader_of_the_term_sent() {
    let mut node = node_with(config(Settings::default()), Recovered::default(), 3);
    let unknown = LogId::new(Term(1), LogIndex(60_000));
    step(&mut node, message(2, 1, Body::AppendEntries(heartbeat(unknown, 50_000))));
    assert_eq!(node.status().commit_index_seen, LogIndex(50_000));
    assert_eq!(node.status().commit_index, LogIndex(0), "its log holds none of that");

    step(&mut node, message(2, 1, Body::AppendEntries(heartbeat(LogId::ORIGIN, 40_000))));
    assert_eq!(node.status().commit_index_seen, LogIndex(50_000), "a delayed append");

    step(&mut node, message(3, 2, Body::AppendEntries(heartbeat(LogId::ORIGIN, 7))));
    assert_eq!(node.status().commit_index_seen, LogIndex(7), "a value lasts for one term");
}

#[test]
fn refused_append_does_not_change_the_commit_index_seen() {
    let mut terms = TermRuns::default();
    for index in 1..=3 {
        terms.push(LogId::new(Term(1), LogIndex(index))).expect("continues");
    }
    let hard_state = HardState { term: Term(1), voted_for: None, commit: LogIndex(2) };
    let recovered = Recovered { hard_state, terms, ..Recovered::default() };
    let mut node = node_with(config(Settings::default()), recovered, 3);
    assert_eq!(node.status().commit_index_seen, LogIndex(2), "never less than its own");
    step(&mut node, message(2, 2, Body::AppendEntries(heartbeat(LogId::ORIGIN, 3))));
    assert_eq!(node.status().commit_index_seen, LogIndex(3));

    let conflict = AppendEntries {
        slice: LogSlice::new(LogId::ORIGIN, vec![Entry::empty(LogId::new(Term(2), LogIndex(1)))])
            .expect("contiguous"),
        ..heartbeat(LogId::ORIGIN, 900)
    };
    for (from, term, append) in [
        (3, 2, heartbeat(LogId::ORIGIN, 900)),
        (3, 1, heartbeat(LogId::ORIGIN, 900)),
        (2, 2, conflict),
    ] {
        step(&mut node, message(from, term, Body::AppendEntries(append)));
        assert_eq!(node.status().commit_index_seen, LogIndex(3), "node {from} in term {term}");
    }
}
