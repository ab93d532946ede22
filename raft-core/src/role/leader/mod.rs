//! Leading: one log, replicated to every member.

mod commit;
mod leadership;
mod lease;
mod membership_change;
mod preference;
mod read_index;
mod replication;
mod snapshots;
mod transfer;

pub(crate) use leadership::Leader;
