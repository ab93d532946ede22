//! Selections of messages.

use super::keywords::KINDS;
use crate::script::error::ParseError;
use crate::script::tokens::Tokens;
use crate::selector::{
    Selector, any, append, append_response, heartbeat, install_snapshot, pre_vote,
    pre_vote_response, read_index, read_index_response, timeout_now, timeout_now_response, vote,
    vote_response,
};

/// `KIND [FROM -> TO] {FILTER}`
pub(super) fn selector(tokens: &mut Tokens<'_>) -> Result<Selector, ParseError> {
    let kind = tokens.take("a kind of message")?;
    let mut selector = match kind {
        "any" => any(),
        "append" => append(),
        "append_resp" => append_response(),
        "heartbeat" => heartbeat(),
        "install_snapshot" => install_snapshot(),
        "pre_vote" => pre_vote(),
        "pre_vote_resp" => pre_vote_response(),
        "read_index" => read_index(),
        "read_index_resp" => read_index_response(),
        "timeout_now" => timeout_now(),
        "timeout_now_resp" => timeout_now_response(),
        "vote" => vote(),
        "vote_resp" => vote_response(),
        _ => return Err(tokens.unknown("kind of message", kind, KINDS)),
    };
    let has_link = tokens.peek().is_some_and(|token| token == "*" || token.parse::<u64>().is_ok());
    if has_link {
        if let Some(from) = node_or_any(tokens)? {
            selector = selector.from(from);
        }
        tokens.expect("->")?;
        if let Some(to) = node_or_any(tokens)? {
            selector = selector.to(to);
        }
    }
    loop {
        selector = if tokens.take_if("term") {
            selector.term(tokens.number("a term")?)
        } else if tokens.take_if("entries") {
            selector.entries(tokens.count("a number of entries")?)
        } else if tokens.take_if("nth") {
            selector.nth(tokens.count("a position")?)
        } else if tokens.take_if("granted") {
            selector.granted(true)
        } else if tokens.take_if("denied") {
            selector.granted(false)
        } else if tokens.take_if("matched") {
            selector.matched(true)
        } else if tokens.take_if("rejected") {
            selector.matched(false)
        } else {
            return Ok(selector);
        };
    }
}

fn node_or_any(tokens: &mut Tokens<'_>) -> Result<Option<u64>, ParseError> {
    if tokens.take_if("*") { Ok(None) } else { tokens.number("a node").map(Some) }
}
