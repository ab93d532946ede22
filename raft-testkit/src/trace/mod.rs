//! Traces: one list of records, drawn in many forms.
//!
//! The cluster writes a [`record::Trace`]; every form below is drawn from it and from nothing
//! else, so that a trace that was kept can be drawn again, and differently, at any time.

pub mod diagram;
pub mod diff;
pub mod documents;
pub mod facts;
pub mod form;
pub mod links;
pub mod logs;
pub mod notation;
pub mod page;
pub mod reading;
pub mod record;
pub mod report;
pub mod sequence;
pub mod table;
pub mod words;
