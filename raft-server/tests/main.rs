//! Integration tests, one binary for all.

mod node;
