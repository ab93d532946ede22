//! Captured states: how they are made, their format, and how one replaces the database.

mod error;
mod format;
mod reader;
mod restore;
mod source;
mod writer;

pub(super) use error::RestoreError;
pub(super) use format::Header;
pub(super) use restore::restore;
pub(super) use source::CapturedState;
