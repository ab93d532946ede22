//! Traces written by hand, and their rendering in every format.

mod browser;
mod cli;
mod compare;
mod document;
mod documents;
mod event_table;
mod hand_written;
mod pictures;
mod report;
mod spans;
mod tables;
