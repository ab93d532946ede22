//! A test kit for Raft: a cluster of real nodes in one thread and virtual time, in which the test
//! controls every message, disk write and timer.
//!
//! | to | see |
//! | --- | --- |
//! | control messages, disks, crashes, links and time | [`Cluster`] |
//! | select messages | [`Selector`] |
//! | wait for a state or a message | [`Condition`] |
//! | know the rules that are checked after every event | [`Rule`] |
//! | read, render and compare traces | [`trace`] |
//! | write a scenario as a text file | [`script`] |
//! | run random schedules | [`swarm`] |
//! | test a log store, a state machine or a transport | [`suite`], [`log_store_suite!`], [`state_machine_suite!`], [`transport_suite!`] |
//!
//! # Control
//!
//! A cluster does nothing on its own. Actions such as [`elect`](Cluster::elect),
//! [`propose`](Cluster::propose), [`deliver`](Cluster::deliver), [`drop`](Cluster::drop),
//! [`hold`](Cluster::hold), [`partition`](Cluster::partition) and [`crash`](Cluster::crash) move it.
//! Most of them take a [`Selector`]; [`Cluster::deliver_until`] takes a [`Condition`].
//!
//! ```
//! use raft_testkit::{Cluster, Crash, append, leader_is};
//!
//! let mut c = Cluster::new(3).scenario("a leader crashes before its write is durable");
//! c.elect(1);
//! c.disk_by_hand(1); // the test completes the writes of node 1
//! let write = c.propose(1, "add 1");
//! c.drop(append().from(1));
//! c.crash(1, Crash::LoseUnsynced);
//! c.campaign(2);
//! c.deliver_until(leader_is(2));
//! c.deliver_all();
//! c.expect(write).is_unknown();
//! c.expect_leader(2, 2);
//! ```
//!
//! [`Cluster::with`] builds a cluster with your own state machine and log store:
//! `raft-testkit/downstream-example` is a complete project that does so.
//!
//! # Expectations
//!
//! Expectations about a node are methods of the cluster, those about a request are methods of
//! [`Cluster::expect`]. [`status`](Cluster::status), [`machine`](Cluster::machine) and
//! [`store`](Cluster::store) return the state of a node for other assertions. A failed expectation
//! panics with a report of at most 40 lines.
//!
//! ```
//! use raft_testkit::Cluster;
//!
//! let mut c = Cluster::new(3);
//! c.elect(1);
//! let write = c.propose(1, "add 5");
//! c.expect(write).is_pending();
//! c.deliver_all();
//! c.expect(write).is_applied_with("5");
//! c.heartbeat(1); // carries the commit index to the followers
//! c.deliver_all();
//! c.expect_converged();
//! assert_eq!(c.machine(2).total(), c.machine(3).total());
//! ```
//!
//! # Rules
//!
//! After every event the kit checks the rules of Raft over the whole cluster ([`Rule`] lists them
//! with their sources). A violation panics with a report: the rule, the two observations that
//! contradict each other, the events that led to them, and the command that repeats the test.
//! [`Cluster::without_panic`] keeps the violation instead.
//!
//! ```
//! use raft_core::RoleKind;
//! use raft_testkit::{Cluster, Rule};
//!
//! let mut c = Cluster::new(3).without_panic();
//! c.force_role(1, RoleKind::Leader);
//! c.force_role(2, RoleKind::Leader); // in the same term
//! let violation = c.violation().expect("two leaders in one term");
//! assert_eq!(violation.rule, Rule::ElectionSafety);
//! assert_eq!(violation.rule.source(), "Raft §5.2, figure 3");
//! ```
//!
//! # Traces
//!
//! A cluster records every event. A trace can be rendered in many formats, among them tables, sequence
//! diagrams and an HTML page. A failing test writes its trace in all formats to `traces/failures` of
//! cargo's target directory.
//!
//! ```
//! use raft_testkit::trace::format::Format;
//! use raft_testkit::Cluster;
//!
//! let mut c = Cluster::new(3).scenario("an election");
//! c.section("node 1 is elected").tests(&["leader_election"]);
//! c.elect(1);
//! let table = Format::Terminal.render(&c.trace());
//! assert!(table.contains("becomes leader"));
//! ```
//!
//! # Random schedules
//!
//! [`swarm::Swarm`] runs random schedules of actions and faults, one for each seed. A failing seed
//! is reported with the environment variables that repeat it.
//!
//! ```
//! use raft_testkit::swarm::Swarm;
//!
//! let statistics = Swarm::of_seeds(0..10).steps(500).run();
//! assert_eq!(statistics.runs, 10);
//! ```
//!
//! # Suites
//!
//! [`log_store_suite!`], [`state_machine_suite!`] and [`transport_suite!`] expand to one test for
//! each rule of a port.
//!
//! ```
//! use raft_testkit::MemLogStore;
//! use raft_testkit::suite::StoreFactory;
//!
//! #[derive(Default)]
//! struct Reopened(MemLogStore);
//!
//! impl StoreFactory for Reopened {
//!     type Store = MemLogStore;
//!
//!     fn open(&mut self) -> MemLogStore {
//!         self.0.restarted()
//!     }
//! }
//!
//! mod log_store {
//!     raft_testkit::log_store_suite!(super::Reopened::default());
//! }
//! # fn main() {}
//! ```

mod check;
mod cluster;
mod condition;
mod condition_tracker;
mod counter;
pub mod features;
mod network;
mod node_clock;
mod recorder;
pub mod script;
mod selector;
mod sim_node;
mod snapshot;
pub mod suite;
pub mod swarm;
pub mod trace;

pub use check::{Observation, Rule, Violation};
pub use cluster::{Cluster, Crash, CutOff, Expectation, RequestHandle, SectionNotes, Timers};
pub use condition::{
    Condition, all_handled, all_sent, applied_at, commit_at, commit_sent, election_settled,
    follows, handled, handled_times, leader_is, log_at, sent, sent_times,
};
pub use counter::Counter;
pub use raft_storage::{MemLogStore, log_store_suite};
pub use selector::{
    Selector, any, append, append_response, heartbeat, install_snapshot, pre_vote,
    pre_vote_response, read_index, read_index_response, timeout_now, timeout_now_response, vote,
    vote_response,
};
pub use trace::record::CommandOutcome;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
