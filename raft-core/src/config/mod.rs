//! The configuration of a node: settings, their rules, and the checked result.

mod checked;
mod compaction;
mod error;
mod limits;
mod settings;

pub use checked::Config;
pub use compaction::CompactionPolicy;
pub use error::ConfigError;
pub use limits::Limits;
pub use settings::{
    ApplyFailurePolicy, CommitNotification, FollowerReads, LeaseSettings, Settings,
};
