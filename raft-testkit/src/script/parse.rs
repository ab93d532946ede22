//! From text to commands.

use std::time::Duration;

use raft_core::ApplyFailurePolicy;

use super::condition::{select, unknown, until};
use super::words::{ScriptError, Words};
use crate::cluster::{Crash, CutOff, Timers};
use crate::condition::Condition;
use crate::selector::Selector;

/// A scenario that was read.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) setup: Setup,
    /// (line, text, command)
    pub(super) commands: Vec<(usize, String, Command)>,
}

/// The line that begins with `cluster`.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) nodes: usize,
    pub(super) timers: Timers,
    pub(super) pre_vote: bool,
    pub(super) window: Option<(usize, usize)>,
    pub(super) policy: ApplyFailurePolicy,
    pub(super) seed: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            nodes: 3,
            timers: Timers::Off,
            pre_vote: true,
            window: None,
            policy: ApplyFailurePolicy::Halt,
            seed: 0,
        }
    }
}

/// One verb.
#[derive(Clone, Debug)]
pub(super) enum Command {
    Section(String),
    Uses(Vec<String>),
    Tests(Vec<String>),
    Remark(String),
    Start,
    Campaign(u64),
    Elect(u64),
    StepDown(u64),
    Heartbeat(u64),
    Tick(u64),
    Run(Duration),
    Propose { node: u64, text: String, name: Option<String> },
    Read { node: u64, name: Option<String> },
    Move(Move, Which),
    DeliverUntil(Condition),
    LoseNothing,
    Fault(Fault),
    Expect(Expected),
}

/// What breaks something or mends it.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    Partition(Vec<Vec<u64>>, CutOff),
    Heal { keep_held: bool },
    Cut(u64, u64),
    Mend(u64, u64),
    CutOff(u64),
    Crash(u64, Crash),
    Restart(u64),
    Block(u64),
    Unblock(u64),
    SetTerm(u64, u64),
    Disk { node: u64, by_hand: bool },
    Machine { node: u64, by_hand: bool },
    Persist(u64, Option<u64>),
    Apply(u64),
    Rig(u64, Option<String>),
    Disarm(u64),
    MarkFixed(u64),
}

/// What is done with messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Move {
    Send,
    Handle,
    Deliver,
    Drop,
    Hold,
    Release,
    Duplicate,
    Delay,
    Lose,
}

/// With which messages.
#[derive(Clone, Debug)]
pub(super) enum Which {
    All,
    These(Selector),
}

/// What must hold.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    Role { node: u64, role: String, term: Option<u64> },
    NoLeader,
    Commit(u64, u64),
    Applied(u64, u64),
    Last { node: u64, index: u64, term: u64 },
    Total(u64, i64),
    Converged,
    Outcome { name: String, outcome: Outcome },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Applied(Option<String>),
    Unknown,
    Refused,
    Retry,
    Redirect(u64),
    TimedOut,
    Pending,
    Failed,
    ReadReady,
}

const VERBS: &[&str] = &[
    "apply",
    "block",
    "campaign",
    "cluster",
    "crash",
    "cut",
    "cut_off",
    "delay",
    "deliver",
    "disarm",
    "disk",
    "drop",
    "duplicate",
    "elect",
    "expect",
    "handle",
    "heal",
    "heartbeat",
    "hold",
    "lose",
    "machine",
    "mark_fixed",
    "mend",
    "partition",
    "persist",
    "propose",
    "read",
    "release",
    "remark",
    "restart",
    "rig",
    "run",
    "send",
    "set_term",
    "start",
    "step_down",
    "tests",
    "tick",
    "unblock",
    "uses",
];

impl Script {
    /// Reads a scenario.
    ///
    /// # Errors
    /// The first thing that is none, with its place.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut script = Self::default();
        for (line, text) in (1..).zip(text.lines()) {
            if let Some(comment) = text.strip_prefix('#') {
                script.read_header(comment);
            } else if let Some(title) = text.strip_prefix("---") {
                let title = title.trim().to_owned();
                script.commands.push((line, text.to_owned(), Command::Section(title)));
            } else {
                script.read_line(line, text)?;
            }
        }
        Ok(script)
    }

    /// The scenario's title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    fn read_header(&mut self, comment: &str) {
        if let Some((key, value)) = comment.split_once(':') {
            match key.trim() {
                "title" => value.trim().clone_into(&mut self.title),
                "description" => {
                    if !self.description.is_empty() {
                        self.description.push(' ');
                    }
                    self.description.push_str(value.trim());
                }
                _ => {}
            }
        }
    }

    fn read_line(&mut self, line: usize, text: &str) -> Result<(), ScriptError> {
        let end = text.find(" #").unwrap_or(text.len());
        let mut start = 0;
        for part in text[..end].split(';') {
            let mut words = Words::of(line, text, start, start + part.len());
            start += part.len() + 1;
            if words.is_empty() {
                continue;
            }
            if words.eat("cluster") {
                self.setup = setup(&mut words)?;
                continue;
            }
            let command = command(&mut words)?;
            words.finish()?;
            self.commands.push((words.line(), part.trim().to_owned(), command));
        }
        Ok(())
    }
}

fn setup(words: &mut Words<'_>) -> Result<Setup, ScriptError> {
    let mut setup = Setup { nodes: count(words, "a number of voters")?, ..Setup::default() };
    words.need("voters")?;
    while words.eat(",") {
        let option = words.word("an option")?;
        match option {
            "timers" => {
                setup.timers = if on_or_off(words)? { Timers::On } else { Timers::Off };
            }
            "pre_vote" => setup.pre_vote = on_or_off(words)?,
            "window" => {
                let entries = count(words, "entries")?;
                setup.window = Some((entries, count(words, "appends")?));
            }
            "retry" => setup.policy = ApplyFailurePolicy::Retry,
            "halt" => setup.policy = ApplyFailurePolicy::Halt,
            "seed" => setup.seed = words.number("a seed")?,
            _ => {
                let list = ["timers", "pre_vote", "window", "retry", "halt", "seed"];
                return Err(unknown(words, "option", option, &list));
            }
        }
    }
    words.finish()?;
    Ok(setup)
}

fn on_or_off(words: &mut Words<'_>) -> Result<bool, ScriptError> {
    match words.word("on or off")? {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(words.error_before("on or off")),
    }
}

fn count(words: &mut Words<'_>, what: &str) -> Result<usize, ScriptError> {
    let number = words.number(what)?;
    usize::try_from(number).map_err(|_| words.error_before("this is too large"))
}

fn command(words: &mut Words<'_>) -> Result<Command, ScriptError> {
    let verb = words.word("a verb")?;
    let node = |words: &mut Words<'_>| words.number("a node");
    Ok(match verb {
        "start" => Command::Start,
        "uses" => Command::Uses(words.rest().split_whitespace().map(str::to_owned).collect()),
        "tests" => Command::Tests(words.rest().split_whitespace().map(str::to_owned).collect()),
        "remark" => Command::Remark(words.rest().to_owned()),
        "campaign" => Command::Campaign(node(words)?),
        "elect" => Command::Elect(node(words)?),
        "step_down" => Command::StepDown(node(words)?),
        "heartbeat" => Command::Heartbeat(node(words)?),
        "tick" => Command::Tick(node(words)?),
        "run" => Command::Run(Duration::from_millis(words.number("milliseconds")?)),
        "propose" => propose(words)?,
        "read" => Command::Read { node: node(words)?, name: name(words)? },
        "crash" => crash(words)?,
        "restart" => Command::Fault(Fault::Restart(node(words)?)),
        "block" => Command::Fault(Fault::Block(node(words)?)),
        "unblock" => Command::Fault(Fault::Unblock(node(words)?)),
        "set_term" => Command::Fault(Fault::SetTerm(node(words)?, words.number("a term")?)),
        "disk" => Command::Fault(Fault::Disk { node: node(words)?, by_hand: by_hand(words)? }),
        "machine" => {
            Command::Fault(Fault::Machine { node: node(words)?, by_hand: by_hand(words)? })
        }
        "persist" => {
            let node = node(words)?;
            let count = if words.is_empty() { None } else { Some(words.number("a count")?) };
            Command::Fault(Fault::Persist(node, count))
        }
        "apply" => Command::Fault(Fault::Apply(node(words)?)),
        "rig" => {
            let node = node(words)?;
            let text = words.rest();
            Command::Fault(Fault::Rig(node, (!text.is_empty()).then(|| text.to_owned())))
        }
        "disarm" => Command::Fault(Fault::Disarm(node(words)?)),
        "mark_fixed" => Command::Fault(Fault::MarkFixed(node(words)?)),
        "expect" => Command::Expect(expected(words)?),
        _ => return network_command(words, verb),
    })
}

fn network_command(words: &mut Words<'_>, verb: &str) -> Result<Command, ScriptError> {
    let moves = match verb {
        "send" => Move::Send,
        "handle" => Move::Handle,
        "deliver" => Move::Deliver,
        "drop" => Move::Drop,
        "hold" => Move::Hold,
        "release" => Move::Release,
        "duplicate" => Move::Duplicate,
        "delay" => Move::Delay,
        "lose" => Move::Lose,
        "partition" => return partition(words),
        "heal" => {
            return Ok(Command::Fault(Fault::Heal {
                keep_held: !words.eat_all(&["without", "held"]),
            }));
        }
        "cut" => return link(words).map(|(from, to)| Command::Fault(Fault::Cut(from, to))),
        "mend" => return link(words).map(|(from, to)| Command::Fault(Fault::Mend(from, to))),
        "cut_off" => return words.number("a node").map(|node| Command::Fault(Fault::CutOff(node))),
        _ => return Err(unknown(words, "verb", verb, VERBS)),
    };
    if moves == Move::Deliver && words.eat("until") {
        return until(words).map(Command::DeliverUntil);
    }
    if moves == Move::Lose && words.eat("nothing") {
        return Ok(Command::LoseNothing);
    }
    let for_all = matches!(moves, Move::Send | Move::Handle | Move::Deliver | Move::Drop);
    if for_all && words.eat("all") {
        return Ok(Command::Move(moves, Which::All));
    }
    Ok(Command::Move(moves, Which::These(select(words)?)))
}

fn link(words: &mut Words<'_>) -> Result<(u64, u64), ScriptError> {
    let from = words.number("a node")?;
    words.need("->")?;
    Ok((from, words.number("a node")?))
}

fn partition(words: &mut Words<'_>) -> Result<Command, ScriptError> {
    let mut groups = Vec::new();
    loop {
        words.need("{")?;
        let mut group = Vec::new();
        while !words.eat("}") {
            group.push(words.number("a node")?);
        }
        groups.push(group);
        if !words.eat("|") {
            let cut_off = if words.eat("holding") { CutOff::Hold } else { CutOff::Lose };
            return Ok(Command::Fault(Fault::Partition(groups, cut_off)));
        }
    }
}

fn propose(words: &mut Words<'_>) -> Result<Command, ScriptError> {
    let node = words.number("a node")?;
    words.need(":")?;
    let rest = words.rest();
    let (text, name) = match rest.rsplit_once(" as ") {
        Some((text, name)) => (text, Some(name.trim().to_owned())),
        None => (rest, None),
    };
    Ok(Command::Propose { node, text: text.trim().to_owned(), name })
}

fn name(words: &mut Words<'_>) -> Result<Option<String>, ScriptError> {
    if words.eat("as") { Ok(Some(words.word("a name")?.to_owned())) } else { Ok(None) }
}

fn crash(words: &mut Words<'_>) -> Result<Command, ScriptError> {
    let node = words.number("a node")?;
    let crash = if words.eat_all(&["keep", "all"]) {
        Crash::KeepAll
    } else if words.eat("keep") {
        Crash::Keep(count(words, "a count")?)
    } else {
        Crash::LoseUnsynced
    };
    Ok(Command::Fault(Fault::Crash(node, crash)))
}

fn by_hand(words: &mut Words<'_>) -> Result<bool, ScriptError> {
    if words.eat_all(&["by", "hand"]) {
        Ok(true)
    } else if words.eat_all(&["at", "once"]) {
        Ok(false)
    } else {
        Err(words.error_here("\"by hand\" or \"at once\""))
    }
}

const EXPECTATIONS: &[&str] =
    &["applied", "commit", "converged", "follower", "last", "leader", "no", "total"];

fn expected(words: &mut Words<'_>) -> Result<Expected, ScriptError> {
    let first = words.word("what must hold")?;
    Ok(match first {
        "converged" => Expected::Converged,
        "no" => {
            words.need("leader")?;
            Expected::NoLeader
        }
        "leader" | "follower" => {
            let node = words.number("a node")?;
            Expected::Role { node, role: first.to_owned(), term: term(words)? }
        }
        "commit" => Expected::Commit(words.number("a node")?, words.number("an index")?),
        "applied" => Expected::Applied(words.number("a node")?, words.number("an index")?),
        "last" => {
            let node = words.number("a node")?;
            let index = words.number("an index")?;
            words.need("term")?;
            Expected::Last { node, index, term: words.number("a term")? }
        }
        "total" => {
            let node = words.number("a node")?;
            let total = words.word("a total")?;
            let total = total.parse().map_err(|_| words.error_before("a total is a number"))?;
            Expected::Total(node, total)
        }
        _ if words.peek() == Some(":") => {
            let node = first.parse().map_err(|_| words.error_before("this must be a node"))?;
            words.need(":")?;
            let role = words.word("a role")?.to_owned();
            Expected::Role { node, role, term: term(words)? }
        }
        name => Expected::Outcome { name: name.to_owned(), outcome: outcome(words, name)? },
    })
}

fn term(words: &mut Words<'_>) -> Result<Option<u64>, ScriptError> {
    if words.eat("term") { words.number("a term").map(Some) } else { Ok(None) }
}

fn outcome(words: &mut Words<'_>, name: &str) -> Result<Outcome, ScriptError> {
    if words.is_empty() {
        return Err(unknown(words, "expectation", name, EXPECTATIONS));
    }
    let outcome = words.word("an outcome")?;
    Ok(match outcome {
        "applied" => {
            let output = words.rest();
            Outcome::Applied((!output.is_empty()).then(|| output.to_owned()))
        }
        "unknown" => Outcome::Unknown,
        "refused" => Outcome::Refused,
        "retry" => Outcome::Retry,
        "redirect" => Outcome::Redirect(words.number("a node")?),
        "timeout" => Outcome::TimedOut,
        "pending" => Outcome::Pending,
        "failed" => Outcome::Failed,
        "ready" => Outcome::ReadReady,
        _ => {
            let list = [
                "applied", "unknown", "refused", "retry", "redirect", "timeout", "pending",
                "failed", "ready",
            ];
            return Err(unknown(words, "outcome", outcome, &list));
        }
    })
}
