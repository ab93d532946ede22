//! What people and programs get wrong, tried on the real binary: each must end with the
//! documented exit code, or leave the node alive, and say what to do.

#![allow(clippy::unwrap_used, reason = "tests")]

mod certificates;
mod config;
mod data;
mod ports;
mod requests;
mod wire;

use std::io::Write;
use std::process::{Command, Stdio};

use crate::process::cluster::{BINARY, Cluster, capture, ended};

/// How a command ended.
struct Ended {
    code: Option<i32>,
    said: String,
}

impl Ended {
    /// Checks the exit code, and that everything helpful was said.
    #[track_caller]
    fn expect(&self, code: i32, helpful: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.said);
        for part in helpful {
            assert!(self.said.contains(part), "`{part}` was not said: {}", self.said);
        }
    }
}

/// Runs a command that ends by itself.
fn run(mut command: Command, stdin: &[u8]) -> Ended {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("said");
    let said = capture(&log);
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(said.try_clone().unwrap())
        .stderr(said)
        .spawn()
        .unwrap();
    // A command that has already refused its arguments reads nothing.
    let _ = process.stdin.take().unwrap().write_all(stdin);
    let status = ended(&mut process);
    let said = std::fs::read(log).unwrap();
    Ended { code: status.code(), said: String::from_utf8_lossy(&said).into_owned() }
}

/// Starts node 1 of a cluster where it cannot start.
fn serve(cluster: &Cluster, flags: &[&str]) -> Ended {
    let mut command = cluster.serve(1);
    command.args(flags);
    run(command, b"")
}

/// Checks node 1's configuration with some flags more.
fn check(cluster: &Cluster, flags: &[&str]) -> Ended {
    let mut command = Command::new(BINARY);
    command.arg("check").arg("--config").arg(cluster.config(1)).args(flags);
    run(command, b"")
}

/// Checks a configuration in which a text was replaced.
fn check_with(cluster: &Cluster, from: &str, to: &str) -> Ended {
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
