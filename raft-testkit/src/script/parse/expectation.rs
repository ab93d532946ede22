//! What `expect` statements check.

use raft_core::RoleKind;

use super::keywords::{EXPECTATIONS, OUTCOMES, ROLES};
use crate::script::error::ParseError;
use crate::script::statement::{Expectation, Outcome, ParticipationKind};
use crate::script::tokens::Tokens;

/// `expect EXPECTATION`, without the first word.
pub(super) fn expectation(tokens: &mut Tokens<'_>) -> Result<Expectation, ParseError> {
    let first = tokens.take("an expectation")?;
    Ok(match first {
        "converged" => Expectation::Converged,
        "no" => {
            tokens.expect("leader")?;
            Expectation::NoLeader
        }
        "leader" => {
            let node = tokens.number("a node")?;
            Expectation::Role { node, role: RoleKind::Leader, term: term(tokens)? }
        }
        "follower" => {
            let node = tokens.number("a node")?;
            Expectation::Role { node, role: RoleKind::Follower, term: term(tokens)? }
        }
        "commit" => {
            let node = tokens.number("a node")?;
            Expectation::Commit { node, index: tokens.number("an index")? }
        }
        "applied" => {
            let node = tokens.number("a node")?;
            Expectation::Applied { node, index: tokens.number("an index")? }
        }
        "durable" => {
            let node = tokens.number("a node")?;
            Expectation::Durable { node, index: tokens.number("an index")? }
        }
        "base" => {
            let node = tokens.number("a node")?;
            Expectation::Base { node, index: tokens.number("an index")? }
        }
        "last" => {
            let node = tokens.number("a node")?;
            let index = tokens.number("an index")?;
            tokens.expect("term")?;
            Expectation::Last { node, index, term: tokens.number("a term")? }
        }
        "members" => {
            let node = tokens.number("a node")?;
            tokens.expect(":")?;
            Expectation::Members { node, members: tokens.rest().to_owned() }
        }
        "settings" => {
            let node = tokens.number("a node")?;
            tokens.expect(":")?;
            Expectation::Settings { node, settings: tokens.rest().to_owned() }
        }
        "total" => {
            let node = tokens.number("a node")?;
            Expectation::Total { node, total: total(tokens)? }
        }
        "explain" => {
            let node = tokens.number("a node")?;
            if tokens.is_empty() {
                return Err(tokens.error_at_next("a text is missing", "a part of the explanation"));
            }
            Expectation::Explained { node, text: tokens.rest().trim_matches('"').to_owned() }
        }
        _ if tokens.peek() == Some(":") => {
            let digits = "digits, for example 1";
            let node = first
                .parse()
                .map_err(|_| tokens.error_at_last("a node must be a number", digits))?;
            tokens.expect(":")?;
            role(tokens, node)?
        }
        name => Expectation::Outcome { name: name.to_owned(), outcome: outcome(tokens, name)? },
    })
}

fn total(tokens: &mut Tokens<'_>) -> Result<i64, ParseError> {
    let total = tokens.take("a total")?;
    total.parse().map_err(|_| {
        tokens.error_at_last("a total must be a number", "a whole number, for example -1")
    })
}

/// `ROLE [term TERM]`, or the part that the membership gives to the node.
fn role(tokens: &mut Tokens<'_>, node: u64) -> Result<Expectation, ParseError> {
    let part = |participation| Expectation::Participation { node, participation };
    let role = match tokens.take("a role")? {
        "follower" => RoleKind::Follower,
        "pre_candidate" => RoleKind::PreCandidate,
        "candidate" => RoleKind::Candidate,
        "leader" => RoleKind::Leader,
        "voter" => return Ok(part(ParticipationKind::Voter)),
        "learner" => return Ok(part(ParticipationKind::Learner)),
        "removed" => return Ok(part(ParticipationKind::Removed)),
        "not_a_member" => return Ok(part(ParticipationKind::NotAMember)),
        "not_admitted" => return Ok(part(ParticipationKind::NotAdmitted)),
        other => return Err(tokens.unknown("role", other, ROLES)),
    };
    Ok(Expectation::Role { node, role, term: term(tokens)? })
}

/// `[term TERM]`
fn term(tokens: &mut Tokens<'_>) -> Result<Option<u64>, ParseError> {
    if tokens.take_if("term") { tokens.number("a term").map(Some) } else { Ok(None) }
}

fn outcome(tokens: &mut Tokens<'_>, name: &str) -> Result<Outcome, ParseError> {
    if tokens.is_empty() {
        // One word that is no expectation: more likely a mistyped one than the name of a command.
        return Err(tokens.unknown("expectation", name, EXPECTATIONS));
    }
    let outcome = tokens.take("an outcome")?;
    Ok(match outcome {
        "applied" => {
            let output = tokens.rest();
            Outcome::Applied((!output.is_empty()).then(|| output.to_owned()))
        }
        "unknown" => Outcome::Unknown,
        "refused" => {
            let reason = tokens.rest();
            Outcome::Refused((!reason.is_empty()).then(|| reason.to_owned()))
        }
        "retry" => Outcome::Retry,
        "redirect" => Outcome::Redirect(tokens.number("a node")?),
        "timeout" => Outcome::TimedOut,
        "pending" => Outcome::Pending,
        "failed" => Outcome::Failed,
        "ready" => Outcome::ReadReady,
        "ready_locally" => Outcome::LocalReadReady,
        "transferred" => Outcome::Transferred(tokens.number("a node")?),
        "not_transferred" => Outcome::NotTransferred,
        "changed" => Outcome::MembershipChanged,
        _ => return Err(tokens.unknown("outcome", outcome, OUTCOMES)),
    })
}
