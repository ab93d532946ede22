//! Traces: one list of records, drawn in many forms.
//!
//! The cluster writes a [`record::Trace`]; every form below is drawn from it and from nothing
//! else, so that a trace that was kept can be drawn again, and differently, at any time.

pub mod describe;
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
pub mod table;
pub mod view;
