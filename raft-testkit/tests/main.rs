//! Tests of the public interface.

mod compaction;
mod control;
mod records;
mod scenario_files;
mod scenario_grammar;
mod scenario_registry;
mod seeds;
mod swarm;
mod trace;
