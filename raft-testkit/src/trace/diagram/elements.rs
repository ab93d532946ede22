//! SVG elements, each a function of its arguments alone.

use std::fmt::Write as _;

use super::layout::GUTTER;
use super::lifeline::LifelineSegment;
use super::message_category::MessageCategory;
use super::palette;
use crate::trace::describe;
use crate::trace::record::{Liveness, Record, Role};
use crate::trace::spans::{Span, SpanKind};

/// Half of the width of a lifeline.
pub(super) const LIFELINE_HALF: f64 = 6.0;

/// Half of the width of the band behind a lifeline.
const BAND_HALF: f64 = 112.0;

/// The width of a bar beside a lifeline.
const SPAN_WIDTH: f64 = 3.5;

/// The side of the cell of an entry.
const CELL: f64 = 19.0;

/// The distance between the cells of a log.
pub(super) const CELL_STEP: f64 = CELL + 2.0;

/// The attributes of a text to the right or to the left of a lifeline.
pub(super) fn beside(x: f64, right: bool, gap: f64) -> String {
    if right {
        format!("x=\"{:.1}\"", x + gap)
    } else {
        format!("text-anchor=\"end\" x=\"{:.1}\"", x - gap)
    }
}

/// The name of a role in the style sheet.
pub(super) const fn role_class(role: Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::PreCandidate => "precandidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}

/// A segment of a lifeline: a bar in the colour of the role, or a dotted line if the node is down.
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

/// A bar beside a lifeline: something that lasts.
pub(super) fn span_bar(x: f64, span: &Span, from: f64, to: f64) -> String {
    let place = SpanKind::ALL.iter().position(|&kind| kind == span.kind).unwrap_or(0);
    let place = f64::from(u32::try_from(place).unwrap_or(0));
    format!(
        "<rect class=\"span span-{}\" x=\"{:.1}\" y=\"{from:.1}\" width=\"{SPAN_WIDTH}\" \
         height=\"{:.1}\" rx=\"1.5\"><title>{}</title></rect>\n",
        span.kind.name(),
        x + LIFELINE_HALF + 2.0 + place * (SPAN_WIDTH + 1.5),
        to - from,
        escaped(&span.text)
    )
}

/// The band behind a node without a majority.
pub(super) fn band(x: f64, from: f64, to: f64) -> String {
    let (left, width) = (x - BAND_HALF, BAND_HALF * 2.0);
    format!(
        "<rect class=\"band\" x=\"{left:.1}\" y=\"{from:.1}\" width=\"{width:.1}\" \
         height=\"{:.1}\"/><path class=\"band-line\" d=\"M{left:.1} {from:.1}h{width}M{left:.1} \
         {to:.1}h{width}\"/>\n",
        to - from
    )
}

/// The arrow of a message. Without a tip the message was not handled.
pub(super) fn arrow(
    category: MessageCategory,
    (x1, y1): (f64, f64),
    (x2, y2): (f64, f64),
    end: ArrowEnd,
) -> String {
    let name = category.name();
    let in_flight = if end == ArrowEnd::InFlight { " in-flight" } else { "" };
    let line = format!(
        "<path class=\"arrow {name}{in_flight}\" d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\"/>\n"
    );
    if end != ArrowEnd::Handled {
        return line;
    }
    let angle = (y2 - y1).atan2(x2 - x1).to_degrees();
    line + &format!(
        "<path class=\"tip {name}\" d=\"M0 0L-9 -3.8L-9 3.8Z\" \
         transform=\"translate({x2:.1} {y2:.1}) rotate({angle:.1})\"/>\n"
    )
}

/// How the arrow of a message ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ArrowEnd {
    /// At the handling, with a tip.
    Handled,
    /// At the loss.
    Lost,
    /// Where the drawing ends.
    InFlight,
}

/// The cross where a message is lost, and the text beside it.
pub(super) fn cross(x: f64, y: f64, rightwards: bool, text: &str) -> String {
    format!(
        "<path class=\"cross\" d=\"M{0:.1} {1:.1}l9 9m0 -9l-9 9\"/>\
         <text class=\"lost halo\" {2} y=\"{y:.1}\">{3}</text>\n",
        x - 4.5,
        y - 4.5,
        beside(x, rightwards, 11.0),
        escaped(text)
    )
}

/// A text in a rounded box on a lifeline. A box with a role has the colour of the role.
pub(super) fn pill(x: f64, y: f64, name: &str, role: Option<Role>, text: &str) -> String {
    let characters = f64::from(u32::try_from(text.chars().count()).unwrap_or(0));
    let character_width = if role.is_some() { 6.4 } else { 5.9 };
    let width = characters * character_width + 20.0;
    // A wide one on the first lifeline would cover the numbers of the records.
    let x = x.max(GUTTER + 4.0 + width / 2.0);
    let role = role.map_or_else(String::new, |role| format!(" role-{}", role_class(role)));
    format!(
        "<rect class=\"pill pill-{name}{role}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" \
         height=\"18\" rx=\"9\"/><text class=\"pill-text pill-text-{name}\" x=\"{x}\" \
         y=\"{y}\">{}</text>\n",
        x - width / 2.0,
        y - 9.0,
        escaped(text)
    )
}

/// What the cell of an entry shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CellKind {
    /// Filled.
    Committed,
    /// Empty.
    Uncommitted,
    /// Struck out.
    Removed,
}

/// The cell of an entry, in the colour of its term.
pub(super) fn cell(x: f64, y: f64, index: u64, term: u64, kind: CellKind) -> String {
    let colour = palette::term(term);
    let (fill, class) = if kind == CellKind::Committed {
        (colour, "cell-text cell-text-committed")
    } else {
        ("var(--ground)", "cell-text")
    };
    let top = y - CELL / 2.0;
    let stroke = if kind == CellKind::Removed {
        format!("<path class=\"removed\" d=\"M{x:.1} {:.1}l{CELL} -{CELL}\"/>", top + CELL)
    } else {
        String::new()
    };
    format!(
        "<g><title>entry {index} of term {term}</title><rect class=\"cell\" x=\"{x:.1}\" \
         y=\"{top:.1}\" width=\"{CELL}\" height=\"{CELL}\" rx=\"3.5\" fill=\"{fill}\" \
         stroke=\"{colour}\"/><text class=\"{class}\" x=\"{:.1}\" y=\"{y}\">{index}</text>\
         {stroke}</g>\n",
        x + CELL / 2.0
    )
}

/// The legend, in one line.
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
    for kind in SpanKind::ALL {
        let _ = write!(
            out,
            "<rect class=\"span span-{}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{SPAN_WIDTH}\" \
             height=\"13\" rx=\"1.5\"/>",
            kind.name(),
            y - 6.5
        );
        x += 9.0;
        text(&mut out, &mut x, kind.label());
    }
    for category in MessageCategory::ALL {
        let _ = write!(out, "<path class=\"arrow {}\" d=\"M{x:.1} {y:.1}h16\"/>", category.name());
        x += 21.0;
        text(&mut out, &mut x, category.label());
    }
    out + "</g>\n"
}

/// The tooltip of a record: all that it contains.
pub(super) fn tooltip(record: &Record) -> String {
    let node = record.node.map_or_else(String::new, |node| describe::node_name(node) + " ");
    let cause = record.cause.map_or_else(String::new, |cause| format!(" (caused by #{cause})"));
    format!("#{} {node}{}{cause}", record.sequence, describe::record(record))
}

/// Text without the characters that XML reads as markup.
pub(in crate::trace) fn escaped(text: &str) -> String {
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
