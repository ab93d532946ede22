//! Traces written by hand, and what every form shows of them.

mod facts;
mod play;
