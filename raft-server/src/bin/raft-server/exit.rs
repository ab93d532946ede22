//! How a command ends, for scripts and supervisors.

use std::fmt;
use std::process::ExitCode;

/// The part of `--help` that documents the codes.
pub(crate) const HELP: &str = "\
Exit codes of commands that start or look at a node (after sysexits.h where it has a word):
   0  all went well; after SIGTERM or SIGINT: shut down in order
   1  something else went wrong
   2  the command line is wrong
  69  a port is in use or cannot be listened on
  70  the node stopped because of a defect or a failure of the state machine, or
      its log is marked broken since then
  74  the disk or the data on it failed; the node stopped rather than guess
  75  the data directory is in use by another process
  78  the configuration is wrong: a setting, a certificate, or data of another node
      or release";

/// The codes, as [`HELP`] documents them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Anything without a code of its own.
    Failure = 1,
    /// A port.
    Port = 69,
    /// The node halted or broke.
    Halted = 70,
    /// The disk.
    Storage = 74,
    /// Another process has the data.
    Locked = 75,
    /// The configuration.
    Config = 78,
}

/// Why a command failed, and how the process ends because of it.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// A failure that says what an error says.
    pub(crate) fn new(exit: Exit, error: impl fmt::Display) -> Self {
        Self { exit, message: error.to_string() }
    }

    /// As [`Failure::new`], with the error's sources behind it.
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

    /// The same failure, with what it was about in front.
    pub(crate) fn context(self, what: &str) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }

    /// Says it on stderr.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("raft-server: {}", self.message);
        ExitCode::from(self.exit as u8)
    }
}
