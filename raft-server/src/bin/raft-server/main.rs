//! The `raft-server` command.

mod cli;
mod config;
mod data_dir;
#[cfg(test)]
mod document;
mod exit;
mod http;
mod identity;
mod node_record;
mod server;
mod signals;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
