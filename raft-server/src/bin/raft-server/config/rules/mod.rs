//! The rules that a configuration must follow.

mod check;
mod compaction;
mod findings;
mod listen;
mod members;
mod raft;

pub(super) use check::check;
pub(crate) use findings::{Problem, Warning};
