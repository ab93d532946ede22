//! Traces: one list of records, drawn in many forms.

pub mod record;
