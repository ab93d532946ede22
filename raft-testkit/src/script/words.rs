//! A line of a scenario as words, each with its place, so that an error can point at it.

/// What is wrong with a scenario file, with a caret under it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {what}\n  {text}\n  {caret}")]
pub struct ScriptError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// The line's text.
    pub text: String,
    /// Carets under the part that is meant.
    pub caret: String,
}

/// Reads a command word by word.
#[derive(Clone, Debug)]
pub(super) struct Words<'a> {
    line: usize,
    text: &'a str,
    /// (first byte, word)
    words: Vec<(usize, &'a str)>,
    next: usize,
    end: usize,
}

impl<'a> Words<'a> {
    /// The words of `text[from..to]`. Braces, bars, colons and commas stand for themselves.
    pub(super) fn of(line: usize, text: &'a str, from: usize, to: usize) -> Self {
        let mut words = Vec::new();
        let mut start = None;
        for (at, letter) in text[from..to].char_indices().map(|(at, letter)| (from + at, letter)) {
            let alone = matches!(letter, '{' | '}' | '|' | ':' | ',');
            if alone || letter.is_whitespace() {
                if let Some(start) = start.take() {
                    words.push((start, &text[start..at]));
                }
                if alone {
                    words.push((at, &text[at..at + letter.len_utf8()]));
                }
            } else if start.is_none() {
                start = Some(at);
            }
        }
        if let Some(start) = start {
            words.push((start, &text[start..to]));
        }
        Self { line, text, words, next: 0, end: to }
    }

    pub(super) const fn line(&self) -> usize {
        self.line
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next >= self.words.len()
    }

    pub(super) fn peek(&self) -> Option<&'a str> {
        self.words.get(self.next).map(|&(_, word)| word)
    }

    /// Takes the next word.
    pub(super) fn word(&mut self, what: &str) -> Result<&'a str, ScriptError> {
        let word = self.peek().ok_or_else(|| self.error_here(&format!("{what} is missing")))?;
        self.next += 1;
        Ok(word)
    }

    /// Takes the next word if it is this one.
    pub(super) fn eat(&mut self, word: &str) -> bool {
        let is = self.peek() == Some(word);
        if is {
            self.next += 1;
        }
        is
    }

    /// Takes these words if all of them come next.
    pub(super) fn eat_all(&mut self, words: &[&str]) -> bool {
        let rest = self.words.get(self.next..).unwrap_or_default();
        let is = rest.len() >= words.len()
            && words.iter().zip(rest).all(|(want, (_, word))| want == word);
        if is {
            self.next += words.len();
        }
        is
    }

    pub(super) fn need(&mut self, word: &str) -> Result<(), ScriptError> {
        if self.eat(word) { Ok(()) } else { Err(self.error_here(&format!("{word:?} is missing"))) }
    }

    pub(super) fn number(&mut self, what: &str) -> Result<u64, ScriptError> {
        let word = self.word(what)?;
        word.parse().map_err(|_| self.error_before(&format!("{what} must be a number")))
    }

    /// Everything that is left, as it was written.
    pub(super) fn rest(&mut self) -> &'a str {
        let start = self.words.get(self.next).map_or(self.end, |&(at, _)| at);
        self.next = self.words.len();
        self.text[start..self.end].trim_end()
    }

    /// Everything that is left must be nothing.
    pub(super) fn finish(&self) -> Result<(), ScriptError> {
        if self.is_empty() { Ok(()) } else { Err(self.error_here("this is too much")) }
    }

    /// An error at the word that was taken last.
    pub(super) fn error_before(&self, what: &str) -> ScriptError {
        self.error_at(self.next.saturating_sub(1), what)
    }

    /// An error at the word that comes next, or at the end.
    pub(super) fn error_here(&self, what: &str) -> ScriptError {
        self.error_at(self.next, what)
    }

    fn error_at(&self, word: usize, what: &str) -> ScriptError {
        let (at, length) = match self.words.get(word) {
            Some(&(at, word)) => (at, word.chars().count()),
            None => (self.end.min(self.text.trim_end().len()), 1),
        };
        let before = self.text[..at].chars().count();
        ScriptError {
            line: self.line,
            what: what.to_owned(),
            text: self.text.to_owned(),
            caret: format!("{}{}", " ".repeat(before), "^".repeat(length)),
        }
    }
}

/// The word of the list that looks most like this one, for a hint.
pub(super) fn nearest<'a>(word: &str, list: &[&'a str]) -> Option<&'a str> {
    list.iter().copied().min_by_key(|candidate| distance(word, candidate)).filter(|candidate| {
        distance(word, candidate) <= candidate.len().max(word.len()).div_ceil(3)
    })
}

/// How many letters must be changed, added or left out.
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
