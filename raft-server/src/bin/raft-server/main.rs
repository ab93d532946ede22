//! The `raft-server` command.

mod cli;
mod config;
mod data_dir;
mod exit;
mod http;
mod identity;
mod server;
mod shutdown;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
