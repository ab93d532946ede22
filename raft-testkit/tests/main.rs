//! Tests of the public interface.

mod control;
mod records;
mod scenario_files;
mod scenario_grammar;
mod seeds;
mod swarm;
mod trace;
