//! The `raft-testkit` command: draws traces, explains them, compares them.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
