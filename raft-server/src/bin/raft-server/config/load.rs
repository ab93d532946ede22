//! Merges the sources of a configuration.

use std::path::Path;

use super::checked::Config;
use super::file::{self, FileError};
use super::rules::{self, Problem, Warning};
use super::settings::Settings;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read, or is malformed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The settings violate rules; every violated rule is named.
    #[error("invalid configuration:{}", list(.0))]
    Invalid(Vec<Problem>),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  - {problem}")).collect()
}

/// Merges flags and environment variables (`above`) with a file, if there is one, and checks the
/// result.
pub(crate) fn load(
    above: Settings,
    path: Option<&Path>,
) -> Result<(Config, Vec<Warning>), ConfigError> {
    let file = path.map(file::read).transpose()?.unwrap_or_default();
    rules::check(above.or(file)).map_err(ConfigError::Invalid)
}
