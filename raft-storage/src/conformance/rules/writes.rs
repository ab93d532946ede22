//! Rules about persisting and recovering entries.

use std::time::Duration;

use bytes::Bytes;
use raft_core::ports::{LogStore, StoreError};
use raft_core::{
    ClusterSettings, Entry, HardState, Incarnation, LogIndex, MemberInfo, Membership, NodeId,
    Persist, Priority, Recovered, Term,
};

use crate::conformance::StoreFactory;
use crate::conformance::changes::{
    append, assert_log, entries, entry, hard_state, id, membership, nothing, open, open_with, read,
    read_all, replace,
};

/// A store without writes recovers an empty log, also after a restart.
pub fn empty_store_recovers_an_empty_log<F: StoreFactory>(factory: &mut F) {
    for _ in 0..2 {
        let (store, recovered) = open(factory);
        assert_eq!(recovered, Recovered::default());
        assert_eq!(read_all(&store, 1), []);
        assert_eq!(read_all(&store, 0), []);
    }
}

/// Persisted entries are returned before and after a restart.
pub fn appended_entries_are_recovered<F: StoreFactory>(factory: &mut F) {
    let store = open_with(factory, &[append(entries(1, 1, 3)), append(entries(2, 4, 5))]);
    let expected = [entries(1, 1, 3), entries(2, 4, 5)].concat();
    assert_eq!(read_all(&store, 1), expected);
    drop(store);
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &expected);
}

/// Payloads of every kind are returned unaltered: empty, an empty command, bytes of every value,
/// simple and joint memberships.
pub fn entries_of_every_kind_are_recovered<F: StoreFactory>(factory: &mut F) {
    let info = MemberInfo {
        incarnation: Some(Incarnation(u64::MAX)),
        peer_address: "peer.example:7000".to_owned(),
        client_address: String::new(),
        priority: Priority(3),
    };
    let settings = ClusterSettings {
        election_timeout_min: Some(Duration::from_secs(3)),
        kept_bytes_max: Some(u64::MAX),
        ..ClusterSettings::NONE
    };
    let joint = Membership {
        voters: [NodeId(1), NodeId(2)].into(),
        outgoing: [NodeId(1), NodeId(3)].into(),
        learners: [NodeId(4)].into(),
        nodes: [(NodeId(4), info)].into(),
        settings: settings.into(),
    };
    let expected = vec![
        Entry::empty(id(1, 1)),
        Entry::command(id(1, 2), Bytes::new()),
        Entry::command(id(1, 3), (0..=u8::MAX).collect()),
        membership(1, 4, &[1, 2, 3]),
        Entry::membership(id(1, 5), joint),
    ];
    drop(open_with(factory, &[append(expected.clone())]));
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &expected);
}

/// A reopened store accepts the entry after the last one.
pub fn appends_continue_after_a_restart<F: StoreFactory>(factory: &mut F) {
    drop(open_with(factory, &[append(entries(1, 1, 3))]));
    let mut store = open(factory).0;
    store.persist(&[append(entries(1, 4, 5))]).expect("continues");
    drop(store);
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &entries(1, 1, 5));
}

/// A conflicting suffix is replaced in one change (Raft §5.3).
pub fn truncation_and_its_append_are_one_change<F: StoreFactory>(factory: &mut F) {
    let store = open_with(
        factory,
        &[append(entries(1, 1, 3)), append(entries(1, 4, 6)), replace(entries(2, 5, 5))],
    );
    let expected = [entries(1, 1, 4), entries(2, 5, 5)].concat();
    assert_eq!(read_all(&store, 1), expected);
    drop(store);
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &expected);
}

/// A truncation may begin at any entry, however entries were grouped into appends.
pub fn truncation_may_begin_inside_an_earlier_append<F: StoreFactory>(factory: &mut F) {
    drop(open_with(factory, &[append(entries(1, 1, 20))]));
    let mut expected = entries(1, 1, 20);
    for (term, from) in (2..).zip([20, 19, 15, 14, 14, 9, 2, 1]) {
        let mut store = open(factory).0;
        store.persist(&[replace(entries(term, from, from + 2))]).expect("replaces");
        expected.retain(|entry| entry.index() < LogIndex(from));
        expected.extend(entries(term, from, from + 2));
        assert_eq!(read_all(&store, 1), expected, "truncated from {from}");
        drop(store);
        let (store, recovered) = open(factory);
        assert_log(&store, &recovered, &expected);
    }
}

/// A truncated log that grows again never returns truncated entries.
pub fn truncated_entries_never_return<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 9)), replace(entries(2, 3, 3))]);
    let mut expected = [entries(1, 1, 2), entries(2, 3, 3)].concat();
    for index in 4..=9 {
        assert_eq!(read_all(&store, 1), expected);
        store.persist(&[append(entries(2, index, index))]).expect("appends");
        expected.push(entry(2, index));
    }
    drop(store);
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &expected);
}

/// Several changes in one persist have the same effect as in separate persists.
pub fn merged_changes_take_effect_in_order<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 4))]);
    let merged = [
        append(entries(1, 5, 6)),
        replace(entries(2, 6, 8)),
        hard_state(2, Some(1), 2),
        replace(entries(3, 3, 4)),
        nothing(),
        replace(entries(4, 4, 4)),
        append(entries(4, 5, 5)),
        hard_state(4, Some(2), 3),
    ];
    store.persist(&merged).expect("persists");
    let expected = [entries(1, 1, 2), entries(3, 3, 3), entries(4, 4, 5)].concat();
    assert_eq!(read_all(&store, 1), expected);
    drop(store);
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &expected);
    let hard_state = HardState { term: Term(4), voted_for: Some(NodeId(2)), commit: LogIndex(3) };
    assert_eq!(recovered.hard_state, hard_state);
}

/// A persist of no changes, or of empty changes, has no effect.
pub fn an_empty_persist_changes_nothing<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 2))]);
    store.persist(&[]).expect("nothing to do");
    store.persist(&[nothing(), nothing()]).expect("nothing to do");
    drop(store);
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &entries(1, 1, 2));
}

/// Gaps, decreasing terms and truncations out of range are refused, with all changes of the same
/// persist.
pub fn invalid_changes_are_refused_and_write_nothing<F: StoreFactory>(factory: &mut F) {
    drop(open_with(factory, &[append(entries(2, 1, 3)), hard_state(2, Some(1), 0)]));
    // Without a hard state, which could be the reason for the refusal.
    let alone = |change: Persist| Persist { hard_state: None, ..change };
    let wrong = [
        ("a gap", alone(append(entries(2, 6, 6)))),
        ("an entry that is there already", alone(append(entries(2, 3, 3)))),
        ("a decreasing term", alone(append(entries(1, 5, 5)))),
        ("a truncation past the end", alone(replace(entries(2, 6, 6)))),
        (
            "a truncation without a replacement",
            Persist { truncate_from: Some(LogIndex(2)), ..nothing() },
        ),
        ("a decreasing term in the hard state", hard_state(1, None, 0)),
        ("a vote for another node", hard_state(2, Some(3), 0)),
        ("a removed vote", hard_state(2, None, 0)),
    ];
    for (name, change) in wrong {
        let mut store = open(factory).0;
        let outcome = store.persist(&[alone(append(entries(2, 4, 4))), change]);
        assert!(matches!(outcome, Err(StoreError::Invalid(_))), "{name}: {outcome:?}");
        drop(store);
        let (store, recovered) = open(factory);
        assert_log(&store, &recovered, &entries(2, 1, 3));
    }
}

/// After a failed persist the content of the disk is unknown, so the store refuses all calls.
pub fn after_an_error_the_store_refuses_everything<F: StoreFactory>(factory: &mut F) {
    let mut store = open_with(factory, &[append(entries(1, 1, 3))]);
    store.persist(&[append(entries(1, 9, 9))]).expect_err("a gap");
    let outcome = store.persist(&[append(entries(1, 4, 4))]);
    assert!(matches!(outcome, Err(StoreError::Poisoned(_))), "persist: {outcome:?}");
    let outcome = store.compact(id(1, 1));
    assert!(matches!(outcome, Err(StoreError::Poisoned(_))), "compact: {outcome:?}");
    let outcome = store.recover();
    assert!(matches!(outcome, Err(StoreError::Poisoned(_))), "recover: {outcome:?}");
}

/// Entries of several megabytes are recovered, alone and between small ones.
pub fn large_entries_are_recovered<F: StoreFactory>(factory: &mut F) {
    let large = |index: u64| {
        let bytes = (0..3_000_001_u64).map(|at| (at * index % 251) as u8);
        Entry::command(id(1, index), bytes.collect())
    };
    let expected = vec![entry(1, 1), large(2), large(3), entry(1, 4), large(5)];
    drop(open_with(factory, &[append(expected[..3].to_vec()), append(expected[3..].to_vec())]));
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &expected);
    assert_eq!(read(&store, 2, 5, 1), expected[1..2]);
}

/// Hundreds of persists of one entry each.
pub fn many_small_persists_are_recovered<F: StoreFactory>(factory: &mut F) {
    let changes: Vec<_> = (1..=400).map(|index| append(vec![entry(1, index)])).collect();
    drop(open_with(factory, &changes));
    let (store, recovered) = open(factory);
    assert_log(&store, &recovered, &entries(1, 1, 400));
}
