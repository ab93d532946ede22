//! The `raft-testkit` command: runs scenarios; renders, explains and compares traces.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
