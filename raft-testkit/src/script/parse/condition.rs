//! Conditions of `deliver until`.

use super::keywords::CONDITIONS;
use super::selector::selector;
use crate::condition::{
    Condition, all_handled, all_sent, applied_at, commit_at, commit_sent, election_settled,
    follows, handled_times, leader_is, log_at, sent_times,
};
use crate::script::error::ParseError;
use crate::script::tokens::Tokens;

/// `CONDITION {and CONDITION | or CONDITION | then CONDITION} [within COUNT]`
pub(super) fn condition(tokens: &mut Tokens<'_>) -> Result<Condition, ParseError> {
    let mut condition = simple_condition(tokens)?;
    loop {
        if tokens.take_if("and") {
            condition = condition.and(simple_condition(tokens)?);
        } else if tokens.take_if("or") {
            condition = condition.or(simple_condition(tokens)?);
        } else if tokens.take_if("then") {
            condition = condition.then(simple_condition(tokens)?);
        } else if tokens.take_if("within") {
            condition = condition.within(tokens.number("a number of messages")?);
        } else {
            return Ok(condition);
        }
    }
}

fn simple_condition(tokens: &mut Tokens<'_>) -> Result<Condition, ParseError> {
    let word = tokens.take("a condition")?;
    match word {
        "leader" => Ok(leader_is(tokens.number("a node")?)),
        "log" => node_at_index(tokens, log_at),
        "applied" => node_at_index(tokens, applied_at),
        "commit" => {
            let number = tokens.number("a node or an index")?;
            if tokens.take_if("sent") {
                return Ok(commit_sent(number));
            }
            tokens.expect("at")?;
            Ok(commit_at(number, tokens.number("an index")?))
        }
        "all" if tokens.take_if("sent") => Ok(all_sent()),
        "all" => tokens.expect("handled").map(|()| all_handled()),
        "election" => tokens.expect("settled").map(|()| election_settled()),
        "sent" => {
            let selector = selector(tokens)?;
            Ok(sent_times(selector, times(tokens)?))
        }
        "handled" => {
            let selector = selector(tokens)?;
            Ok(handled_times(selector, times(tokens)?))
        }
        node => match node.parse() {
            Ok(node) => {
                tokens.expect("follows")?;
                Ok(follows(node, tokens.number("a leader")?))
            }
            Err(_) => Err(tokens.unknown("condition", word, CONDITIONS)),
        },
    }
}

fn node_at_index(
    tokens: &mut Tokens<'_>,
    make: fn(u64, u64) -> Condition,
) -> Result<Condition, ParseError> {
    let node = tokens.number("a node")?;
    tokens.expect("at")?;
    Ok(make(node, tokens.number("an index")?))
}

/// `[x COUNT]`
fn times(tokens: &mut Tokens<'_>) -> Result<usize, ParseError> {
    if tokens.take_if("x") { tokens.count("a number of messages") } else { Ok(1) }
}
