//! The limit of a test's waits.

use std::time::Duration;

/// How long a test waits for an event before it fails. A correct transport needs far less.
pub const WAIT_MAX: Duration = Duration::from_secs(60);
