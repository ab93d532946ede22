//! The algorithm, message by message: scenarios in which other implementations had defects, and the
//! guarantees of this one. Written with `raft-testkit`, whose rules are checked after every event.

mod commitment;
mod compaction;
mod config;
mod durability;
mod elections;
mod explain;
mod fetches;
mod follower_reads;
mod incarnations;
mod leases;
mod local_reads;
mod log_repair;
mod membership;
mod memory;
mod reads;
mod settings;
mod single;
mod slow_disks;
mod snapshots;
mod stalled_disks;
mod state_machine;
mod transfer;
