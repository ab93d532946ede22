//! Exit codes, for scripts and supervisors.

use std::fmt;
use std::process::ExitCode;

/// The part of `--help` that documents the codes.
pub(crate) const HELP: &str = "\
Exit codes of commands that start or inspect a node (those above 63 as in sysexits.h):
   0  success; after SIGTERM or SIGINT: an orderly shutdown
   1  any other error
   2  invalid command line
  69  a port is in use or cannot be bound
  70  the node stopped because of a defect or a failure of the state machine, or
      its log is marked broken because of an earlier failure
  74  the disk failed, or the data on it is damaged
  75  the data directory is in use by another process
  78  invalid configuration: a setting, a certificate, data of another node or
      release, or members that contradict the log or those of the other nodes";

/// The exit codes, as [`HELP`] documents them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Any other error.
    Failure = 1,
    /// A port cannot be bound.
    Port = 69,
    /// The node stopped because of a defect or a failure of the state machine.
    Halted = 70,
    /// The disk failed, or its data is damaged.
    Storage = 74,
    /// Another process uses the data directory.
    Locked = 75,
    /// The configuration is invalid.
    Config = 78,
}

/// The failure of a command: its message and exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// A failure with the message of an error.
    pub(crate) fn new(exit: Exit, error: impl fmt::Display) -> Self {
        Self { exit, message: error.to_string() }
    }

    /// A failure with the messages of an error and of its sources.
    pub(crate) fn with_sources(exit: Exit, error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            let text = error.to_string();
            if !message.ends_with(&text) {
                message = format!("{message}: {text}");
            }
            source = error.source();
        }
        Self { exit, message }
    }

    /// The same failure with a context before its message.
    pub(crate) fn context(self, context: &str) -> Self {
        Self { message: format!("{context}: {}", self.message), ..self }
    }

    /// Prints the message to stderr and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("raft-server: {}", self.message);
        ExitCode::from(self.exit as u8)
    }
}
