//! Changes of the membership, and expectations about it.

use raft_core::PromoteWhen;

use super::keywords::CHANGES;
use super::statement::name;
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
        _ => return Err(tokens.unknown("change", word, CHANGES)),
    };
    Ok(Statement::ChangeMembership { node, if_version, change, name: name(tokens)? })
}

/// `NODE {NODE}`
fn nodes(tokens: &mut Tokens<'_>) -> Result<Vec<u64>, ParseError> {
    let mut nodes = vec![tokens.number("a node")?];
    while tokens.peek().is_some_and(|token| token.parse::<u64>().is_ok()) {
        nodes.push(tokens.number("a node")?);
    }
    Ok(nodes)
}
