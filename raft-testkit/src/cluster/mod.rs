//! A cluster under the test's control.

mod access;
mod clients;
mod condition_view;
mod deliver;
mod disk;
mod effects;
mod expect;
mod explain;
mod membership_actions;
mod network_actions;
mod node_actions;
mod options;
mod report;
mod requests;
mod sections;
mod settings;
mod sim_cluster;
mod snapshot_counts;
mod snapshots;
mod step;
mod timers;

pub use self::disk::Crash;
pub use self::expect::Expectation;
pub use self::network_actions::CutOff;
pub use self::requests::RequestHandle;
pub use self::sections::SectionNotes;
pub use self::settings::Timers;
pub use self::sim_cluster::Cluster;
