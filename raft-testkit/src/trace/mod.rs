//! Traces: what happened in a cluster, as a list of records.
//!
//! A cluster records a [`record::Trace`]. Every [`format::Format`] is rendered from the records
//! alone, so that a saved trace can be rendered at any time. `docs/traces.md` describes the formats.

pub mod describe;
mod describe_membership;
mod describe_message;
pub mod diagram;
pub mod diff;
pub mod documents;
pub mod event_table;
pub mod files;
pub mod format;
pub mod links;
pub mod log_replay;
pub mod notation;
pub mod page;
pub mod record;
pub mod report;
pub mod sequence;
pub mod spans;
pub mod table;
pub mod view;
