//! Changes of the membership, and expectations about it.

use std::time::Duration;

use raft_core::{ClusterSettings, LeasePolicy, LeaseSettings, PromoteWhen};

use super::keywords::{CHANGES, SETTINGS};
use crate::script::error::ParseError;
use crate::script::statement::{Change, Statement};
use crate::script::tokens::Tokens;

/// `NODE [if VERSION]: CHANGE [as NAME]`, without the first word.
pub(super) fn change(tokens: &mut Tokens<'_>) -> Result<Statement, ParseError> {
    let node = tokens.number("a node")?;
    let if_version = if tokens.take_if("if") { Some(tokens.number("a version")?) } else { None };
    tokens.expect(":")?;
    let word = tokens.take("a change")?;
    let change = match word {
        "add" => {
            tokens.expect("learner")?;
            Change::AddLearner(tokens.number("a node")?)
        }
        "promote" => {
            let node = tokens.number("a node")?;
            let waits = tokens.take_all_if(&["when", "caught", "up"]);
            let when = if waits { PromoteWhen::CaughtUp } else { PromoteWhen::Now };
            Change::Promote { node, when }
        }
        "demote" => Change::Demote(tokens.number("a node")?),
        "remove" => Change::Remove(tokens.number("a node")?),
        "replace" => Change::Replace(tokens.number("a node")?),
        "set" => {
            tokens.expect("members")?;
            let voters = nodes(tokens)?;
            let learners = if tokens.take_if("learners") { nodes(tokens)? } else { Vec::new() };
            Change::Set { voters, learners }
        }
        "priority" => {
            let node = tokens.number("a node")?;
            let priority = tokens.number("a priority")?;
            let priority = u8::try_from(priority)
                .map_err(|_| tokens.error_at_last("a priority must be at most 255", "0 to 255"))?;
            Change::Priority { node, priority }
        }
        "settings" => Change::Settings(Box::new(settings(tokens)?)),
        _ => return Err(tokens.unknown("change", word, CHANGES)),
    };
    Ok(Statement::ChangeMembership { node, if_version, change, name: tokens.name()? })
}

/// `{NAME VALUE}`: durations in milliseconds. Those that are absent are the nodes' own.
fn settings(tokens: &mut Tokens<'_>) -> Result<ClusterSettings, ParseError> {
    let mut settings = ClusterSettings::NONE;
    while let Some(&name) = SETTINGS.iter().find(|&&name| tokens.take_if(name)) {
        match name {
            "election_timeout" => settings.election_timeout_min = Some(milliseconds(tokens)?),
            "heartbeat_interval" => settings.heartbeat_interval = Some(milliseconds(tokens)?),
            "lease_off" => settings.lease = Some(LeasePolicy::Off),
            "lease_drift" => {
                let clock_drift_max = milliseconds(tokens)?;
                settings.lease = Some(LeasePolicy::On(LeaseSettings { clock_drift_max }));
            }
            "kept_entries" => settings.kept_entries_max = Some(tokens.number("a number")?),
            _ => settings.command_bytes_max = Some(tokens.number("a number of bytes")?),
        }
    }
    Ok(settings)
}

fn milliseconds(tokens: &mut Tokens<'_>) -> Result<Duration, ParseError> {
    tokens.number("a number of milliseconds").map(Duration::from_millis)
}

/// `NODE {NODE}`
fn nodes(tokens: &mut Tokens<'_>) -> Result<Vec<u64>, ParseError> {
    let mut nodes = vec![tokens.number("a node")?];
    while tokens.peek().is_some_and(|token| token.parse::<u64>().is_ok()) {
        nodes.push(tokens.number("a node")?);
    }
    Ok(nodes)
}
