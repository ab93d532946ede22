//! The testkit's own tests.

mod trace;
