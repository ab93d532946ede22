//! From tokens to statements.

mod cluster_options;
mod condition;
mod expectation;
mod keywords;
mod membership;
mod selector;
mod statement;

pub(super) use cluster_options::cluster_options;
pub use keywords::{keywords, statements};
pub(super) use statement::statement;
