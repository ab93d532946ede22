//! A trace as one HTML page: a sequence diagram, a slider through time, and the messages, states
//! and logs at every point. The page loads nothing else.

mod data;
mod html;

pub use html::html;
