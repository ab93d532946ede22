//! A state machine and a log store of one's own, for a test cluster of one's own.

mod store;
mod words;

pub use store::VecStore;
pub use words::Words;
