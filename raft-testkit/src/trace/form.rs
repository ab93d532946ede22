//! The forms that a trace can be drawn in, by name.

use std::fmt;
use std::str::FromStr;

use super::diagram::svg;
use super::facts::Facts;
use super::page;
use super::reading::Reading;
use super::record::Trace;
use super::sequence::{mermaid, plantuml};
use super::table::terminal::{self, Style};
use super::table::{Diagrams, csv, markdown, rst};

/// A form of a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// The facts, as JSON: golden rows.
    Facts,
    /// A reStructuredText page with grid tables.
    Rst,
    /// A Markdown page.
    Markdown,
    /// Comma-separated values.
    Csv,
    /// A table for terminals.
    Terminal,
    /// The text of a PlantUML sequence diagram.
    PlantUml,
    /// The text of a Mermaid sequence diagram.
    Mermaid,
    /// A picture.
    Svg,
    /// A page for a browser.
    Html,
    /// The records themselves, a line of JSON each.
    Records,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 10] = [
        Self::Facts,
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

    /// The form's name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Facts => "facts",
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

    /// How a file of this form is called, after the scenario's name.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Facts => "json",
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

    /// Draws a trace in this form.
    #[must_use]
    pub fn draw(self, trace: &Trace) -> String {
        let reading = Reading::of(trace);
        match self {
            Self::Facts => Facts::from_reading(&reading).to_json(),
            Self::Rst => rst::page(&reading, Diagrams::Inline),
            Self::Markdown => markdown::page(&reading, Diagrams::Inline),
            Self::Csv => csv::table(&reading),
            Self::Terminal => terminal::table(&reading, Style::default()),
            Self::PlantUml => plantuml::document(&reading),
            Self::Mermaid => mermaid::document(&reading),
            Self::Svg => svg::document(&reading),
            Self::Html => page::html(&reading),
            Self::Records => records(trace),
        }
    }
}

fn records(trace: &Trace) -> String {
    let mut bytes = Vec::new();
    trace.write(&mut bytes).expect("writing to memory cannot fail");
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Form {
    type Err = UnknownForm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let named = |form: &Self| form.name() == name || form.extension() == name;
        Self::ALL.into_iter().find(named).ok_or_else(|| UnknownForm { name: name.to_owned() })
    }
}

/// There is no form of this name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no form is called {name:?}; there are {}", Form::ALL.map(Form::name).join(", "))]
pub struct UnknownForm {
    /// The name that was asked for.
    pub name: String,
}
