//! The kit as its users see it.

mod control;
mod seeds;
mod swarm;
mod trace;
