//! Sequence diagrams as the text of diagram languages.

pub mod mermaid;
pub mod plantuml;
