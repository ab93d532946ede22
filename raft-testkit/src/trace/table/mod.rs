//! Tables: three columns (role, op, delta) for each node in documents, one line for each record in
//! terminals.

mod content;
pub mod csv;
pub mod markdown;
pub mod rst;
pub mod terminal;

pub use content::DiagramPlacement;
