//! A trace as an SVG picture, on its own or in a page, for light and dark grounds.

use std::fmt::Write as _;
use std::ops::Range;

use raft_core::LogIndex;

use super::super::describe::{self, Category};
use super::super::links::{LinkChange, LinkHistory};
use super::super::log_replay::LogReplay;
use super::super::record::{EntryView, Loss, MessageView, NodeState, Record, RecordKind, Role};
use super::super::table::terminal::clip;
use super::super::view::{MessagePath, SectionView, TraceView, is_send};
use super::elements::{
    LIFELINE_HALF, band, beside, escaped, legend, lifeline_segment, role_class, tooltip,
};
use super::lifeline::{Lifeline, LifelineState};
use super::{MessageCategory, is_drawn, palette};

const ROW: f64 = 25.0;
const GUTTER: f64 = 46.0;
const SIDE: f64 = 160.0;
const LIFELINE_STEP: f64 = 236.0;
const CELL: f64 = 19.0;
/// How many entries of a log a strip shows.
const CELLS_MAX: usize = 10;
/// How many characters a pill on a lifeline shows.
const PILL_CHARACTERS_MAX: usize = 36;

/// Draws the whole trace.
#[must_use]
pub fn document(view: &TraceView<'_>) -> String {
    Drawing::new(view).draw(0..view.sections.len())
}

/// Draws one section: `section` is its place among the sections.
#[must_use]
pub fn diagram(view: &TraceView<'_>, section: usize) -> String {
    Drawing::new(view).draw(section..section.saturating_add(1).min(view.sections.len()))
}

struct Drawing<'r, 't> {
    view: &'r TraceView<'t>,
    /// The height of each record that has a line.
    heights: Vec<Option<f64>>,
    lifelines: Vec<Lifeline>,
    logs: LogReplay<'t>,
    links: LinkHistory,
    /// The records drawn: the first and the one after the last.
    range: Range<usize>,
    states: Vec<Option<&'t NodeState>>,
    /// Each log as the last strip showed it.
    drawn_logs: Vec<Vec<(LogIndex, u64, bool)>>,
    y: f64,
    /// Layers, drawn over each other in this order.
    back: String,
    arrows: String,
    front: String,
}

impl<'r, 't> Drawing<'r, 't> {
    fn new(view: &'r TraceView<'t>) -> Self {
        let count = view.nodes.len();
        Self {
            view,
            heights: vec![None; view.trace.records.len()],
            lifelines: Vec::new(),
            logs: LogReplay::new(view),
            links: LinkHistory::new(view),
            range: 0..0,
            states: vec![None; count],
            drawn_logs: vec![Vec::new(); count],
            y: 0.0,
            back: String::new(),
            arrows: String::new(),
            front: String::new(),
        }
    }

    fn x(&self, column: usize) -> f64 {
        // Columns are few: an f64 holds them exactly.
        GUTTER + SIDE + LIFELINE_STEP * f64::from(u32::try_from(column).unwrap_or(u32::MAX))
    }

    fn width(&self) -> f64 {
        self.x(self.view.nodes.len().saturating_sub(1)) + SIDE + 30.0
    }

    fn draw(mut self, sections: Range<usize>) -> String {
        let records = &self.view.trace.records;
        let all = &self.view.sections;
        let first = all.get(sections.start).map_or(0, |section| section.records.start);
        let last = all
            .get(sections.clone())
            .and_then(<[_]>::last)
            .map_or(0, |section| section.records.end);
        self.range = first..last;
        for record in &records[..first.min(records.len())] {
            self.apply(record);
        }
        let top = self.heads(sections.len() == all.len());
        let initial =
            self.states.iter().map(|state| state.map_or(LifelineState::INITIAL, LifelineState::of));
        self.lifelines = initial.map(|state| Lifeline::new(state, top)).collect();
        self.y = top + 14.0;
        self.assign_heights(&sections, all);
        for section in all.get(sections).unwrap_or_default() {
            self.section(section);
        }
        self.finish(top)
    }

    /// Takes in a record that lies before the first section drawn.
    fn apply(&mut self, record: &'t Record) {
        self.logs.apply(self.view, record);
        if let Some(column) = record.node.and_then(|node| self.view.column(node)) {
            self.states[column] = record.state.as_ref().or(self.states[column]);
        }
    }

    /// Gives every record its height, so that arrows know where they end.
    fn assign_heights(&mut self, sections: &Range<usize>, all: &[SectionView<'_>]) {
        let mut y = self.y;
        for section in all.get(sections.clone()).unwrap_or_default() {
            y += Self::heading_height(section);
            for at in section.records.clone() {
                let record = &self.view.trace.records[at];
                if is_drawn(&record.kind) && !self.links.is_merged(record.sequence) {
                    self.heights[at] = Some(y + ROW / 2.0);
                    y += ROW;
                }
            }
            y += ROW * 1.7;
        }
    }

    const fn heading_height(section: &SectionView<'_>) -> f64 {
        if section.number.is_some() { 40.0 } else { 0.0 }
    }

    fn heads(&mut self, whole: bool) -> f64 {
        let mut y = 12.0;
        if whole {
            let header = &self.view.trace.header;
            let title = if header.title.is_empty() { &header.scenario } else { &header.title };
            let _ = writeln!(
                self.front,
                "<text class=\"title\" x=\"20\" y=\"30\">{}</text>",
                escaped(title)
            );
            y = 56.0;
        }
        for (column, node) in self.view.nodes.iter().enumerate() {
            let (x, name) = (self.x(column), describe::node_name(*node));
            let _ = writeln!(
                self.front,
                "<text class=\"head\" x=\"{x}\" y=\"{}\">{name}</text>",
                y + 10.0
            );
        }
        y + 24.0
    }

    fn section(&mut self, section: &SectionView<'t>) {
        let height = Self::heading_height(section);
        if let Some(number) = section.number {
            let (y, right) = (self.y + height / 2.0 + 2.0, self.width());
            let line = self.y + 4.0;
            let title = escaped(&clip(section.title, 110));
            let _ = writeln!(
                self.back,
                "<line class=\"rule\" x1=\"16\" x2=\"{}\" y1=\"{line}\" y2=\"{line}\"/>",
                right - 16.0
            );
            let _ = writeln!(
                self.front,
                "<rect class=\"heading-ground\" x=\"0\" y=\"{:.1}\" width=\"{right}\" height=\"26\"/>\
                 <text class=\"section halo\" x=\"20\" y=\"{y}\">{number}  {title}</text>",
                y - 13.0
            );
        }
        self.y += height;
        for record in self.view.records(section) {
            self.record(record);
        }
        self.log_cells();
        self.y += ROW * 1.7;
    }

    fn record(&mut self, record: &'t Record) {
        let before = self.states_of(record);
        let removed = self.removed_entries(record);
        self.apply(record);
        let at = usize::try_from(record.sequence).unwrap_or(usize::MAX).wrapping_sub(1);
        let height = self.heights.get(at).copied().flatten();
        let column = record.node.and_then(|node| self.view.column(node));
        if let (Some(column), Some(state)) = (column, &record.state) {
            self.lifelines[column].set_state(LifelineState::of(state), height.unwrap_or(self.y));
        }
        let Some(y) = height else { return };
        self.y = y + ROW / 2.0;
        let _ = writeln!(
            self.front,
            "<g id=\"e{0}\"><title>{1}</title><text class=\"number\" x=\"{GUTTER}\" \
             y=\"{y}\">{0}</text>",
            record.sequence,
            escaped(&tooltip(record)),
        );
        let run = self.links.change_at(record.sequence).cloned();
        let column = run.as_ref().map_or(column, |run| run.column);
        match (&record.message, column) {
            (Some(message), _) => self.message(record, message, y, before),
            (None, Some(column)) => self.pill(record, column, y, run.as_ref()),
            (None, None) => self.note(record, y, run.as_ref()),
        }
        if let (Some(column), false) = (column, removed.is_empty()) {
            let x = self.x(column) + LIFELINE_HALF + 108.0;
            self.cells(&removed, x, y, None);
        }
        self.front.push_str("</g>\n");
    }

    fn states_of(&self, record: &Record) -> Option<&'t NodeState> {
        let column = record.node.and_then(|node| self.view.column(node))?;
        self.states.get(column).copied().flatten()
    }

    /// The entries that a truncation removes.
    fn removed_entries(&self, record: &Record) -> Vec<(LogIndex, u64)> {
        let RecordKind::Truncated { from, last } = record.kind else { return Vec::new() };
        let column = record.node.and_then(|node| self.view.column(node));
        let log = column.map_or(&[][..], |column| self.logs.entries(column));
        let removed = log.iter().filter(|entry| entry.index >= from && entry.index <= last.index);
        removed.take(5).map(|entry| (entry.index, entry.term.get())).collect()
    }

    fn message(
        &mut self,
        record: &Record,
        message: &MessageView,
        y: f64,
        before: Option<&NodeState>,
    ) {
        let ends = self.view.column(message.from).zip(self.view.column(message.to));
        let Some((from, to)) = ends else { return };
        let rightwards = from < to;
        let path = self.view.message_path(message.id).cloned().unwrap_or_default();
        if is_send(&record.kind) {
            self.arrow(message, y, &path);
            let _ = writeln!(
                self.front,
                "<text class=\"label halo {}\" {} y=\"{}\">{}</text>",
                MessageCategory::of(message).name(),
                beside(self.x(from), rightwards, 13.0),
                y - 7.0,
                escaped(&describe::message_label(message))
            );
        } else if let RecordKind::MessageLost { why } = record.kind {
            self.lost_mark(message, y, &path, why);
        } else {
            let x = self.x(to);
            let _ = writeln!(self.front, "<circle class=\"dot\" cx=\"{x}\" cy=\"{y}\" r=\"3.4\"/>");
            let mut text = match (before, &record.state) {
                (Some(before), Some(after)) => describe::changes(before, after),
                (_, Some(_) | None) => Vec::new(),
            };
            if record.kind != RecordKind::MessageHandled {
                text.insert(0, describe::record(record));
            }
            if path.sent.is_none_or(|sent| self.height(sent).is_none()) {
                text.insert(
                    0,
                    format!(
                        "{} from {}",
                        describe::message_label(message),
                        describe::node_name(message.from)
                    ),
                );
            }
            let text = escaped(&clip(&text.join(" · "), 34));
            let _ = writeln!(
                self.front,
                "<text class=\"change halo\" {} y=\"{y}\">{text}</text>",
                beside(x, rightwards, 12.0)
            );
        }
    }

    fn height(&self, sequence: u64) -> Option<f64> {
        let at = usize::try_from(sequence.checked_sub(1)?).ok()?;
        self.heights.get(at).copied().flatten()
    }

    /// The message's line, as far as it gets.
    fn arrow(&mut self, message: &MessageView, y: f64, path: &MessagePath) {
        let ends = self.view.column(message.from).zip(self.view.column(message.to));
        let Some((from, to)) = ends else { return };
        let sign = if from < to { 1.0 } else { -1.0 };
        let (x1, x2) =
            (self.x(from) + sign * LIFELINE_HALF, self.x(to) - sign * (LIFELINE_HALF + 1.0));
        let category = MessageCategory::of(message).name();
        let handled = path.handled.and_then(|handled| self.height(handled));
        let lost = path.lost.and_then(|lost| self.height(lost));
        let (x2, y2, open) = match (handled, lost) {
            (Some(y2), _) => (x2, y2, ""),
            (None, Some(y2)) => (x1 + (x2 - x1) * 0.62, y2, ""),
            // Still on its fraction where the drawing ends.
            (None, None) => (x1 + (x2 - x1) * 0.35, y + ROW * 0.6, " open"),
        };
        let _ = writeln!(
            self.arrows,
            "<path class=\"arrow {category}{open}\" d=\"M{x1:.1} {y:.1}L{x2:.1} {y2:.1}\"/>"
        );
        if handled.is_some() {
            let angle = (y2 - y).atan2(x2 - x1).to_degrees();
            let _ = writeln!(
                self.arrows,
                "<path class=\"tip {category}\" d=\"M0 0L-9 -3.8L-9 3.8Z\" \
                 transform=\"translate({x2:.1} {y2:.1}) rotate({angle:.1})\"/>"
            );
        }
    }

    fn lost_mark(&mut self, message: &MessageView, y: f64, path: &MessagePath, why: Loss) {
        let ends = self.view.column(message.from).zip(self.view.column(message.to));
        let Some((from, to)) = ends else { return };
        let (start, end) = (self.x(from), self.x(to));
        let was_sent = path.sent.is_some_and(|sent| self.height(sent).is_some());
        let fraction = if was_sent { 0.62 } else { 0.2 };
        let x = start + (end - start) * fraction;
        let text = if was_sent {
            describe::loss(why).to_owned()
        } else {
            format!("{}: {}", describe::loss(why), describe::message_label(message))
        };
        let _ = writeln!(
            self.front,
            "<path class=\"cross\" d=\"M{0:.1} {1:.1}l9 9m0 -9l-9 9\"/>\
             <text class=\"lost halo\" {2} y=\"{y:.1}\">{3}</text>",
            x - 4.5,
            y - 4.5,
            beside(x, from < to, 11.0),
            escaped(&text)
        );
    }

    fn pill(&mut self, record: &Record, column: usize, y: f64, run: Option<&LinkChange>) {
        let class = describe::category(&record.kind);
        let role = record.state.as_ref().map_or(Role::Follower, |state| state.role);
        let text = if let RecordKind::RoleChanged { to, .. } = &record.kind {
            let term = record.state.as_ref().map_or(0, |state| state.term.get());
            format!("{}, term {term}", describe::role(*to))
        } else {
            run.map_or_else(|| describe::record(record), |run| run.text.clone())
        };
        let text = clip(&text, PILL_CHARACTERS_MAX);
        let x = self.x(column);
        let characters = f64::from(u32::try_from(text.chars().count()).unwrap_or(0));
        let character_width = if class == Category::Role { 6.4 } else { 5.9 };
        let width = characters * character_width + 20.0;
        let name = describe::category_name(class);
        let lifeline = if class == Category::Role {
            format!(" role-{}", role_class(role))
        } else {
            String::new()
        };
        let _ = writeln!(
            self.front,
            "<rect class=\"pill pill-{name}{lifeline}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" \
             height=\"18\" rx=\"9\"/><text class=\"pill-text pill-text-{name}\" x=\"{x}\" y=\"{y}\">{}</text>",
            x - width / 2.0,
            y - 9.0,
            escaped(&text)
        );
    }

    fn note(&mut self, record: &Record, y: f64, run: Option<&LinkChange>) {
        let text = run.map_or_else(|| describe::record(record), |run| run.text.clone());
        let class = if run.is_some_and(|run| run.cut) { "lost" } else { "sub" };
        let _ = writeln!(
            self.front,
            "<text class=\"{class} halo\" x=\"{}\" y=\"{y}\">{}</text>",
            GUTTER + 14.0,
            escaped(&clip(&text, 120))
        );
    }

    /// Under a section, every log that changed in it.
    fn log_cells(&mut self) {
        let y = self.y + ROW * 0.85;
        for column in 0..self.view.nodes.len() {
            let commit = self.states[column].map_or(0, |state| state.commit.get());
            let log = self.logs.entries(column);
            let tail = &log[log.len().saturating_sub(CELLS_MAX)..];
            let place =
                |entry: &&EntryView| (entry.index, entry.term.get(), entry.index.get() <= commit);
            let now: Vec<_> = tail.iter().map(place).collect();
            if now.is_empty() || now == self.drawn_logs[column] {
                continue;
            }
            let entries: Vec<_> = now.iter().map(|&(index, term, _)| (index, term)).collect();
            let half = f64::from(u32::try_from(entries.len()).unwrap_or(0)) * (CELL + 2.0) / 2.0;
            self.cells(&entries, self.x(column) - half, y, Some(commit));
            self.drawn_logs[column] = now;
        }
    }

    /// Entries as cells: filled once committed, struck out if they are removed (no commit index).
    fn cells(&mut self, entries: &[(LogIndex, u64)], x: f64, y: f64, commit: Option<u64>) {
        let mut x = x;
        for (index, term) in entries {
            let colour = palette::term(*term);
            let committed = commit.is_some_and(|commit| index.get() <= commit);
            let (fill, text) = if committed {
                (colour, "cell-text cell-text-committed")
            } else {
                ("var(--ground)", "cell-text")
            };
            let top = y - CELL / 2.0;
            let _ = write!(
                self.front,
                "<g><title>entry {index} of term {term}</title><rect class=\"cell\" x=\"{x:.1}\" \
                 y=\"{top:.1}\" width=\"{CELL}\" height=\"{CELL}\" rx=\"3.5\" fill=\"{fill}\" \
                 stroke=\"{colour}\"/><text class=\"{text}\" x=\"{:.1}\" y=\"{y}\">{index}</text>",
                x + CELL / 2.0
            );
            if commit.is_none() {
                let _ = write!(
                    self.front,
                    "<path class=\"removed\" d=\"M{:.1} {:.1}l{2} -{2}\"/>",
                    x,
                    top + CELL,
                    CELL
                );
            }
            self.front.push_str("</g>\n");
            x += CELL + 2.0;
        }
    }

    /// Where a record lies, or would lie.
    fn boundary(&self, sequence: u64, top: f64, bottom: f64) -> f64 {
        let at = usize::try_from(sequence).unwrap_or(usize::MAX).saturating_sub(1);
        if at < self.range.start {
            return top;
        }
        let later = self.heights.get(at..self.range.end).unwrap_or_default();
        later.iter().copied().flatten().next().unwrap_or(bottom)
    }

    fn finish(mut self, top: f64) -> String {
        let bottom = self.y + 6.0;
        let mut lifelines = String::new();
        for (column, lifeline) in std::mem::take(&mut self.lifelines).into_iter().enumerate() {
            let x = self.x(column);
            let segments = lifeline.finish(bottom);
            for &(from, to) in self.links.without_majority(column) {
                let (from, to) = (
                    self.boundary(from, top, bottom),
                    to.map_or(bottom, |to| self.boundary(to, top, bottom)),
                );
                if to > from {
                    let _ = writeln!(lifelines, "{}", band(x, from, to));
                }
            }
            for segment in &segments {
                lifelines.push_str(&lifeline_segment(x, segment));
            }
        }
        let legend = legend(bottom + 26.0);
        let (width, height) = (self.width().max(760.0), bottom + 44.0);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"img\">\n<title>{}</title>\n\
             <style>{}</style>\n<defs><pattern id=\"blocked\" width=\"6\" height=\"6\" \
             patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect width=\"2.4\" \
             height=\"6\" fill=\"var(--ground)\" fill-opacity=\".75\"/></pattern></defs>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"var(--ground)\"/>\n\
             {}{lifelines}{}{}{legend}</svg>\n",
            escaped(&self.view.trace.header.title),
            palette::style(),
            self.back,
            self.arrows,
            self.front,
        )
    }
}
