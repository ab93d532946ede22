//! Parses a transaction from its tokens.

use bytes::Bytes;
use raft_server::kv::state_machine::{
    Compare, DeleteRange, Expected, KeyRange, Put, RangeRequest, Relation, Revision, Txn, TxnOp,
};

use super::lex::{SyntaxError, Token, TokenKind, lex};

/// Parses a transaction.
pub(super) fn parse(text: &str) -> Result<Txn, SyntaxError> {
    let tokens = lex(text)?;
    let mut parser = Parser { text, tokens: &tokens };
    let txn = parser.txn()?;
    parser.skip_separators();
    match parser.tokens.first() {
        None => Ok(txn),
        Some(_) => Err(parser.error("unexpected text; separate operations with `;`")),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token],
}

impl Parser<'_> {
    fn txn(&mut self) -> Result<Txn, SyntaxError> {
        let mut compare = Vec::new();
        if self.takes_word("if") {
            compare.push(self.comparison()?);
            while self.takes_word("and") {
                compare.push(self.comparison()?);
            }
            if !self.takes_word("then") {
                return Err(self.error("expected `and` or `then`"));
            }
        }
        let then = self.operations()?;
        let otherwise = if self.takes_word("else") { self.operations()? } else { Vec::new() };
        if then.is_empty() && otherwise.is_empty() {
            return Err(self.error("the transaction does nothing: add put, get or del"));
        }
        Ok(Txn { compare, then, otherwise })
    }

    fn comparison(&mut self) -> Result<Compare, SyntaxError> {
        self.skip_separators();
        let fields = "expected value( version( created( modified( exists( or missing(";
        let field = match self.tokens {
            [Token { kind: TokenKind::Word(field), .. }, rest @ ..] => {
                match rest {
                    [Token { kind: TokenKind::Sign("("), .. }, ..] => {}
                    _ => return Err(self.error(fields)),
                }
                let known = ["value", "version", "created", "modified", "exists", "missing"];
                let Some(field) = known.into_iter().find(|known| known == field) else {
                    return Err(self.error(fields));
                };
                self.tokens = &rest[1..];
                field
            }
            _ => return Err(self.error(fields)),
        };
        let key = self.text_of("a key")?;
        if !self.takes_sign(")") {
            return Err(self.error("expected `)` after the key"));
        }
        match field {
            "exists" => Ok(version(key, Relation::Greater)),
            "missing" => Ok(version(key, Relation::Equal)),
            field => {
                let relation = self.relation()?;
                let expected = self.expected(field)?;
                Ok(Compare { key, relation, expected })
            }
        }
    }

    fn relation(&mut self) -> Result<Relation, SyntaxError> {
        for (sign, relation) in [
            ("=", Relation::Equal),
            ("!=", Relation::NotEqual),
            ("<", Relation::Less),
            (">", Relation::Greater),
        ] {
            if self.takes_sign(sign) {
                return Ok(relation);
            }
        }
        Err(self.error("expected one of the relations = != < >"))
    }

    fn expected(&mut self, field: &str) -> Result<Expected, SyntaxError> {
        if field == "value" {
            return Ok(Expected::Value(self.text_of("a value")?));
        }
        let before = self.tokens;
        let text = self.text_of("a number")?;
        let Some(number) = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok())
        else {
            self.tokens = before;
            return Err(self.error("expected a number"));
        };
        Ok(match field {
            "version" => Expected::Version(number),
            "created" => Expected::CreateRevision(Revision(number)),
            _ => Expected::ModRevision(Revision(number)),
        })
    }

    fn operations(&mut self) -> Result<Vec<TxnOp>, SyntaxError> {
        let mut operations = Vec::new();
        loop {
            self.skip_separators();
            if self.tokens.is_empty() || self.next_is_word("else") {
                return Ok(operations);
            }
            operations.push(self.operation()?);
            match self.tokens.first().map(|token| &token.kind) {
                None | Some(TokenKind::Separator) => {}
                Some(TokenKind::Word(word)) if word == "else" => {}
                Some(_) => return Err(self.error("expected `;`, a line break or `else`")),
            }
        }
    }

    fn operation(&mut self) -> Result<TxnOp, SyntaxError> {
        if self.takes_word("put") {
            let key = self.text_of("a key")?;
            let value = self.text_of("a value")?;
            return Ok(TxnOp::Put(Put { key, value, prev_kv: false }));
        }
        if self.takes_word("get") {
            return Ok(TxnOp::Range(RangeRequest::new(self.range()?)));
        }
        if self.takes_word("del") {
            return Ok(TxnOp::DeleteRange(DeleteRange { range: self.range()?, prev_kv: false }));
        }
        Err(self.error("expected put, get or del"))
    }

    fn range(&mut self) -> Result<KeyRange, SyntaxError> {
        let start = self.text_of("a key")?;
        if self.takes_word("--prefix") {
            return Ok(KeyRange::Prefix(start));
        }
        match self.tokens.first().map(|token| &token.kind) {
            Some(TokenKind::Quoted(_)) => {}
            Some(TokenKind::Word(word)) if word != "else" => {}
            _ => return Ok(KeyRange::Key(start)),
        }
        Ok(KeyRange::Span { start, end: self.text_of("a key")? })
    }

    /// The next token as a key or value. Keywords must be quoted.
    fn text_of(&mut self, what: &str) -> Result<Bytes, SyntaxError> {
        let [Token { kind, .. }, rest @ ..] = self.tokens else {
            return Err(self.error(&format!("expected {what}")));
        };
        let text = match kind {
            TokenKind::Quoted(bytes) => bytes.clone(),
            TokenKind::Word(word) if !is_reserved(word) => Bytes::copy_from_slice(word.as_bytes()),
            TokenKind::Word(word) => {
                let message =
                    format!("expected {what}; to use the keyword `{word}` as text, quote it");
                return Err(self.error(&message));
            }
            TokenKind::Sign(_) | TokenKind::Separator => {
                return Err(self.error(&format!("expected {what}")));
            }
        };
        self.tokens = rest;
        Ok(text)
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let before = self.tokens;
        // A line break may precede `and`, `then` and `else`, but not `--prefix`.
        if !word.starts_with('-') {
            self.skip_separators();
        }
        if self.next_is_word(word) {
            self.tokens = &self.tokens[1..];
            return true;
        }
        self.tokens = before;
        false
    }

    fn takes_sign(&mut self, sign: &str) -> bool {
        match self.tokens {
            [Token { kind: TokenKind::Sign(next), .. }, rest @ ..] if *next == sign => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    fn next_is_word(&self, word: &str) -> bool {
        matches!(self.tokens, [Token { kind: TokenKind::Word(next), .. }, ..] if next == word)
    }

    fn skip_separators(&mut self) {
        while let [Token { kind: TokenKind::Separator, .. }, rest @ ..] = self.tokens {
            self.tokens = rest;
        }
    }

    fn error(&self, message: &str) -> SyntaxError {
        let at = self.tokens.first().map_or_else(|| self.text.trim_end().len(), |token| token.at);
        SyntaxError::new(self.text, at, message)
    }
}

fn version(key: Bytes, relation: Relation) -> Compare {
    Compare { key, relation, expected: Expected::Version(0) }
}

/// Keywords, which must be quoted as keys and values.
fn is_reserved(word: &str) -> bool {
    ["if", "and", "then", "else", "--prefix"].contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &'static str, value: &'static str) -> TxnOp {
        TxnOp::Put(Put { key: key.into(), value: value.into(), prev_kv: false })
    }

    fn get(key: &'static str) -> TxnOp {
        TxnOp::Range(RangeRequest::new(KeyRange::Key(key.into())))
    }

    #[test]
    fn line_breaks_do_not_change_a_transaction() {
        let line = "if missing(lock) and value(a) = 1 then put lock me; get a else get lock";
        let lines = "if missing(lock) # it is free\nand value(a)=1\nthen\nput lock me\nget a\n\n\
                     else\n  get lock\n";
        let txn = parse(line).unwrap();
        assert_eq!(parse(lines).unwrap(), txn);
        let value = Expected::Value("1".into());
        assert_eq!(
            txn,
            Txn {
                compare: vec![
                    version("lock".into(), Relation::Equal),
                    Compare { key: "a".into(), relation: Relation::Equal, expected: value },
                ],
                then: vec![put("lock", "me"), get("a")],
                otherwise: vec![get("lock")],
            }
        );
    }

    #[test]
    fn each_comparison_is_parsed() {
        let text =
            "if exists(k) and version(k) != 3 and created(k) < 4 and modified(k) > 5 then get k";
        let found: Vec<_> = parse(text)
            .unwrap()
            .compare
            .into_iter()
            .map(|compare| (compare.relation, compare.expected))
            .collect();
        assert_eq!(
            found,
            [
                (Relation::Greater, Expected::Version(0)),
                (Relation::NotEqual, Expected::Version(3)),
                (Relation::Less, Expected::CreateRevision(Revision(4))),
                (Relation::Greater, Expected::ModRevision(Revision(5))),
            ]
        );
    }

    #[test]
    fn operations_without_comparisons_are_unconditional() {
        let txn = parse("put a 1; del b --prefix; del c d; get e f").unwrap();
        assert!(txn.compare.is_empty() && txn.otherwise.is_empty());
        let span = |start: &'static str, end: &'static str| KeyRange::Span {
            start: start.into(),
            end: end.into(),
        };
        let prefix = KeyRange::Prefix("b".into());
        assert_eq!(
            txn.then,
            [
                put("a", "1"),
                TxnOp::DeleteRange(DeleteRange { range: prefix, prev_kv: false }),
                TxnOp::DeleteRange(DeleteRange { range: span("c", "d"), prev_kv: false }),
                TxnOp::Range(RangeRequest::new(span("e", "f"))),
            ]
        );
    }

    #[test]
    fn quoted_text_may_contain_any_byte() {
        let txn = parse(r#"put 'then; (x) \n' "tab\t\x00\xff\"é""#).unwrap();
        let TxnOp::Put(put) = &txn.then[0] else { panic!("{txn:?}") };
        assert_eq!(&put.key[..], br"then; (x) \n");
        assert_eq!(&put.value[..], b"tab\t\x00\xff\"\xc3\xa9");
    }

    #[test]
    fn error_shows_its_line_with_a_caret() {
        let error = parse("if missing(a)\nthen\nput a then").unwrap_err().to_string();
        let expected = "line 3, column 7: expected a value; to use the keyword `then` as text, quote it\n  \
                        put a then\n        ^";
        assert_eq!(error, expected);
    }

    #[test]
    fn invalid_transactions_are_errors() {
        for text in [
            "",
            ";",
            "if",
            "if missing(a)",
            "if missing(a) then",
            "if missing a then get a",
            "if value(a) ! 1 then get a",
            "if value(a) 1 then get a",
            "if version(a) = x then get a",
            "if unknown(a) = 1 then get a",
            "put a",
            "put a b c",
            "get",
            "get a b c",
            "frob a",
            "put 'a b",
            "put \"a b",
            r#"put a "\q""#,
            r#"put a "\x0""#,
            r#"put a "\xé""#,
            "else",
            "get a else get b else get c",
            "get a then get b",
            "if missing(a) then get a b --prefix",
            "é",
            "put é",
            "(",
            "= =",
            "if value( then get a",
            "if value(",
        ] {
            assert!(parse(text).is_err(), "{text:?} is accepted");
        }
    }
}
