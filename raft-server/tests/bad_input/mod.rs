//! Invalid input to the built binary. Each ends with the documented exit code or leaves the node
//! running, and its message names the remedy.

#![allow(clippy::unwrap_used, reason = "tests")]

mod certificates;
mod config;
mod data;
mod ports;
mod requests;
mod wire;

use std::io::Write;
use std::process::{Command, Stdio};

use crate::process::cluster::{BINARY, Cluster, capture};
use crate::process::poll::ended;

/// The exit code and the output of a command.
struct Finished {
    code: Option<i32>,
    output: String,
}

impl Finished {
    /// Checks the exit code, and that the output contains these parts.
    #[track_caller]
    fn expect(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.output);
        for part in parts {
            assert!(self.output.contains(part), "`{part}` is not in the output: {}", self.output);
        }
    }
}

/// Runs a command that ends by itself.
fn run(mut command: Command, stdin: &[u8]) -> Finished {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("output");
    let file = capture(&path);
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap();
    // A command that has refused its arguments does not read its input.
    let _ = process.stdin.take().unwrap().write_all(stdin);
    let status = ended(&mut process);
    let output = std::fs::read(path).unwrap();
    Finished { code: status.code(), output: String::from_utf8_lossy(&output).into_owned() }
}

/// Starts node 1 of a cluster, which must fail.
fn serve(cluster: &Cluster, flags: &[&str]) -> Finished {
    let mut command = cluster.serve(1);
    command.args(flags);
    run(command, b"")
}

/// Checks node 1's configuration with further flags.
fn check(cluster: &Cluster, flags: &[&str]) -> Finished {
    let mut command = Command::new(BINARY);
    command.arg("check").arg("--config").arg(cluster.config(1)).args(flags);
    run(command, b"")
}

/// Checks node 1's configuration with one text replaced.
fn check_with(cluster: &Cluster, from: &str, to: &str) -> Finished {
    let text = cluster.config_text(1);
    assert!(text.contains(from), "{text}");
    std::fs::write(cluster.config(1), text.replacen(from, to, 1)).unwrap();
    check(cluster, &[])
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
