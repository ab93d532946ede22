//! A scenario: its header, its cluster and its statements.

use std::fmt;

use super::error::ParseError;
use super::parse;
use super::statement::{ClusterOptions, Statement};
use super::tokens::Tokens;

/// A scenario that was parsed; [`Scenario::run`] runs it.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) options: ClusterOptions,
    pub(super) statements: Vec<Line>,
}

/// A statement with its place in the file.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: usize,
    pub(super) text: String,
    pub(super) statement: Statement,
}

impl Scenario {
    /// Parses the text of a scenario file without its golden table.
    ///
    /// # Errors
    /// The first statement that cannot be parsed, with its place.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut scenario = Self::default();
        for (number, text) in (1..).zip(text.lines()) {
            if let Some(comment) = text.strip_prefix('#') {
                scenario.parse_header(comment);
            } else if let Some(title) = text.strip_prefix("---") {
                let statement = Statement::Section(title.trim().to_owned());
                scenario.statements.push(Line { number, text: text.to_owned(), statement });
            } else {
                scenario.parse_line(number, text)?;
            }
        }
        Ok(scenario)
    }

    /// The title, from the line `# title: ...`.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    fn parse_header(&mut self, comment: &str) {
        let Some((key, value)) = comment.split_once(':') else { return };
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

    fn parse_line(&mut self, number: usize, text: &str) -> Result<(), ParseError> {
        let end = text.find(" #").unwrap_or(text.len());
        let mut start = 0;
        for part in text[..end].split(';') {
            let mut tokens = Tokens::split(number, text, start, start + part.len());
            start += part.len() + 1;
            if tokens.is_empty() {
                continue;
            }
            if tokens.take_if("cluster") {
                self.options = parse::cluster_options(&mut tokens)?;
            } else {
                let statement = parse::statement(&mut tokens)?;
                self.statements.push(Line { number, text: part.trim().to_owned(), statement });
            }
            tokens.expect_end()?;
        }
        Ok(())
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)
    }
}
