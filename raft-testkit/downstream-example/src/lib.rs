//! An example of a state machine and a log store outside the workspace of Raft. The tests run them
//! in a cluster of the test kit.

mod store;
mod words;

pub use store::VecStore;
pub use words::Words;
