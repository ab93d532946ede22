//! The signals that stop the process.

use std::io;
use std::process;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The handlers of SIGTERM and SIGINT. Once installed, these signals no longer end the process by
/// themselves.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Installs the handlers. Needs a tokio runtime.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for a signal and returns its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// From now on the next signal ends the process at once, with exit code 1.
    pub(crate) fn exit_at_next(mut self) {
        tokio::spawn(async move {
            let name = self.next().await;
            eprintln!("raft-server: received {name} again: exiting at once");
            process::exit(1);
        });
    }
}
