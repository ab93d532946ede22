//! Traces written by hand, and what every form shows of them.

mod browser;
mod cli;
mod compare;
mod documents;
mod facts;
mod pictures;
mod play;
mod report;
mod tables;
