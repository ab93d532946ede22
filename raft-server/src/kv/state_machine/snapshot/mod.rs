//! Captured states: how they are made, their format, and how one replaces the database.

mod error;
mod format;
mod inspect;
mod reader;
mod restore;
mod source;
mod writer;

pub(super) use error::RestoreError;
pub(super) use format::Header;
pub use inspect::CapturedSummary;
pub(super) use restore::{Origin, restore};
pub(super) use source::CapturedState;
