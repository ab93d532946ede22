//! Leading: one log, replicated to every member.

mod commit;
mod leadership;
mod read_index;
mod replication;

pub(crate) use leadership::Leader;
