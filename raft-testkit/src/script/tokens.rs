//! A statement as tokens, each with its place in the line, so that an error points at one.

use super::error::ParseError;

/// Reads a statement token by token.
#[derive(Clone, Debug)]
pub(super) struct Tokens<'a> {
    line: usize,
    text: &'a str,
    /// (first byte, token)
    tokens: Vec<(usize, &'a str)>,
    next: usize,
    end: usize,
}

impl<'a> Tokens<'a> {
    /// Splits `text[from..to]` at whitespace. Braces, bars, colons and commas are tokens of their
    /// own.
    pub(super) fn split(line: usize, text: &'a str, from: usize, to: usize) -> Self {
        let mut tokens = Vec::new();
        let mut start = None;
        for (at, letter) in text[from..to].char_indices().map(|(at, letter)| (from + at, letter)) {
            let punctuation = matches!(letter, '{' | '}' | '|' | ':' | ',');
            if punctuation || letter.is_whitespace() {
                if let Some(start) = start.take() {
                    tokens.push((start, &text[start..at]));
                }
                if punctuation {
                    tokens.push((at, &text[at..at + letter.len_utf8()]));
                }
            } else if start.is_none() {
                start = Some(at);
            }
        }
        if let Some(start) = start {
            tokens.push((start, &text[start..to]));
        }
        Self { line, text, tokens, next: 0, end: to }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next >= self.tokens.len()
    }

    pub(super) fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.next).map(|&(_, token)| token)
    }

    /// Takes the next token; `what` names it in errors.
    pub(super) fn take(&mut self, what: &str) -> Result<&'a str, ParseError> {
        let missing = || self.error_at_next(&format!("{what} is missing"), what);
        let token = self.peek().ok_or_else(missing)?;
        self.next += 1;
        Ok(token)
    }

    /// Takes the next token if it is this one.
    pub(super) fn take_if(&mut self, token: &str) -> bool {
        let matches = self.peek() == Some(token);
        if matches {
            self.next += 1;
        }
        matches
    }

    /// Takes the next tokens if they are these.
    pub(super) fn take_all_if(&mut self, tokens: &[&str]) -> bool {
        let rest = self.tokens.get(self.next..).unwrap_or_default();
        let matches = rest.len() >= tokens.len()
            && tokens.iter().zip(rest).all(|(wanted, (_, token))| wanted == token);
        if matches {
            self.next += tokens.len();
        }
        matches
    }

    /// Takes the next token, which must be this one.
    pub(super) fn expect(&mut self, token: &str) -> Result<(), ParseError> {
        if self.take_if(token) {
            Ok(())
        } else {
            Err(self.error_at_next(&format!("{token:?} is missing"), token))
        }
    }

    /// Takes a number; `what` names it in errors.
    pub(super) fn number(&mut self, what: &str) -> Result<u64, ParseError> {
        let token = self.take(what)?;
        token.parse().map_err(|_| {
            self.error_at_last(&format!("{what} must be a number"), "digits, for example 1")
        })
    }

    /// Takes a number of things.
    pub(super) fn count(&mut self, what: &str) -> Result<usize, ParseError> {
        let number = self.number(what)?;
        usize::try_from(number).map_err(|_| {
            self.error_at_last(&format!("{what} is too large"), &format!("0 to {}", usize::MAX))
        })
    }

    /// Takes the name of what a statement begins, if it gives one: `[as NAME]`.
    pub(super) fn name(&mut self) -> Result<Option<String>, ParseError> {
        if self.take_if("as") { Ok(Some(self.take("a name")?.to_owned())) } else { Ok(None) }
    }

    /// Takes everything that remains, as it stands in the file.
    pub(super) fn rest(&mut self) -> &'a str {
        let start = self.tokens.get(self.next).map_or(self.end, |&(at, _)| at);
        self.next = self.tokens.len();
        self.text[start..self.end].trim_end()
    }

    /// Checks that no token remains.
    pub(super) fn expect_end(&self) -> Result<(), ParseError> {
        self.peek().map_or(Ok(()), |token| {
            let message = format!("unexpected {token:?} after the statement");
            Err(self.error_at_next(&message, "\";\" and another statement, or the end of the line"))
        })
    }

    /// An error at the last token, which is not in the list of allowed ones.
    pub(super) fn unknown(&self, what: &str, token: &str, allowed: &[&str]) -> ParseError {
        let hint = nearest(token, allowed)
            .map_or_else(String::new, |meant| format!("; did you mean {meant:?}?"));
        self.error_at_last(&format!("unknown {what} {token:?}{hint}"), &allowed.join(", "))
    }

    /// An error at the token that was taken last.
    pub(super) fn error_at_last(&self, message: &str, allowed: &str) -> ParseError {
        self.error_at(self.next.saturating_sub(1), message, allowed)
    }

    /// An error at the next token, or at the end of the statement.
    pub(super) fn error_at_next(&self, message: &str, allowed: &str) -> ParseError {
        self.error_at(self.next, message, allowed)
    }

    fn error_at(&self, token: usize, message: &str, allowed: &str) -> ParseError {
        let (at, length) = match self.tokens.get(token) {
            Some(&(at, token)) => (at, token.chars().count()),
            None => (self.end.min(self.text.trim_end().len()), 1),
        };
        let before = self.text[..at].chars().count();
        ParseError {
            line: self.line,
            message: message.to_owned(),
            allowed: allowed.to_owned(),
            text: self.text.to_owned(),
            caret: format!("{}{}", " ".repeat(before), "^".repeat(length)),
        }
    }
}

/// The word of the list with the smallest edit distance, if that is at most a third of the length.
fn nearest<'a>(word: &str, list: &[&'a str]) -> Option<&'a str> {
    list.iter().copied().min_by_key(|candidate| distance(word, candidate)).filter(|candidate| {
        distance(word, candidate) <= candidate.len().max(word.len()).div_ceil(3)
    })
}

/// The edit distance: letters that must be changed, added or removed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, other) in b.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}
