//! A Raft cluster with every message, disk write and clock tick in the test's hand.
//!
//! ```
//! use raft_testkit::{Cluster, Crash, append, leader_is};
//!
//! let mut c = Cluster::new(3).scenario("a leader loses what it had not written");
//! c.elect(1);
//! c.disk_by_hand(1);
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
//! | to | see |
//! | --- | --- |
//! | move single messages, crash nodes, cut links | [`Cluster`] |
//! | pick messages | [`Selector`] |
//! | wait for something | [`Condition`] |
//! | know what is checked after every event | [`Rule`] |
//! | write a scenario without Rust | [`script`] |
//! | run thousands of random schedules | [`swarm`] |
//! | test a store or a transport of your own | [`suite`], [`log_store_suite!`] |
//! | read what happened | [`trace`] |

mod check;
mod cluster;
mod condition;
mod condition_tracker;
mod counter;
pub mod features;
mod network;
mod prng;
mod recorder;
pub mod script;
mod selector;
mod sim_node;
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
    Selector, any, append, append_response, heartbeat, pre_vote, pre_vote_response, vote,
    vote_response,
};
pub use trace::record::CommandOutcome;
