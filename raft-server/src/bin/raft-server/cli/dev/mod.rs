//! `raft-server dev`: a cluster of processes on this machine, for development.

mod cluster;
mod demo;
mod directory;
mod instructions;
mod nodes;
mod run;

pub(super) use run::{DevArgs, run};
