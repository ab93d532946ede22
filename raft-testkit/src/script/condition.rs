//! Messages and conditions as they are written in scenario files.

use super::words::{ScriptError, Words, nearest};
use crate::condition::{
    Condition, all_handled, all_sent, applied_at, commit_at, commit_sent, election_settled,
    follows, handled_times, leader_is, log_at, sent_times,
};
use crate::selector::{
    Selector, any, append, append_response, heartbeat, pre_vote, pre_vote_response, vote,
    vote_response,
};

const KINDS: &[&str] = &[
    "any",
    "append",
    "append_resp",
    "heartbeat",
    "pre_vote",
    "pre_vote_resp",
    "vote",
    "vote_resp",
];

const CONDITIONS: &[&str] =
    &["leader", "log", "commit", "applied", "all", "election", "sent", "handled"];

/// `KIND [FROM -> TO] [term T] [entries N] [granted] [denied] [matched] [mismatched] [nth N]`
pub(super) fn select(words: &mut Words<'_>) -> Result<Selector, ScriptError> {
    let kind = words.word("a kind of message")?;
    let mut select = match kind {
        "any" => any(),
        "append" => append(),
        "append_resp" => append_response(),
        "heartbeat" => heartbeat(),
        "pre_vote" => pre_vote(),
        "pre_vote_resp" => pre_vote_response(),
        "vote" => vote(),
        "vote_resp" => vote_response(),
        _ => return Err(unknown(words, "kind of message", kind, KINDS)),
    };
    let from_to = words.peek().is_some_and(|word| word == "*" || word.parse::<u64>().is_ok());
    if from_to {
        if let Some(from) = node_or_any(words)? {
            select = select.from(from);
        }
        words.need("->")?;
        if let Some(to) = node_or_any(words)? {
            select = select.to(to);
        }
    }
    loop {
        select = match words.peek() {
            Some("term") => {
                words.need("term")?;
                select.term(words.number("a term")?)
            }
            Some("entries") => {
                words.need("entries")?;
                select.entries(count(words)?)
            }
            Some("nth") => {
                words.need("nth")?;
                select.nth(count(words)?)
            }
            Some(answer @ ("granted" | "denied")) => {
                words.need(answer)?;
                select.granted(answer == "granted")
            }
            Some(answer @ ("matched" | "mismatched")) => {
                words.need(answer)?;
                select.matched(answer == "matched")
            }
            Some(_) | None => return Ok(select),
        };
    }
}

fn node_or_any(words: &mut Words<'_>) -> Result<Option<u64>, ScriptError> {
    if words.eat("*") { Ok(None) } else { words.number("a node").map(Some) }
}

fn count(words: &mut Words<'_>) -> Result<usize, ScriptError> {
    let number = words.number("a count")?;
    usize::try_from(number).map_err(|_| words.error_before("this is too large"))
}

/// `CONDITION [and|or|then CONDITION]... [within N]`
pub(super) fn until(words: &mut Words<'_>) -> Result<Condition, ScriptError> {
    let mut until = one(words)?;
    loop {
        if words.eat("and") {
            until = until.and(one(words)?);
        } else if words.eat("or") {
            until = until.or(one(words)?);
        } else if words.eat("then") {
            until = until.then(one(words)?);
        } else if words.eat("within") {
            until = until.within(words.number("a bound")?);
        } else {
            return Ok(until);
        }
    }
}

fn one(words: &mut Words<'_>) -> Result<Condition, ScriptError> {
    let word = words.word("a condition")?;
    match word {
        "leader" => Ok(leader_is(words.number("a node")?)),
        "log" => at_index(words, log_at),
        "applied" => at_index(words, applied_at),
        "commit" => {
            let number = words.number("a node or an index")?;
            if words.eat("sent") {
                return Ok(commit_sent(number));
            }
            words.need("at")?;
            Ok(commit_at(number, words.number("an index")?))
        }
        "all" if words.eat("sent") => Ok(all_sent()),
        "all" => words.need("handled").map(|()| all_handled()),
        "election" => words.need("settled").map(|()| election_settled()),
        "sent" => select(words).and_then(|select| Ok(sent_times(select, times(words)?))),
        "handled" => select(words).and_then(|select| Ok(handled_times(select, times(words)?))),
        node => match node.parse() {
            Ok(node) => {
                words.need("follows")?;
                Ok(follows(node, words.number("a leader")?))
            }
            Err(_) => Err(unknown(words, "condition", word, CONDITIONS)),
        },
    }
}

fn at_index(
    words: &mut Words<'_>,
    make: fn(u64, u64) -> Condition,
) -> Result<Condition, ScriptError> {
    let node = words.number("a node")?;
    words.need("at")?;
    Ok(make(node, words.number("an index")?))
}

fn times(words: &mut Words<'_>) -> Result<usize, ScriptError> {
    if words.eat("x") { count(words) } else { Ok(1) }
}

/// An error about a word that is not on a list, with the one that may have been meant.
pub(super) fn unknown(words: &Words<'_>, what: &str, word: &str, list: &[&str]) -> ScriptError {
    let hint =
        nearest(word, list).map_or_else(String::new, |meant| format!("; did you mean {meant:?}?"));
    words.error_before(&format!("unknown {what} {word:?}{hint}"))
}
