//! The kit as its users see it.

mod control;
mod scenario_files;
mod seeds;
mod swarm;
mod trace;
