//! The signals that end the process.

use std::io;
use std::process;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT, as wishes to end. From the moment that this exists they no longer kill.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes over the two signals. Needs a runtime.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one, and names it.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// From now on one more signal ends the process at once, whatever it is doing.
    pub(crate) fn next_one_kills(mut self) {
        tokio::spawn(async move {
            let name = self.next().await;
            eprintln!("raft-server: {name} once more: leaving at once");
            process::exit(1);
        });
    }
}
