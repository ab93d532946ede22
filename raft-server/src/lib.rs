//! A Raft node around your own state machine, and a replicated key-value server.

pub mod state_machine;
