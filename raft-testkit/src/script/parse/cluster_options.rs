//! The `cluster` line.

use std::time::Duration;

use raft_core::{ApplyFailurePolicy, FollowerReads};

use super::keywords::OPTIONS;
use crate::cluster::Timers;
use crate::script::error::ParseError;
use crate::script::statement::ClusterOptions;
use crate::script::tokens::Tokens;

/// `cluster COUNT voters {, OPTION}`, without the first word.
pub(in crate::script) fn cluster_options(
    tokens: &mut Tokens<'_>,
) -> Result<ClusterOptions, ParseError> {
    let nodes = tokens.count("a number of voters")?;
    if nodes == 0 {
        return Err(tokens.error_at_last("a cluster has at least one voter", "1 or more"));
    }
    let mut options = ClusterOptions { nodes, ..ClusterOptions::default() };
    tokens.expect("voters")?;
    while tokens.take_if(",") {
        let option = tokens.take("an option")?;
        match option {
            "timers" => {
                options.timers = if on_or_off(tokens)? { Timers::On } else { Timers::Off };
            }
            "pre_vote" => options.pre_vote = on_or_off(tokens)?,
            "follower_reads" => {
                options.follower_reads = if on_or_off(tokens)? {
                    FollowerReads::ReadIndex
                } else {
                    FollowerReads::Redirect
                };
            }
            "lease" => {
                let drift = tokens.number("a clock drift in milliseconds")?;
                options.lease = Some(Duration::from_millis(drift));
            }
            "window" => {
                let entries = tokens.count("a number of entries")?;
                options.window = Some((entries, tokens.count("a number of appends")?));
            }
            "spares" => options.spares = tokens.count("a number of nodes")?,
            "keep" => options.keep = Some(tokens.number("a number of entries")?),
            "retry" => options.apply_failure = ApplyFailurePolicy::Retry,
            "halt" => options.apply_failure = ApplyFailurePolicy::Halt,
            "seed" => options.seed = tokens.number("a seed")?,
            _ => return Err(tokens.unknown("option", option, OPTIONS)),
        }
    }
    Ok(options)
}

fn on_or_off(tokens: &mut Tokens<'_>) -> Result<bool, ParseError> {
    match tokens.take("on or off")? {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(tokens.unknown("value", other, &["on", "off"])),
    }
}
