//! Logs whose first entries are compacted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use raft_core::ports::{
    ApplyError, LogStore, QueryError, SnapshotSource, StateMachine, StorageFailure,
};
use raft_core::{LogId, LogIndex, Term};
use raft_storage::MemLogStore;
use raft_testkit::{Cluster, Counter, Crash, append, append_response};

/// A counter whose state survives the process of its node.
#[derive(Clone, Default)]
struct DurableCounter(Arc<Mutex<Counter>>);

impl DurableCounter {
    fn with<T>(&self, action: impl FnOnce(&mut Counter) -> T) -> T {
        action(&mut self.0.lock().expect("no thread panics under the lock"))
    }
}

impl StateMachine for DurableCounter {
    fn applied(&mut self) -> Result<LogIndex, StorageFailure> {
        self.with(Counter::applied)
    }

    fn apply(&mut self, id: LogId, command: &Bytes) -> Result<Bytes, ApplyError> {
        self.with(|counter| counter.apply(id, command))
    }

    fn flush(&mut self, applied: LogId) -> Result<(), StorageFailure> {
        self.with(|counter| counter.flush(applied))
    }

    fn query(&mut self, query: &Bytes) -> Result<Bytes, QueryError> {
        self.with(|counter| counter.query(query))
    }

    fn durable_applied(&mut self) -> Result<LogIndex, StorageFailure> {
        self.applied()
    }

    fn capture(&mut self) -> Result<Box<dyn SnapshotSource>, StorageFailure> {
        self.with(Counter::capture)
    }

    fn restore(
        &mut self,
        applied: LogId,
        source: &mut dyn SnapshotSource,
    ) -> Result<(), StorageFailure> {
        self.with(|counter| counter.restore(applied, source))
    }
}

/// Three nodes with durable state machines. The log of node 2 is compacted up to entry 3 when it
/// restarts.
fn cluster() -> Cluster<DurableCounter, MemLogStore> {
    let machines: BTreeMap<u64, DurableCounter> =
        (1..=3).map(|node| (node, DurableCounter::default())).collect();
    let machine = move |node: u64| machines.get(&node).expect("one for each node").clone();
    Cluster::with(3, machine, |_| MemLogStore::new()).reopening(|node, store| {
        let mut store = store.restarted();
        if node == 2 {
            let compacted = LogId::new(Term(1), LogIndex(3));
            store.compact(compacted).expect("the entry is in the log and applied");
        }
        store
    })
}

/// openraft 44381b0c: a follower that no longer has the prev of an append took that for a conflict
/// and removed entries that were committed.
#[test]
fn append_whose_prev_is_compacted_removes_nothing() {
    let mut c = cluster().scenario("an append whose prev is compacted removes nothing").described(
        "A copy of an append arrives after its entry and the one before it were compacted. In \
         openraft (commit 44381b0c) the follower found no entry like the prev, took that for a \
         conflict and removed committed entries. Here compacted entries are known to agree: only \
         those after the base are compared.",
    );
    c.section("node 2 stores three commands; a copy of the first append is late")
        .uses(&["log_replication"]);
    c.elect(1);
    c.deliver_all();
    c.propose(1, "add 1");
    c.send(append().to(2));
    c.duplicate(append().to(2));
    c.hold(append().to(2).nth(1));
    c.deliver_all();
    for _ in 0..2 {
        c.propose(1, "add 1");
        c.deliver_all();
    }
    c.heartbeat(1);
    c.deliver_all();
    c.expect_converged();
    c.section("node 2 restarts with a log that begins after entry 3").uses(&["durability"]);
    c.crash(2, Crash::LoseUnsynced);
    c.restart(2);
    assert_eq!(c.status(2).first_index, LogIndex(4));
    c.section("the copy of the append of entry 2 arrives")
        .tests(&["log_replication/stale_append_keeps_log"]);
    c.handle(append().to(2).nth(0));
    c.expect_last(2, 4, 1);
    assert_eq!(c.status(2).persisted_index, LogIndex(4));
    c.deliver(append_response().from(2).matched(true));
    c.section("the next command continues the log").tests(&["log_replication"]);
    let write = c.propose(1, "add 1");
    c.deliver(append().to(2));
    c.deliver(append_response().from(2));
    c.expect(write).is_applied_with("4");
}
