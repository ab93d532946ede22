//! A whole node of the key-value server: its data on disk, its ports, its start and its shutdown.

mod failure;
mod insights;
mod member_list;
mod membership_watch;
mod open;
mod recovered_log;
mod restore;
mod run;
mod snapshots;
mod start;

pub(crate) use failure::{open_failure, store_failure};
pub(crate) use open::{LOG_DIRECTORY, SNAPSHOT_DIRECTORY, STORE_DIRECTORY, wait_until_closed};
pub(crate) use restore::{ClusterIdRule, restore};
pub(crate) use start::start;
