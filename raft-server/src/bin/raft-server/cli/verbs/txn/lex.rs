//! Splits the text of a transaction into tokens.

use std::fmt;

use bytes::Bytes;

/// A token and its position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// The offset of its first byte in the text.
    pub(super) at: usize,
}

/// The kind of a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum TokenKind {
    /// A word without quotes, which may be a keyword.
    Word(String),
    /// Quoted text, which is never a keyword.
    Quoted(Bytes),
    /// One of `( ) = != < >`.
    Sign(&'static str),
    /// A `;` or a line break.
    Separator,
}

/// A syntax error and its position.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) struct SyntaxError {
    message: String,
    line: usize,
    column: usize,
    shown: String,
}

impl SyntaxError {
    pub(super) fn new(text: &str, at: usize, message: impl Into<String>) -> Self {
        let before = &text[..at];
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let shown = text[start..].lines().next().unwrap_or_default().to_owned();
        Self {
            message: message.into(),
            line: before.matches('\n').count() + 1,
            column: text[start..at].chars().count() + 1,
            shown,
        }
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, line, column, shown } = self;
        writeln!(f, "line {line}, column {column}: {message}")?;
        writeln!(f, "  {shown}")?;
        write!(f, "  {:>column$}", "^")
    }
}

/// Splits a text into tokens.
pub(super) fn lex(text: &str) -> Result<Vec<Token>, SyntaxError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.token()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

const SIGNS: [&str; 6] = ["!=", "=", "<", ">", "(", ")"];

impl Lexer<'_> {
    fn token(&mut self) -> Result<Option<Token>, SyntaxError> {
        self.skip();
        let at = self.at;
        let Some(next) = self.peek() else { return Ok(None) };
        let kind = match next {
            ';' | '\n' => {
                self.at += 1;
                TokenKind::Separator
            }
            '\'' => self.plain_quoted()?,
            '"' => self.escaped_quoted()?,
            _ => match SIGNS.into_iter().find(|sign| self.text[at..].starts_with(sign)) {
                Some(sign) => {
                    self.at += sign.len();
                    TokenKind::Sign(sign)
                }
                None => self.word()?,
            },
        };
        Ok(Some(Token { kind, at }))
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// Skips blanks and comments, up to a line break.
    fn skip(&mut self) {
        let rest = &self.text[self.at..];
        let blank = |c: char| c.is_whitespace() && c != '\n';
        self.at += rest.len() - rest.trim_start_matches(blank).len();
        if self.peek() == Some('#') {
            let rest = &self.text[self.at..];
            self.at += rest.find('\n').unwrap_or(rest.len());
        }
    }

    fn word(&mut self) -> Result<TokenKind, SyntaxError> {
        let rest = &self.text[self.at..];
        let ends = |c: char| c.is_whitespace() || "()=!<>;#'\"".contains(c);
        let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
        if word.is_empty() {
            return Err(self.error(self.at, "unexpected `!`: the relations are = != < >"));
        }
        self.at += word.len();
        Ok(TokenKind::Word(word.to_owned()))
    }

    fn plain_quoted(&mut self) -> Result<TokenKind, SyntaxError> {
        let start = self.at;
        let inside = &self.text[start + 1..];
        let Some(length) = inside.find('\'') else {
            return Err(self.error(start, "this quote is not closed"));
        };
        self.at = start + length + 2;
        Ok(TokenKind::Quoted(Bytes::copy_from_slice(&inside.as_bytes()[..length])))
    }

    fn escaped_quoted(&mut self) -> Result<TokenKind, SyntaxError> {
        let start = self.at;
        let mut bytes = Vec::new();
        self.at += 1;
        loop {
            let at = self.at;
            let Some(next) = self.peek() else {
                return Err(self.error(start, "this quote is not closed"));
            };
            self.at += next.len_utf8();
            match next {
                '"' => return Ok(TokenKind::Quoted(bytes.into())),
                '\\' => bytes.push(self.escape(at)?),
                _ => bytes.extend_from_slice(next.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }

    /// The byte that an escape stands for; the text continues after the backslash.
    fn escape(&mut self, at: usize) -> Result<u8, SyntaxError> {
        let rest = &self.text[self.at..];
        let (byte, length) = match rest.as_bytes() {
            [b'n', ..] => (b'\n', 1),
            [b't', ..] => (b'\t', 1),
            [b'r', ..] => (b'\r', 1),
            [sign @ (b'\\' | b'"' | b'\''), ..] => (*sign, 1),
            [b'x', high, low, ..] => {
                let digit = |digit: u8| char::from(digit).to_digit(16);
                let value = digit(*high).zip(digit(*low)).map(|(high, low)| high * 16 + low);
                let Some(byte) = value.and_then(|value| u8::try_from(value).ok()) else {
                    return Err(self.error(at, "two hexadecimal digits must follow \\x"));
                };
                (byte, 3)
            }
            _ => return Err(self.error(at, "the escapes are \\n \\t \\r \\\\ \\\" \\' and \\x00")),
        };
        self.at += length;
        Ok(byte)
    }

    fn error(&self, at: usize, message: &str) -> SyntaxError {
        SyntaxError::new(self.text, at, message)
    }
}
