//! The `raft-testkit` command.
fn main() {}
