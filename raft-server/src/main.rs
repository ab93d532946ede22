//! The `raft-server` command.

#![allow(dead_code, unused_imports, reason = "the serve command, which uses the rest, follows")]

mod cli;
mod config;
mod http;
mod identity;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
