//! The rules: one function each. A function takes a new factory and panics if the store violates
//! the rule.

mod compaction;
mod reads;
mod resets;
mod state;
mod writes;

pub use compaction::*;
pub use reads::*;
pub use resets::*;
pub use state::*;
pub use writes::*;
