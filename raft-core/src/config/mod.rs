//! The configuration of a node: settings, their rules, and the checked result.

mod checked;
mod cluster_settings;
mod compaction;
mod error;
mod limit_name;
mod limits;
mod settings;

pub use checked::Config;
pub use cluster_settings::{ClusterSettings, LeasePolicy};
pub use compaction::CompactionPolicy;
pub use error::ConfigError;
pub use limit_name::LimitName;
pub(crate) use limits::COMMAND_OVERHEAD_BYTES;
pub use limits::Limits;
pub use settings::{
    ApplyFailurePolicy, CommitNotification, FollowerReads, LeaseSettings, Settings,
};
