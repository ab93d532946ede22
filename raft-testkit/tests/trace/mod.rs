//! Traces written by hand, and what every form shows of them.

mod browser;
mod cli;
mod compare;
mod documents;
mod event_table;
mod pictures;
mod play;
mod report;
mod tables;
