//! The settings of the log on stderr.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The format and the filter of log lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LogSettings {
    /// The format.
    pub(crate) format: LogFormat,
    /// The filter.
    pub(crate) filter: LogFilter,
}

/// The format of log lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Text.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// A filter such as `info` or `info,raft_server=debug`, known to be valid.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LogFilter(String);

impl LogFilter {
    /// The filter in the form of the logging library.
    pub(crate) fn to_env_filter(&self) -> EnvFilter {
        parse(&self.0).expect("the filter was checked when it was made")
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl FromStr for LogFilter {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map(|_| Self(text.to_owned()))
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn parse(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(text)
}
