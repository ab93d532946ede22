//! `raft-server dev`, used as its output describes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::cluster::BINARY;
use super::poll::ended;

/// A development cluster. Dropping this kills it.
struct Dev(Child);

impl Dev {
    fn start(directory: &std::path::Path) -> Self {
        let mut command = Command::new(BINARY);
        command.arg("dev").arg("--dir").arg(directory).stdin(Stdio::null()).stdout(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Reads until the commands have been printed, and returns them.
    fn printed_commands(&mut self) -> Vec<String> {
        let mut lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        let mut commands = Vec::new();
        for line in &mut lines {
            let line = line.unwrap();
            if line.starts_with("Ctrl-C") {
                break;
            }
            let runs = |line: &str| !line.starts_with("node ") && !line.is_empty();
            if let Some(command) = line.strip_prefix("  ").filter(|line| runs(line)) {
                commands.push(command.to_owned());
            }
        }
        // The pipe must be read, or the process blocks when it is full.
        std::thread::spawn(move || lines.for_each(drop));
        commands
    }

    fn interrupt(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        assert_eq!(ended(&mut self.0).code(), Some(0));
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run_in_shell(script: &str) -> (bool, String) {
    let output = Command::new("sh").arg("-ec").arg(script).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text.into_owned())
}

/// The printed commands work, the kill of the leader included, and a restarted cluster has the
/// data.
#[test]
fn printed_commands_work_and_the_data_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(&directory.path().join("dev cluster"));
    let commands: Vec<_> = dev
        .printed_commands()
        .into_iter()
        // Not every machine has curl. The page has a test of its own.
        .filter(|command| !command.starts_with("curl"))
        .collect();
    assert!(commands.len() >= 6, "{commands:?}");
    let (success, output) = run_in_shell(&commands.join("\n"));
    assert!(success, "{commands:?} printed {output}");
    assert!(output.contains("hello"), "{output}");
    dev.interrupt();

    let mut again = Dev::start(&directory.path().join("dev cluster"));
    let commands = again.printed_commands();
    let get = commands.iter().find(|command| command.ends_with("get greeting")).unwrap();
    let (success, output) = run_in_shell(&format!("{}\n{get}", commands[0]));
    assert!(success && output.contains("hello"), "{output}");
    again.interrupt();
}

/// `make demo` runs these flags where there is no terminal.
#[test]
fn demo_exits_by_itself_with_success() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(BINARY)
        .args(["dev", "--demo", "--exit", "--dir"])
        .arg(directory.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("restarts and catches up"), "{printed}");
}
