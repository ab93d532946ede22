//! The nodes of a development cluster as processes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::directory::{DevDirectory, DevNode};

/// The time that nodes have to exit after SIGTERM before they are killed.
const GRACE: Duration = Duration::from_secs(10);

/// The processes. Dropping this kills those that still run.
#[derive(Debug)]
pub(super) struct Nodes {
    program: PathBuf,
    running: Vec<Running>,
    end_sender: mpsc::UnboundedSender<Ended>,
    ends: mpsc::UnboundedReceiver<Ended>,
}

/// One process and the task that waits for it.
#[derive(Debug)]
struct Running {
    id: u64,
    pid: Pid,
    waiting: JoinHandle<()>,
}

/// A process that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// The id of the node.
    pub(super) id: u64,
    /// The exit status, if the system reports it.
    pub(super) status: Option<ExitStatus>,
}

impl Nodes {
    /// No processes; each will run this program.
    pub(super) fn new(program: PathBuf) -> Self {
        let (end_sender, ends) = mpsc::unbounded_channel();
        Self { program, running: Vec::new(), end_sender, ends }
    }

    /// Starts a node. It exits with this process, however this process ends. It has a process group
    /// of its own, so that the terminal's Ctrl-C does not reach it and [`Nodes::stop`] stops it.
    pub(super) fn start(&mut self, directory: &DevDirectory, node: &DevNode) -> io::Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(directory.log(node.id))?;
        let mut command = Command::new(&self.program);
        command
            .arg("serve")
            .arg("--config")
            .arg(directory.config(node.id))
            .arg("--exit-with-parent")
            .arg(std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true);
        if directory.may_bootstrap() {
            command.arg("--bootstrap");
        }
        let child = command.spawn()?;
        let pid = pid_of(&child)?;
        let waiting = tokio::spawn(wait(node.id, child, self.end_sender.clone()));
        self.running.push(Running { id: node.id, pid, waiting });
        Ok(())
    }

    /// Waits for the next process to end.
    pub(super) async fn next_end(&mut self) -> Ended {
        let ended = self.ends.recv().await.expect("a sender is kept");
        self.running.retain(|running| running.id != ended.id);
        ended
    }

    /// The process id of a running node.
    pub(super) fn pid(&self, id: u64) -> Option<i32> {
        self.running
            .iter()
            .find(|running| running.id == id)
            .map(|running| running.pid.as_raw_nonzero().get())
    }

    /// Kills a node with SIGKILL.
    pub(super) fn kill(&self, id: u64) -> io::Result<()> {
        match self.running.iter().find(|running| running.id == id) {
            Some(running) => Ok(kill_process(running.pid, Signal::KILL)?),
            None => Ok(()),
        }
    }

    /// Sends SIGTERM to every node, waits, and kills those that run after the grace period.
    pub(super) async fn stop(&mut self) {
        for running in &self.running {
            // A process that has just ended receives no signal.
            let _ = kill_process(running.pid, Signal::TERM);
        }
        let all = async {
            while !self.running.is_empty() {
                self.next_end().await;
            }
        };
        if tokio::time::timeout(GRACE, all).await.is_err() {
            for running in self.running.drain(..) {
                eprintln!("node {} did not stop in time and is killed", running.id);
                running.waiting.abort();
            }
        }
    }
}

async fn wait(id: u64, mut child: Child, end_sender: mpsc::UnboundedSender<Ended>) {
    let status = child.wait().await.ok();
    // The receiver is dropped when this process exits.
    let _ = end_sender.send(Ended { id, status });
}

fn pid_of(child: &Child) -> io::Result<Pid> {
    child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("the process has ended already"))
}

/// The last lines of a file, from its last 4 KiB.
pub(super) fn last_lines(path: &Path, count: usize) -> String {
    const BYTES_MAX: u64 = 4096;
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(BYTES_MAX)))?;
        let mut bytes = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    let from = lines.len().saturating_sub(count);
    lines[from..].iter().map(|line| format!("    {line}\n")).collect()
}
