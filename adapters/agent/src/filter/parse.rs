//! From text to a tree.
//!
//! The grammar (consul-http, section 9), where `_` are blanks and choices are tried in order:
//!
//! ```text
//! input    = [_] or [_] end
//! or       = and { _ "or" _ and }
//! and      = not { _ "and" _ not }
//! not      = "not" _ not | "(" [_] or [_] ")" | match
//! match    = selector ( [_] ( "==" | "!=" ) [_] | _ [ "not" _ ] ( "contains" | "matches" ) _ ) value
//!          | selector _ "is" _ [ "not" _ ] "empty"
//!          | value _ [ "not" _ ] "in" _ selector
//! selector = ident { "." ident | "[" [_] string [_] "]" }
//! ident    = [a-zA-Z] { [a-zA-Z0-9_/] }
//! value    = selector | number | string
//! number   = [ "-" ] ( "0" | [1-9] { [0-9] } ) [ "." [0-9] { [0-9] } ]
//! string   = "`" any but "`" "`" | '"' any but '"' and "\" '"'
//! ```
//!
//! No word is reserved: `not == x` is about the field `not`. Every function reads one of these and
//! gives `None` where there is none, or an error where what is there is clearly broken. What choices
//! have in common is read once, and only the few words of a match are tried one after another, so
//! the time is linear in the text.

use super::NESTING_MAX;
use super::scan::{Scanner, SyntaxError};
use super::syntax::{Expr, Match, Operator, Selector};

/// What a function reads, if it is there.
type Read<T> = Result<Option<T>, SyntaxError>;

/// The operators between a selector and a value that are words.
const BEFORE_VALUE: [(&[&str], Operator); 4] = [
    (&["contains"], Operator::In),
    (&["not", "contains"], Operator::NotIn),
    (&["matches"], Operator::Matches),
    (&["not", "matches"], Operator::NotMatches),
];
/// The operators after a selector alone.
const ALONE: [(&[&str], Operator); 2] =
    [(&["is", "empty"], Operator::IsEmpty), (&["is", "not", "empty"], Operator::IsNotEmpty)];
/// The operators between a value and a selector.
const BEFORE_SELECTOR: [(&[&str], Operator); 2] =
    [(&["in"], Operator::In), (&["not", "in"], Operator::NotIn)];

/// Reads a whole expression.
pub(super) fn parse(text: &str) -> Result<Expr<Match>, SyntaxError> {
    let mut parser = Parser { scan: Scanner::new(text), depth: 0 };
    parser.scan.blanks();
    if let Some(expr) = parser.or()? {
        parser.scan.blanks();
        if parser.scan.end() {
            return Ok(expr);
        }
    }
    Err(parser.scan.unexpected())
}

struct Parser<'a> {
    scan: Scanner<'a>,
    /// Parentheses and `not`s around where it reads.
    depth: usize,
}

impl Parser<'_> {
    fn or(&mut self) -> Read<Expr<Match>> {
        self.chain("or", Self::and, Expr::Or)
    }

    fn and(&mut self) -> Read<Expr<Match>> {
        self.chain("and", Self::not, Expr::And)
    }

    /// Reads one term or more, with a word between them.
    fn chain(
        &mut self,
        word: &'static str,
        term: fn(&mut Self) -> Read<Expr<Match>>,
        join: fn(Vec<Expr<Match>>) -> Expr<Match>,
    ) -> Read<Expr<Match>> {
        let Some(first) = term(self)? else { return Ok(None) };
        let mut terms = vec![first];
        loop {
            let start = self.scan.at();
            let next = if self.words(&[word]) && self.scan.blanks() { term(self)? } else { None };
            let Some(next) = next else {
                self.scan.back_to(start);
                break;
            };
            terms.push(next);
        }
        Ok(if terms.len() == 1 { terms.pop() } else { Some(join(terms)) })
    }

    fn not(&mut self) -> Read<Expr<Match>> {
        let start = self.scan.at();
        if self.scan.text("not")
            && self.scan.blanks()
            && let Some(term) = self.nested(Self::not)?
        {
            return Ok(Some(Expr::Not(Box::new(term))));
        }
        self.scan.back_to(start);
        if !self.scan.text("(") {
            return self.matching();
        }
        self.scan.blanks();
        let Some(expr) = self.nested(Self::or)? else { return Ok(None) };
        self.scan.blanks();
        if self.scan.text(")") {
            Ok(Some(expr))
        } else {
            Err(self.scan.broken("grouping", "Unmatched parentheses"))
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Read<Expr<Match>>) -> Read<Expr<Match>> {
        if self.depth == NESTING_MAX {
            return Err(self.scan.broken("grouping", "Expression nests too deeply"));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn matching(&mut self) -> Read<Expr<Match>> {
        let value = match self.selector()? {
            Some(selector) => {
                let start = self.scan.at();
                if let Some((operator, value)) = self.operation()? {
                    return Ok(Some(Expr::Leaf(Match { selector, operator, value })));
                }
                self.scan.back_to(start);
                selector.text()
            }
            None => match self.literal()? {
                Some(value) => value,
                None => return Ok(None),
            },
        };
        let start = self.scan.at();
        for (words, operator) in BEFORE_SELECTOR {
            if self.words(words) && self.scan.blanks() {
                let selector =
                    self.selector()?.ok_or_else(|| self.scan.broken("match", "Invalid selector"))?;
                return Ok(Some(Expr::Leaf(Match { selector, operator, value })));
            }
            self.scan.back_to(start);
        }
        Ok(None)
    }

    /// Reads what may follow a selector: an operator, and a value if it takes one.
    fn operation(&mut self) -> Read<(Operator, String)> {
        let start = self.scan.at();
        self.scan.blanks();
        for (sign, operator) in [("==", Operator::Equal), ("!=", Operator::NotEqual)] {
            if self.scan.text(sign) {
                self.scan.blanks();
                return Ok(self.value()?.map(|value| (operator, value)));
            }
        }
        for (words, operator) in BEFORE_VALUE {
            self.scan.back_to(start);
            if self.words(words)
                && self.scan.blanks()
                && let Some(value) = self.value()?
            {
                return Ok(Some((operator, value)));
            }
        }
        for (words, operator) in ALONE {
            self.scan.back_to(start);
            if self.words(words) {
                return Ok(Some((operator, String::new())));
            }
        }
        Ok(None)
    }

    /// Reads words, with blanks before each of them.
    fn words(&mut self, words: &[&'static str]) -> bool {
        words.iter().all(|word| self.scan.blanks() && self.scan.text(word))
    }

    fn selector(&mut self) -> Read<Selector> {
        let Some(first) = self.identifier() else { return Ok(None) };
        let mut parts = vec![first];
        loop {
            let start = self.scan.at();
            let part = if self.scan.text(".") { self.identifier() } else { None };
            let part = match part {
                Some(part) => Some(part),
                None => {
                    self.scan.back_to(start);
                    self.index()?
                }
            };
            match part {
                Some(part) => parts.push(part),
                None => return Ok(Some(Selector(parts))),
            }
        }
    }

    fn identifier(&mut self) -> Option<String> {
        let start = self.scan.at();
        if !self.scan.class("[a-zA-Z]", |byte| byte.is_ascii_alphabetic()) {
            return None;
        }
        self.scan.classes("[a-zA-Z0-9_]", |byte| byte.is_ascii_alphanumeric() || b"_/".contains(&byte));
        Some(self.scan.since(start).to_owned())
    }

    fn index(&mut self) -> Read<String> {
        if !self.scan.text("[") {
            return Ok(None);
        }
        self.scan.blanks();
        let key = self.string()?.ok_or_else(|| self.scan.broken("index", "Invalid index"))?;
        self.scan.blanks();
        if self.scan.text("]") {
            Ok(Some(key))
        } else {
            Err(self.scan.broken("index", "Unclosed index expression"))
        }
    }

    fn value(&mut self) -> Read<String> {
        match self.selector()? {
            Some(selector) => Ok(Some(selector.text())),
            None => self.literal(),
        }
    }

    /// Reads a value that is no bare word.
    fn literal(&mut self) -> Read<String> {
        match self.number()? {
            Some(number) => Ok(Some(number)),
            None => self.string(),
        }
    }

    fn number(&mut self) -> Read<String> {
        let digit = |byte: u8| byte.is_ascii_digit();
        let start = self.scan.at();
        self.scan.text("-");
        if !self.scan.text("0") {
            if !self.scan.class("[1-9]", |byte| (b'1'..=b'9').contains(&byte)) {
                self.scan.back_to(start);
                return Ok(None);
            }
            self.scan.classes("[0-9]", digit);
        }
        let whole_end = self.scan.at();
        if !(self.scan.text(".") && self.scan.classes("[0-9]", digit)) {
            self.scan.back_to(whole_end);
        }
        let number = self.scan.since(start).to_owned();
        let end = self.scan.at();
        if !(self.scan.blanks() || self.scan.end() || self.scan.text(")")) {
            return Err(self.scan.broken("number", "Invalid number literal"));
        }
        self.scan.back_to(end);
        Ok(Some(number))
    }

    fn string(&mut self) -> Read<String> {
        let start = self.scan.at();
        let (quote, raw) = if self.scan.text("`") {
            ('`', true)
        } else if self.scan.text("\"") {
            ('"', false)
        } else {
            return Ok(None);
        };
        let rest = self.scan.rest();
        let Some(len) = rest.find(quote) else {
            self.scan.skip(rest.len());
            return Err(self.scan.broken("string", "Unterminated string literal"));
        };
        let text = &rest[..len];
        self.scan.skip(len + quote.len_utf8());
        if !raw && text.contains(['\\', '\n']) {
            return Err(self.scan.broken_at(start, "string", "invalid syntax"));
        }
        Ok(Some(text.to_owned()))
    }
}
