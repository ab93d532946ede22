//! Statements, each by its first word.

use std::time::Duration;

use raft_core::ReadConsistency;

use super::condition::condition;
use super::expectation::expectation;
use super::keywords::STATEMENTS;
use super::membership::change;
use super::selector::selector;
use crate::cluster::{Crash, CutOff};
use crate::script::error::ParseError;
use crate::script::statement::{BulkAction, Fault, MessageAction, Statement};
use crate::script::tokens::Tokens;

/// Parses a statement other than `cluster`.
pub(in crate::script) fn statement(tokens: &mut Tokens<'_>) -> Result<Statement, ParseError> {
    let keyword = tokens.take("a statement")?;
    Ok(match keyword {
        "start" => Statement::Start,
        "uses" => Statement::Uses(paths(tokens)),
        "tests" => Statement::Tests(paths(tokens)),
        "remark" => Statement::Remark(tokens.rest().to_owned()),
        "campaign" => Statement::Campaign(node(tokens)?),
        "elect" => Statement::Elect(node(tokens)?),
        "step_down" => Statement::StepDown(node(tokens)?),
        "heartbeat" => Statement::Heartbeat(node(tokens)?),
        "tick" => Statement::Tick(node(tokens)?),
        "take_snapshot" => Statement::TakeSnapshot(node(tokens)?),
        "compact" => Statement::Compact(node(tokens)?),
        "flush" => Statement::Flush(node(tokens)?),
        "run" => Statement::Run(milliseconds(tokens)?),
        "propose" => propose(tokens)?,
        "read" => read(tokens)?,
        "clock" => Statement::Clock { node: node(tokens)?, rate: tokens.number("a rate")? },
        "transfer" => transfer(tokens)?,
        "change" => change(tokens)?,
        "expect" => Statement::Expect(expectation(tokens)?),
        "send" => messages(tokens, Some(BulkAction::Send), MessageAction::Send)?,
        "handle" => messages(tokens, Some(BulkAction::Handle), MessageAction::Handle)?,
        "deliver" if tokens.take_if("until") => Statement::DeliverUntil(condition(tokens)?),
        "deliver" => messages(tokens, Some(BulkAction::Deliver), MessageAction::Deliver)?,
        "drop" => messages(tokens, Some(BulkAction::Drop), MessageAction::Drop)?,
        "hold" => messages(tokens, None, MessageAction::Hold)?,
        "release" => messages(tokens, None, MessageAction::Release)?,
        "duplicate" => messages(tokens, None, MessageAction::Duplicate)?,
        "delay" => messages(tokens, None, MessageAction::Delay)?,
        "corrupt" => messages(tokens, None, MessageAction::Corrupt)?,
        "lose" if tokens.take_if("nothing") => Statement::LoseNothing,
        "lose" => messages(tokens, None, MessageAction::Lose)?,
        _ => return fault(tokens, keyword).map(Statement::Fault),
    })
}

fn fault(tokens: &mut Tokens<'_>, keyword: &str) -> Result<Fault, ParseError> {
    Ok(match keyword {
        "partition" => partition(tokens)?,
        "heal" => Fault::Heal { keep_held: !tokens.take_all_if(&["without", "held"]) },
        "cut" => {
            let (from, to) = link(tokens)?;
            Fault::Cut(from, to)
        }
        "reconnect" => {
            let (from, to) = link(tokens)?;
            Fault::Reconnect(from, to)
        }
        "cut_off" => Fault::CutOff(node(tokens)?),
        "crash" => crash(tokens)?,
        "restart" => Fault::Restart(node(tokens)?),
        "wipe" => Fault::Wipe(node(tokens)?),
        "block" => Fault::Block(node(tokens)?),
        "unblock" => Fault::Unblock(node(tokens)?),
        "set_term" => Fault::SetTerm(node(tokens)?, tokens.number("a term")?),
        "disk" => Fault::Disk { node: node(tokens)?, by_hand: by_hand(tokens)? },
        "machine" => Fault::Machine { node: node(tokens)?, by_hand: by_hand(tokens)? },
        "snapshots" => Fault::Snapshots { node: node(tokens)?, by_hand: by_hand(tokens)? },
        "snapshot" => Fault::Snapshot { node: node(tokens)?, fails: tokens.take_if("failed") },
        "persist" => {
            let node = node(tokens)?;
            let all = tokens.is_empty();
            let count = if all { None } else { Some(tokens.count("a number of writes")?) };
            Fault::Persist { node, count }
        }
        "fetch" => Fault::Fetch(node(tokens)?),
        "apply" => Fault::Apply(node(tokens)?),
        "fail_commands" => Fault::FailCommands(node(tokens)?),
        "fail_command" => {
            let node = node(tokens)?;
            tokens.expect(":")?;
            Fault::FailCommand(node, tokens.rest().to_owned())
        }
        "clear_command_failures" => Fault::ClearCommandFailures(node(tokens)?),
        "mark_fixed" => Fault::MarkFixed(node(tokens)?),
        _ => return Err(tokens.unknown("statement", keyword, STATEMENTS)),
    })
}

fn node(tokens: &mut Tokens<'_>) -> Result<u64, ParseError> {
    tokens.number("a node")
}

fn paths(tokens: &mut Tokens<'_>) -> Vec<String> {
    tokens.rest().split_whitespace().map(str::to_owned).collect()
}

/// `all`, where the action allows it, or a selection of messages.
fn messages(
    tokens: &mut Tokens<'_>,
    all: Option<BulkAction>,
    action: MessageAction,
) -> Result<Statement, ParseError> {
    match all {
        Some(all) if tokens.take_if("all") => Ok(Statement::AllMessages(all)),
        Some(_) | None => Ok(Statement::Messages(action, selector(tokens)?)),
    }
}

/// `FROM -> TO`
fn link(tokens: &mut Tokens<'_>) -> Result<(u64, u64), ParseError> {
    let from = node(tokens)?;
    tokens.expect("->")?;
    Ok((from, node(tokens)?))
}

/// `{NODE ...} | {NODE ...} ... [holding]`
fn partition(tokens: &mut Tokens<'_>) -> Result<Fault, ParseError> {
    let mut groups = Vec::new();
    loop {
        tokens.expect("{")?;
        let mut group = Vec::new();
        while !tokens.take_if("}") {
            group.push(tokens.number("a node, or \"}\"")?);
        }
        groups.push(group);
        if !tokens.take_if("|") {
            let cut_off = if tokens.take_if("holding") { CutOff::Hold } else { CutOff::Lose };
            return Ok(Fault::Partition(groups, cut_off));
        }
    }
}

/// `NODE: COMMAND [as NAME]`
fn propose(tokens: &mut Tokens<'_>) -> Result<Statement, ParseError> {
    let node = node(tokens)?;
    tokens.expect(":")?;
    let rest = tokens.rest();
    let (text, name) = match rest.rsplit_once(" as ") {
        Some((text, name)) => (text, Some(name.trim().to_owned())),
        None => (rest, None),
    };
    Ok(Statement::Propose { node, text: text.trim().to_owned(), name })
}

/// `NODE [leased | local MILLISECONDS] [as NAME]`
fn read(tokens: &mut Tokens<'_>) -> Result<Statement, ParseError> {
    let node = node(tokens)?;
    let consistency = if tokens.take_if("leased") {
        ReadConsistency::Leased
    } else if tokens.take_if("local") {
        ReadConsistency::Local { staleness_max: milliseconds(tokens)? }
    } else {
        ReadConsistency::Linearizable
    };
    Ok(Statement::Read { node, consistency, name: tokens.name()? })
}

fn milliseconds(tokens: &mut Tokens<'_>) -> Result<Duration, ParseError> {
    tokens.number("a number of milliseconds").map(Duration::from_millis)
}

/// `FROM [-> TO] [as NAME]`
fn transfer(tokens: &mut Tokens<'_>) -> Result<Statement, ParseError> {
    let from = node(tokens)?;
    let to = if tokens.take_if("->") { Some(node(tokens)?) } else { None };
    Ok(Statement::Transfer { from, to, name: tokens.name()? })
}

/// `NODE [keep all | keep COUNT]`
fn crash(tokens: &mut Tokens<'_>) -> Result<Fault, ParseError> {
    let node = node(tokens)?;
    let crash = if tokens.take_all_if(&["keep", "all"]) {
        Crash::KeepAll
    } else if tokens.take_if("keep") {
        Crash::Keep(tokens.count("a number of writes, or \"all\",")?)
    } else {
        Crash::LoseUnsynced
    };
    Ok(Fault::Crash(node, crash))
}

/// `by hand | at once`
fn by_hand(tokens: &mut Tokens<'_>) -> Result<bool, ParseError> {
    if tokens.take_all_if(&["by", "hand"]) {
        Ok(true)
    } else if tokens.take_all_if(&["at", "once"]) {
        Ok(false)
    } else {
        Err(tokens.error_at_next("\"by hand\" or \"at once\" is missing", "by hand, at once"))
    }
}
