//! A trace as an SVG picture, for light and dark backgrounds.

use std::fmt::Write as _;

use raft_core::LogIndex;

use super::elements::{
    ArrowEnd, CELL_STEP, CellKind, LIFELINE_HALF, arrow, band, beside, cell, cross, escaped,
    legend, lifeline_segment, pill, span_bar, tooltip,
};
use super::layout::{GUTTER, LINE, LOGS, Layout, heading_height};
use super::lifeline::{Lifeline, LifelineState};
use super::message_category::MessageCategory;
use super::palette;
use crate::trace::describe::{self, Category, clip};
use crate::trace::links::{LinkChange, LinkHistory};
use crate::trace::log_replay::LogReplay;
use crate::trace::record::{EntryView, Loss, MessageView, NodeState, Record, RecordKind};
use crate::trace::spans::spans;
use crate::trace::view::{MessagePath, SectionView, TraceView, is_send};

/// The most entries of a log below a section.
const CELLS_MAX: usize = 10;
/// The most entries beside a truncation.
const REMOVED_CELLS_MAX: usize = 5;
/// The most characters of a text on a lifeline.
const PILL_CHARACTERS_MAX: usize = 36;
/// The fraction of the way to the receiver at which the arrow of a lost message ends.
const LOST_AT: f64 = 0.62;

/// Draws the whole trace.
#[must_use]
pub fn document(view: &TraceView<'_>) -> String {
    Drawing::new(view, &view.sections).draw()
}

/// Draws one section: `section` is its position in [`TraceView::sections`].
#[must_use]
pub fn diagram(view: &TraceView<'_>, section: usize) -> String {
    Drawing::new(view, view.sections.get(section..=section).unwrap_or_default()).draw()
}

struct Drawing<'r, 't> {
    view: &'r TraceView<'t>,
    sections: &'r [SectionView<'t>],
    links: LinkHistory,
    layout: Layout,
    /// The top of the lifelines.
    top: f64,
    /// The height down to which the drawing is complete.
    y: f64,
    lifelines: Vec<Lifeline>,
    logs: LogReplay<'t>,
    states: Vec<Option<&'t NodeState>>,
    /// Each log as the cells last drew it: index, term, committed.
    drawn_logs: Vec<Vec<(LogIndex, u64, bool)>>,
    /// Layers, drawn over each other in this order.
    back: String,
    arrows: String,
    front: String,
}

impl<'r, 't> Drawing<'r, 't> {
    fn new(view: &'r TraceView<'t>, sections: &'r [SectionView<'t>]) -> Self {
        let count = view.nodes.len();
        let links = LinkHistory::new(view);
        let has_title = sections.len() == view.sections.len();
        let top = if has_title { 80.0 } else { 36.0 };
        let y = top + 14.0;
        let layout = Layout::new(view, &links, sections, y);
        let mut drawing = Self {
            view,
            sections,
            links,
            layout,
            top,
            y,
            lifelines: Vec::new(),
            logs: LogReplay::new(view),
            states: vec![None; count],
            drawn_logs: vec![Vec::new(); count],
            back: String::new(),
            arrows: String::new(),
            front: String::new(),
        };
        let first = sections.first().map_or(0, |section| section.records.start);
        for record in view.trace.records.iter().take(first) {
            drawing.apply(record);
        }
        let state =
            |state: &Option<&NodeState>| state.map_or(LifelineState::INITIAL, LifelineState::of);
        let states = drawing.states.iter().map(state);
        drawing.lifelines = states.map(|state| Lifeline::new(state, top)).collect();
        drawing.heads(has_title);
        drawing
    }

    fn draw(mut self) -> String {
        for section in self.sections {
            self.section(section);
        }
        self.finish()
    }

    /// Brings logs and states up to date with a record.
    fn apply(&mut self, record: &'t Record) {
        self.logs.apply(self.view, record);
        if let Some(column) = self.column(record) {
            self.states[column] = record.state.as_ref().or(self.states[column]);
        }
    }

    fn column(&self, record: &Record) -> Option<usize> {
        record.node.and_then(|node| self.view.column(node))
    }

    /// The columns of the sender and the receiver.
    fn ends(&self, message: &MessageView) -> Option<(usize, usize)> {
        self.view.column(message.from).zip(self.view.column(message.to))
    }

    fn heads(&mut self, has_title: bool) {
        if has_title {
            let header = &self.view.trace.header;
            let title = if header.title.is_empty() { &header.scenario } else { &header.title };
            let _ = writeln!(
                self.front,
                "<text class=\"title\" x=\"20\" y=\"30\">{}</text>",
                escaped(title)
            );
        }
        for (column, node) in self.view.nodes.iter().enumerate() {
            let (x, y, name) = (self.layout.x(column), self.top - 14.0, describe::node_name(*node));
            let _ = writeln!(self.front, "<text class=\"head\" x=\"{x}\" y=\"{y}\">{name}</text>");
        }
    }

    fn section(&mut self, section: &SectionView<'t>) {
        let height = heading_height(section);
        if let Some(number) = section.number {
            let (y, right) = (self.y + height / 2.0 + 2.0, self.layout.width());
            let line = self.y + 4.0;
            let title = escaped(&clip(section.title, 110));
            let _ = writeln!(
                self.back,
                "<line class=\"rule\" x1=\"16\" x2=\"{}\" y1=\"{line}\" y2=\"{line}\"/>",
                right - 16.0
            );
            let _ = writeln!(
                self.front,
                "<rect class=\"heading-ground\" x=\"0\" y=\"{:.1}\" width=\"{right}\" \
                 height=\"26\"/><text class=\"section halo\" x=\"20\" y=\"{y}\">{number}  \
                 {title}</text>",
                y - 13.0
            );
        }
        self.y += height;
        for record in self.view.records(section) {
            self.record(record);
        }
        self.changed_logs();
        self.y += LOGS;
    }

    fn record(&mut self, record: &'t Record) {
        let column = self.column(record);
        let before = column.and_then(|column| self.states[column]);
        let removed = self.removed_entries(record);
        self.apply(record);
        let height = self.layout.height(record.sequence);
        if let (Some(column), Some(state)) = (column, &record.state) {
            let height = height.unwrap_or(self.y);
            self.lifelines[column].set_state(LifelineState::of(state), height);
        }
        let Some(y) = height else { return };
        self.y = y + LINE / 2.0;
        let _ = writeln!(
            self.front,
            "<g id=\"e{0}\"><title>{1}</title><text class=\"number\" x=\"{GUTTER}\" \
             y=\"{y}\">{0}</text>",
            record.sequence,
            escaped(&tooltip(record)),
        );
        let change = self.links.change_at(record.sequence).cloned();
        let column = change.as_ref().map_or(column, |change| change.column);
        match (&record.message, column) {
            (Some(message), _) => self.message(record, message, y, before),
            (None, Some(column)) => self.event(record, column, y, change.as_ref()),
            (None, None) => self.note(record, y, change.as_ref()),
        }
        if let Some(column) = column {
            let mut x = self.layout.x(column) + LIFELINE_HALF + 108.0;
            for (index, term) in removed {
                self.front.push_str(&cell(x, y, index.get(), term, CellKind::Removed));
                x += CELL_STEP;
            }
        }
        self.front.push_str("</g>\n");
    }

    /// The first entries that a truncation removes.
    fn removed_entries(&self, record: &Record) -> Vec<(LogIndex, u64)> {
        let RecordKind::Truncated { from, last } = record.kind else { return Vec::new() };
        let log = self.column(record).map_or(&[][..], |column| self.logs.entries(column));
        let removed = log.iter().filter(|entry| entry.index >= from && entry.index <= last.index);
        removed.take(REMOVED_CELLS_MAX).map(|entry| (entry.index, entry.term.get())).collect()
    }

    fn message(
        &mut self,
        record: &Record,
        message: &MessageView,
        y: f64,
        before: Option<&NodeState>,
    ) {
        let Some((from, to)) = self.ends(message) else { return };
        let path = self.view.message_path(message.id).cloned().unwrap_or_default();
        if is_send(&record.kind) {
            self.arrow(message, y, &path);
            let _ = writeln!(
                self.front,
                "<text class=\"label halo {}\" {} y=\"{}\">{}</text>",
                MessageCategory::of(message).name(),
                beside(self.layout.x(from), from < to, 13.0),
                y - 7.0,
                escaped(&describe::message_label(message))
            );
        } else if let RecordKind::MessageLost { why } = record.kind {
            self.loss(message, y, &path, why);
        } else {
            let x = self.layout.x(to);
            let text = self.handling_text(record, message, &path, before);
            let _ = writeln!(
                self.front,
                "<circle class=\"dot\" cx=\"{x}\" cy=\"{y}\" r=\"3.4\"/>\
                 <text class=\"change halo\" {} y=\"{y}\">{}</text>",
                beside(x, from < to, 12.0),
                escaped(&clip(&text, 34))
            );
        }
    }

    /// What a message changed at its receiver; and the message, if its sending is not drawn.
    fn handling_text(
        &self,
        record: &Record,
        message: &MessageView,
        path: &MessagePath,
        before: Option<&NodeState>,
    ) -> String {
        let mut texts = Vec::new();
        if path.sent.is_none_or(|sent| self.layout.height(sent).is_none()) {
            let from = describe::node_name(message.from);
            texts.push(format!("{} from {from}", describe::message_label(message)));
        }
        if record.kind != RecordKind::MessageHandled {
            texts.push(describe::record(record));
        }
        if let (Some(before), Some(after)) = (before, &record.state) {
            texts.extend(describe::changes(before, after));
        }
        texts.join(" · ")
    }

    fn arrow(&mut self, message: &MessageView, y: f64, path: &MessagePath) {
        let Some((from, to)) = self.ends(message) else { return };
        let sign = if from < to { 1.0 } else { -1.0 };
        let x1 = self.layout.x(from) + sign * LIFELINE_HALF;
        let x2 = self.layout.x(to) - sign * (LIFELINE_HALF + 1.0);
        let handled = path.handled.and_then(|handled| self.layout.height(handled));
        let lost = path.lost.and_then(|lost| self.layout.height(lost));
        let (x2, y2, end) = match (handled, lost) {
            (Some(y2), _) => (x2, y2, ArrowEnd::Handled),
            (None, Some(y2)) => (x1 + (x2 - x1) * LOST_AT, y2, ArrowEnd::Lost),
            (None, None) => (x1 + (x2 - x1) * 0.35, y + LINE * 0.6, ArrowEnd::InFlight),
        };
        self.arrows.push_str(&arrow(MessageCategory::of(message), (x1, y), (x2, y2), end));
    }

    fn loss(&mut self, message: &MessageView, y: f64, path: &MessagePath, why: Loss) {
        let Some((from, to)) = self.ends(message) else { return };
        let (start, end) = (self.layout.x(from), self.layout.x(to));
        let was_sent = path.sent.is_some_and(|sent| self.layout.height(sent).is_some());
        let (fraction, text) = if was_sent {
            (LOST_AT, describe::loss(why).to_owned())
        } else {
            (0.2, format!("{}: {}", describe::loss(why), describe::message_label(message)))
        };
        self.front.push_str(&cross(start + (end - start) * fraction, y, from < to, &text));
    }

    /// What happened at one node.
    fn event(&mut self, record: &Record, column: usize, y: f64, change: Option<&LinkChange>) {
        let category = describe::category(&record.kind);
        let role = record.state.as_ref().map(|state| state.role);
        let text = if let RecordKind::RoleChanged { to, .. } = &record.kind {
            let term = record.state.as_ref().map_or(0, |state| state.term.get());
            format!("{}, term {term}", describe::role(*to))
        } else {
            change.map_or_else(|| describe::record(record), |change| change.text.clone())
        };
        let text = clip(&text, PILL_CHARACTERS_MAX);
        let role = role.filter(|_| category == Category::Role);
        let name = describe::category_name(category);
        self.front.push_str(&pill(self.layout.x(column), y, name, role, &text));
    }

    /// What happened at no node, or at several.
    fn note(&mut self, record: &Record, y: f64, change: Option<&LinkChange>) {
        let text = change.map_or_else(|| describe::record(record), |change| change.text.clone());
        let class = if change.is_some_and(|change| change.cut) { "lost" } else { "sub" };
        let _ = writeln!(
            self.front,
            "<text class=\"{class} halo\" x=\"{}\" y=\"{y}\">{}</text>",
            GUTTER + 14.0,
            escaped(&clip(&text, 120))
        );
    }

    /// The ends of the logs that changed since they were last drawn.
    fn changed_logs(&mut self) {
        let y = self.y + LINE * 0.85;
        for column in 0..self.view.nodes.len() {
            let commit = self.states[column].map_or(0, |state| state.commit.get());
            let log = self.logs.entries(column);
            let end = &log[log.len().saturating_sub(CELLS_MAX)..];
            let shown =
                |entry: &&EntryView| (entry.index, entry.term.get(), entry.index.get() <= commit);
            let now: Vec<_> = end.iter().map(shown).collect();
            if now.is_empty() || now == self.drawn_logs[column] {
                continue;
            }
            let half = f64::from(u32::try_from(now.len()).unwrap_or(0)) * CELL_STEP / 2.0;
            let mut x = self.layout.x(column) - half;
            for &(index, term, committed) in &now {
                let kind = if committed { CellKind::Committed } else { CellKind::Uncommitted };
                self.front.push_str(&cell(x, y, index.get(), term, kind));
                x += CELL_STEP;
            }
            self.drawn_logs[column] = now;
        }
    }

    fn finish(mut self) -> String {
        let (top, bottom) = (self.top, self.y + 6.0);
        let mut lifelines = String::new();
        let spans = spans(self.view);
        for (column, lifeline) in std::mem::take(&mut self.lifelines).into_iter().enumerate() {
            let x = self.layout.x(column);
            for &(from, to) in self.links.without_majority(column) {
                let from = self.layout.boundary(from, top, bottom);
                let to = to.map_or(bottom, |to| self.layout.boundary(to, top, bottom));
                if to > from {
                    lifelines.push_str(&band(x, from, to));
                }
            }
            for span in spans.get(column).into_iter().flatten() {
                let from = self.layout.boundary(span.first, top, bottom);
                let to = span.end.map_or(bottom, |to| self.layout.boundary(to, top, bottom));
                if to > from {
                    lifelines.push_str(&span_bar(x, span, from, to));
                }
            }
            for segment in &lifeline.into_segments(bottom) {
                lifelines.push_str(&lifeline_segment(x, segment));
            }
        }
        let legend = legend(bottom + 26.0);
        let (width, height) = (self.layout.width().max(800.0), bottom + 44.0);
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
