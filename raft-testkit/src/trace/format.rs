//! The formats of a trace, by name.

use std::fmt;
use std::str::FromStr;

use super::diagram::svg;
use super::event_table::EventTable;
use super::page;
use super::record::Trace;
use super::sequence::{mermaid, plantuml};
use super::table::terminal::{self, Options};
use super::table::{DiagramPlacement, csv, markdown, rst};
use super::view::TraceView;

/// A format of a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Format {
    /// The table of events as JSON.
    EventTable,
    /// A reStructuredText page with grid tables.
    Rst,
    /// A Markdown page.
    Markdown,
    /// Comma-separated values.
    Csv,
    /// A table for terminals.
    Terminal,
    /// A PlantUML sequence diagram.
    PlantUml,
    /// A Mermaid sequence diagram.
    Mermaid,
    /// An SVG picture.
    Svg,
    /// An HTML page.
    Html,
    /// The records, one line of JSON each.
    Records,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 10] = [
        Self::EventTable,
        Self::Rst,
        Self::Markdown,
        Self::Csv,
        Self::Terminal,
        Self::PlantUml,
        Self::Mermaid,
        Self::Svg,
        Self::Html,
        Self::Records,
    ];

    /// The name of the format on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EventTable => "json",
            Self::Rst => "rst",
            Self::Markdown => "md",
            Self::Csv => "csv",
            Self::Terminal => "term",
            Self::PlantUml => "puml",
            Self::Mermaid => "mermaid",
            Self::Svg => "svg",
            Self::Html => "html",
            Self::Records => "jsonl",
        }
    }

    /// The extension of a file in this format.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::EventTable => "json",
            Self::Rst => "rst",
            Self::Markdown => "md",
            Self::Csv => "csv",
            Self::Terminal => "txt",
            Self::PlantUml => "puml",
            Self::Mermaid => "mmd",
            Self::Svg => "svg",
            Self::Html => "html",
            Self::Records => "jsonl",
        }
    }

    /// Renders a trace in this format.
    #[must_use]
    pub fn render(self, trace: &Trace) -> String {
        let view = TraceView::new(trace);
        match self {
            Self::EventTable => EventTable::from_view(&view).to_json(),
            Self::Rst => rst::page(&view, DiagramPlacement::Inline),
            Self::Markdown => markdown::page(&view, DiagramPlacement::Inline),
            Self::Csv => csv::table(&view),
            Self::Terminal => terminal::table(&view, Options::default()),
            Self::PlantUml => plantuml::document(&view),
            Self::Mermaid => mermaid::document(&view),
            Self::Svg => svg::document(&view),
            Self::Html => page::html(&view, None),
            Self::Records => records(trace),
        }
    }
}

fn records(trace: &Trace) -> String {
    let mut bytes = Vec::new();
    trace.write(&mut bytes).expect("writing to memory cannot fail");
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let named = |format: &Self| format.name() == name || format.extension() == name;
        Self::ALL.into_iter().find(named).ok_or_else(|| UnknownFormat { name: name.to_owned() })
    }
}

/// No format has this name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown format {name:?}; the formats are {}", Format::ALL.map(Format::name).join(", "))]
pub struct UnknownFormat {
    /// The unknown name.
    pub name: String,
}
