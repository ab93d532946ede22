//! Tests of a state machine and a log store of a downstream project.

use bytes::Bytes;
use downstream_example::{VecStore, Words};
use raft_testkit::{Cluster, Crash};

#[test]
fn a_word_survives_the_crash_of_its_leader() {
    let mut c = Cluster::with(3, |_| Words::default(), |_| VecStore::default())
        .reopening(|_, store| store.reopen())
        .scenario("a word survives");
    c.elect(1);
    let write = c.propose(1, "raft");
    c.deliver_all();
    c.expect(write).is_applied_with("new");
    c.crash(1, Crash::LoseUnsynced);
    c.elect(2);
    c.restart(1);
    c.heartbeat(2);
    c.deliver_all();
    c.expect_converged();
    assert_eq!(c.machine(1).list(), ["raft"]);
}

/// Opens the same data at each call.
#[derive(Default)]
struct Reopened(VecStore);

impl raft_testkit::suite::StoreFactory for Reopened {
    type Store = VecStore;

    fn open(&mut self) -> VecStore {
        self.0.reopen()
    }
}

mod store {
    raft_testkit::log_store_suite!(super::Reopened::default());
}

/// Opens an empty set at each call: the words are in memory.
struct Empty;

impl raft_testkit::suite::state_machine::StateMachineFactory for Empty {
    type Machine = Words;

    fn open(&mut self) -> Words {
        Words::default()
    }

    fn command(&self, number: u64) -> Bytes {
        Bytes::from(format!("word {}", number % 90))
    }

    fn queries(&self) -> Vec<Bytes> {
        (0..90).map(|number| Bytes::from(format!("word {number}"))).collect()
    }
}

mod state_machine {
    raft_testkit::state_machine_suite!(super::Empty);
}
