//! Pieces of a picture that depend on nothing but their arguments.

use std::fmt::Write as _;

use super::super::describe;
use super::super::record::{Liveness, Record, Role};
use super::MessageCategory;
use super::lifeline::LifelineSegment;

/// Half of a lifeline's width.
pub(super) const LIFELINE_HALF: f64 = 6.0;

/// Half of the width of a band behind a lifeline.
const BAND_HALF: f64 = 112.0;

/// Places a text beside a lifeline: to its right, or to its left.
pub(super) fn beside(x: f64, right: bool, gap: f64) -> String {
    if right {
        format!("x=\"{:.1}\"", x + gap)
    } else {
        format!("text-anchor=\"end\" x=\"{:.1}\"", x - gap)
    }
}

/// A role as the style sheet knows it.
pub(super) const fn role_class(role: Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::PreCandidate => "precandidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}

/// A segment of a lifeline: a bar in the colour of the role, or a gap where the node is down.
pub(super) fn lifeline_segment(x: f64, segment: &LifelineSegment) -> String {
    let (from, to) = (segment.from, segment.to);
    let bar = |class: &str| {
        format!(
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{from:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
             rx=\"3\"/>\n",
            x - LIFELINE_HALF,
            LIFELINE_HALF * 2.0,
            to - from
        )
    };
    let role = format!("role-{}", role_class(segment.state.role));
    match segment.state.liveness {
        Liveness::Up => bar(&role),
        Liveness::Blocked => bar(&role) + &bar("blocked"),
        Liveness::Down | Liveness::Halted => format!(
            "<line class=\"down\" x1=\"{x}\" x2=\"{x}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\n",
            from + 4.0,
            to - 4.0
        ),
    }
}

/// The shade behind a node that is in a minority.
pub(super) fn band(x: f64, from: f64, to: f64) -> String {
    let (left, width) = (x - BAND_HALF, BAND_HALF * 2.0);
    format!(
        "<rect class=\"band\" x=\"{left:.1}\" y=\"{from:.1}\" width=\"{width:.1}\" \
         height=\"{:.1}\"/><path class=\"band-line\" d=\"M{left:.1} {from:.1}h{width}M{left:.1} \
         {to:.1}h{width}\"/>\n",
        to - from
    )
}

/// What the colours mean, in one line.
pub(super) fn legend(y: f64) -> String {
    let mut out = "<g>".to_owned();
    let mut x = 20.0;
    let text = |out: &mut String, x: &mut f64, text: &str| {
        let _ = write!(out, "<text class=\"sub\" x=\"{x:.1}\" y=\"{y}\">{text}</text>");
        let letters = f64::from(u32::try_from(text.len()).unwrap_or(0));
        *x += letters * 5.8 + 16.0;
    };
    for role in [Role::Follower, Role::PreCandidate, Role::Candidate, Role::Leader] {
        let _ = write!(
            out,
            "<rect class=\"role-{}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\" rx=\"3\"/>",
            role_class(role),
            y - 6.0
        );
        x += 17.0;
        text(&mut out, &mut x, describe::role(role));
    }
    for category in MessageCategory::ALL {
        let _ = write!(out, "<path class=\"arrow {}\" d=\"M{x:.1} {y:.1}h16\"/>", category.name());
        x += 21.0;
        text(&mut out, &mut x, legend_label(category));
    }
    out + "</g>\n"
}

const fn legend_label(category: MessageCategory) -> &'static str {
    match category {
        MessageCategory::Vote => "votes",
        MessageCategory::Append => "entries",
        MessageCategory::Heartbeat => "heartbeat",
        MessageCategory::Matched => "matched",
        MessageCategory::Denied => "denied",
    }
}

/// All that a record says, for the pointer that rests on it.
pub(super) fn tooltip(record: &Record) -> String {
    let node = record.node.map_or_else(String::new, |node| describe::node_name(node) + " ");
    let cause = record.cause.map_or_else(String::new, |cause| format!(" (from #{cause})"));
    format!("#{} {node}{}{cause}", record.sequence, describe::record(record))
}

/// Text as XML takes it.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}
