//! Where the elements of a drawing are.

use std::ops::Range;

use crate::trace::describe::{self, Category};
use crate::trace::links::LinkHistory;
use crate::trace::record::RecordKind;
use crate::trace::view::{SectionView, TraceView};

/// The height of a line.
pub(super) const LINE: f64 = 25.0;
/// The width of the column of record numbers.
pub(super) const GUTTER: f64 = 46.0;
/// The height of the log cells below a section.
pub(super) const LOGS: f64 = LINE * 1.7;
/// The space beside the first and the last lifeline.
const SIDE: f64 = 160.0;
const LIFELINE_STEP: f64 = 236.0;

/// Whether a record has a line of its own in drawings.
#[must_use]
pub const fn is_drawn(kind: &RecordKind) -> bool {
    !matches!(describe::category(kind), Category::Detail)
        && !matches!(kind, RecordKind::CommandResponded { .. })
}

/// The places of the records and the lifelines of a drawing.
#[derive(Debug)]
pub(super) struct Layout {
    columns: usize,
    /// The height of each record that has a line, by its position in the trace.
    heights: Vec<Option<f64>>,
    /// The positions of the records in the drawing.
    records: Range<usize>,
}

impl Layout {
    /// Assigns a height to each record of the sections, from `top` down, so that an arrow can end
    /// at a record that is drawn later.
    pub(super) fn new(
        view: &TraceView<'_>,
        links: &LinkHistory,
        sections: &[SectionView<'_>],
        top: f64,
    ) -> Self {
        let mut heights = vec![None; view.trace.records.len()];
        let mut y = top;
        for section in sections {
            y += heading_height(section);
            for at in section.records.clone() {
                let record = &view.trace.records[at];
                if is_drawn(&record.kind) && !links.is_merged(record.sequence) {
                    heights[at] = Some(y + LINE / 2.0);
                    y += LINE;
                }
            }
            y += LOGS;
        }
        let first = sections.first().map_or(0, |section| section.records.start);
        let end = sections.last().map_or(0, |section| section.records.end);
        Self { columns: view.nodes.len(), heights, records: first..end }
    }

    /// The middle of the lifeline in a column.
    pub(super) fn x(&self, column: usize) -> f64 {
        // Columns are few: an f64 represents their number exactly.
        GUTTER + SIDE + LIFELINE_STEP * f64::from(u32::try_from(column).unwrap_or(u32::MAX))
    }

    pub(super) fn width(&self) -> f64 {
        self.x(self.columns.saturating_sub(1)) + SIDE + 30.0
    }

    /// The middle of the line of a record; `None` if the record has no line.
    pub(super) fn height(&self, sequence: u64) -> Option<f64> {
        let at = usize::try_from(sequence.checked_sub(1)?).ok()?;
        self.heights.get(at).copied().flatten()
    }

    /// The height of the first line at or after a record, clamped to the drawing.
    pub(super) fn boundary(&self, sequence: u64, top: f64, bottom: f64) -> f64 {
        let at = usize::try_from(sequence).unwrap_or(usize::MAX).saturating_sub(1);
        if at < self.records.start {
            return top;
        }
        let later = self.heights.get(at..self.records.end).unwrap_or_default();
        later.iter().copied().flatten().next().unwrap_or(bottom)
    }
}

pub(super) const fn heading_height(section: &SectionView<'_>) -> f64 {
    if section.number.is_some() { 40.0 } else { 0.0 }
}
