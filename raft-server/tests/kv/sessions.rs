//! Commands that are retried.

use raft_server::kv::state_machine::{
    DeleteRange, Op, Outcome, Put, Revision, Rules, SessionId, StoreRefusal,
};

use super::store::{Store, bytes, delete, key, put};

fn put_with_previous(name: &str, value: &str) -> Op {
    Op::Put(Put { key: bytes(name), value: bytes(value), prev_kv: true })
}

/// A retry changes nothing and returns the first output: in the same batch, after a flush, and
/// after a restart.
#[test]
fn retried_command_returns_the_first_output() {
    let mut store = Store::new();
    let session = store.open_session();
    store.run(put("a", "0"));
    let first = store.run_in(session, 1, put_with_previous("a", "1"));
    let Outcome::Put { prev_kv: Some(kv) } = &first.outcome else { panic!("{first:?}") };
    assert_eq!(kv.value, bytes("0"));
    assert_eq!(store.run_in(session, 1, put_with_previous("a", "1")), first);
    // Another client writes in the meantime.
    store.run(put("a", "2"));
    store.crash_and_replay();
    assert_eq!(store.run_in(session, 1, put_with_previous("a", "1")), first);
    assert_eq!(store.get("a").unwrap().value, bytes("2"));
    assert_eq!(store.run_in(session, 2, put("a", "3")).revision, Revision(4));
}

/// The output of an earlier command is not kept.
#[test]
fn serial_below_the_last_is_stale_and_changes_nothing() {
    let mut store = Store::new();
    let session = store.open_session();
    store.run_in(session, 1, put("a", "1"));
    store.run_in(session, 5, put("a", "5"));
    let output = store.run_in(session, 4, put("a", "4"));
    let refused = StoreRefusal::SessionStale { last_serial: 5 };
    assert_eq!(output.outcome, Outcome::Refused(refused));
    assert_eq!(store.get("a").unwrap().value, bytes("5"));
}

/// The store cannot distinguish a session that was never opened from one that was evicted.
#[test]
fn unknown_session_is_expired_and_changes_nothing() {
    let mut store = Store::new();
    let output = store.run_in(SessionId(99), 1, put("a", "1"));
    assert_eq!(output.outcome, Outcome::Refused(StoreRefusal::SessionExpired));
    assert!(store.get("a").is_none());
}

/// The table is bounded: the session whose last command is the oldest is evicted, and a restart
/// does not restore it.
#[test]
fn least_recently_used_session_is_evicted() {
    let mut store = Store::new();
    let sessions = store.fill_sessions(0);
    store.run_in(sessions[0], 1, put("a", "1"));
    let newest = store.open_session();
    store.crash_and_replay();
    let expired = Outcome::Refused(StoreRefusal::SessionExpired);
    assert_eq!(store.run_in(sessions[1], 1, put("a", "2")).outcome, expired);
    for session in [sessions[0], sessions[2], newest] {
        let output = store.run_in(session, 2, put("a", "3"));
        assert_eq!(output.outcome, Outcome::Put { prev_kv: None });
    }
}

/// A refusal is an outcome like any other: a retry returns it again, even if the command would now
/// succeed.
#[test]
fn retried_refusal_returns_the_first_output() {
    let mut store = Store::new();
    let session = store.open_session();
    let first = store.run_in(session, 1, Op::Compact(Revision(1)));
    let refused = StoreRefusal::FutureRevision { revision: Revision(0) };
    assert_eq!(first.outcome, Outcome::Refused(refused));
    store.run(put("a", ""));
    assert_eq!(store.run_in(session, 1, Op::Compact(Revision(1))), first);
}

/// An output that is too large is not kept; that the command was applied is recorded.
#[test]
fn large_output_is_not_kept_but_the_command_is_not_repeated() {
    let mut store = Store::new();
    let session = store.open_session();
    store.run(put("a", &"x".repeat(Rules::CURRENT.kept_output_bytes_max)));
    let op = Op::DeleteRange(DeleteRange { range: key("a"), prev_kv: true });
    let first = store.run_in(session, 1, op.clone());
    assert!(matches!(&first.outcome, Outcome::DeleteRange(deleted) if deleted.count == 1));
    store.run(put("a", "back"));
    let retry = store.run_in(session, 1, op);
    assert_eq!((retry.outcome, retry.revision), (Outcome::OutputNotKept, first.revision));
    assert_eq!(store.get("a").unwrap().value, bytes("back"));
}

/// Without a session a command is applied as often as it is in the log.
#[test]
fn command_without_session_is_repeated() {
    let mut store = Store::new();
    assert_eq!(store.run(put("a", "1")).revision, Revision(1));
    assert_eq!(store.run(put("a", "1")).revision, Revision(2));
    assert_eq!(store.run(delete(key("a"))).revision, Revision(3));
}
