//! Documents made from traces: an index, a page for each scenario with its tables and diagrams, and
//! the matrix of the features of Raft and the scenarios that use and test them.

mod error;
mod html;
mod index;
mod matrix;
mod matrix_page;
mod source;
mod write;

pub use error::DocumentsError;
pub use matrix::{FeatureMatrix, FeatureRow};
pub use write::{Summary, read_directory, write};
