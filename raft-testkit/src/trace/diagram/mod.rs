//! Sequence diagrams: a lifeline for each node, coloured by its role, and an arrow for each message
//! from its sending to its handling.

mod elements;
mod layout;
mod lifeline;
mod message_category;
mod palette;
pub mod svg;

pub use layout::is_drawn;
pub use message_category::MessageCategory;

pub(in crate::trace) use elements::escaped;
pub(in crate::trace) use palette::{DARK, LIGHT, SHAPES, TERMS};
