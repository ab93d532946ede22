//! A Raft cluster with every message, disk write and clock tick in the test's hand.

mod check;
mod cluster;
mod counter;
pub mod features;
pub mod files;
mod network;
mod prng;
mod recorder;
pub mod script;
mod select;
mod sim_node;
pub mod suite;
pub mod swarm;
pub mod trace;
mod until;

pub use check::{Rule, Violation, Witness};
pub use cluster::{Cluster, Crash, CutOff, Expectation, Handle, SectionNotes, Timers};
pub use counter::Counter;
pub use raft_storage::{MemLogStore, log_store_suite};
pub use select::{
    Select, any, append, append_response, heartbeat, pre_vote, pre_vote_response, vote,
    vote_response,
};
pub use sim_node::Pace;
pub use trace::record::CommandOutcome;
pub use until::{
    Until, all_handled, all_sent, applied_at, commit_at, commit_sent, election_settled, follows,
    handled, handled_times, leader_is, log_at, sent, sent_times,
};
