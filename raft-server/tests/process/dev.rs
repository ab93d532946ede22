//! `raft-server dev`, used as its own output says.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::cluster::{BINARY, ended};

/// A development cluster, ended when dropped.
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
        // Somebody has to read what is said from now on.
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

fn shell(script: &str) -> (bool, String) {
    let output = Command::new("sh").arg("-ec").arg(script).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text.into_owned())
}

/// What a newcomer is told to type must work, the kill of the leader included; and the data is
/// there when the cluster is started again.
#[test]
fn the_printed_commands_work_and_the_data_outlives_the_cluster() {
    let directory = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(&directory.path().join("dev cluster"));
    let commands: Vec<_> = dev
        .printed_commands()
        .into_iter()
        // Not every machine has curl; the page behind it has a test of its own.
        .filter(|command| !command.starts_with("curl"))
        .collect();
    assert!(commands.len() >= 6, "{commands:?}");
    let (worked, said) = shell(&commands.join("\n"));
    assert!(worked, "{commands:?} said {said}");
    assert!(said.contains("hello"), "{said}");
    dev.interrupt();

    let mut again = Dev::start(&directory.path().join("dev cluster"));
    let commands = again.printed_commands();
    let get = commands.iter().find(|command| command.ends_with("get greeting")).unwrap();
    let (worked, said) = shell(&format!("{}\n{get}", commands[0]));
    assert!(worked && said.contains("hello"), "{said}");
    again.interrupt();
}

/// The tour is what `make demo` runs where nobody watches.
#[test]
fn the_tour_ends_by_itself_with_success() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(BINARY)
        .args(["dev", "--tour", "--exit", "--dir"])
        .arg(directory.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("comes back and catches up"), "{said}");
}
