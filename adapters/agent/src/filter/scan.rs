//! Reading an expression piece by piece, and remembering what would have fitted where nothing did.

use std::fmt;

use thiserror::Error;

/// A place in an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1; a line's end counts as character 0 of the next line.
    pub column: usize,
    /// The byte, from 0.
    pub offset: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} ({})", self.line, self.column, self.offset)
    }
}

/// Why an expression cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SyntaxError {
    /// Reading came this far; any of these would have been right.
    #[error("{at}: no match found, expected: {expected}")]
    Expected {
        /// How far it came.
        at: Position,
        /// What would have been right.
        expected: String,
    },
    /// A part is clearly wrong.
    #[error("{at}: rule \"{rule}\": {problem}")]
    Broken {
        /// Where that was found.
        at: Position,
        /// The part of the grammar.
        rule: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
}

/// A piece that would have fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// This text.
    Text(&'static str),
    /// One character of a class, which is shown like this.
    Class(&'static str),
    /// The end of the expression.
    End,
}

/// The blanks between words.
const BLANK: &str = r"[ \t\r\n]";

/// Reads from left to right, and back again where an attempt failed.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// The last place where something did not fit.
    furthest: usize,
    /// What did not fit there.
    wanted: Vec<Wanted>,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Scanner { text, at: 0, furthest: 0, wanted: Vec::new() }
    }

    /// Where it stands.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes back to where it stood before.
    pub(super) fn back_to(&mut self, at: usize) {
        self.at = at;
    }

    /// What was read since it stood there.
    pub(super) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    /// What is to come.
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Reads a text.
    pub(super) fn text(&mut self, text: &'static str) -> bool {
        let fits = self.rest().starts_with(text);
        self.take(fits, text.len(), Wanted::Text(text))
    }

    /// Reads an ASCII character of a class, which messages show like this.
    pub(super) fn class(&mut self, shown: &'static str, fits: impl Fn(u8) -> bool) -> bool {
        let fits = self.rest().bytes().next().is_some_and(|byte| byte.is_ascii() && fits(byte));
        self.take(fits, 1, Wanted::Class(shown))
    }

    /// Reads as many characters of a class as there are, and says whether there were any.
    pub(super) fn classes(&mut self, shown: &'static str, fits: impl Fn(u8) -> bool) -> bool {
        let start = self.at;
        while self.class(shown, &fits) {}
        self.at > start
    }

    /// Reads blanks, at least one.
    pub(super) fn blanks(&mut self) -> bool {
        self.classes(BLANK, |byte| b" \t\r\n".contains(&byte))
    }

    /// Whether it stands at the end.
    pub(super) fn end(&mut self) -> bool {
        let fits = self.rest().is_empty();
        self.take(fits, 0, Wanted::End)
    }

    /// Reads text without looking at it.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    fn take(&mut self, fits: bool, bytes: usize, wanted: Wanted) -> bool {
        if fits {
            self.at += bytes;
        } else if self.at >= self.furthest {
            if self.at > self.furthest {
                self.wanted.clear();
                self.furthest = self.at;
            }
            if !self.wanted.contains(&wanted) {
                self.wanted.push(wanted);
            }
        }
        fits
    }

    /// The error that something read so far is clearly wrong.
    pub(super) fn broken(&self, rule: &'static str, problem: &'static str) -> SyntaxError {
        self.broken_at(self.at, rule, problem)
    }

    /// The error that something from `at` on is clearly wrong.
    pub(super) fn broken_at(&self, at: usize, rule: &'static str, problem: &'static str) -> SyntaxError {
        SyntaxError::Broken { at: self.position(at), rule, problem }
    }

    /// The error that nothing fitted.
    pub(super) fn unexpected(&self) -> SyntaxError {
        let mut expected: Vec<String> = self
            .wanted
            .iter()
            .filter_map(|wanted| match wanted {
                Wanted::Text(text) => Some(format!("{text:?}")),
                Wanted::Class(shown) => Some((*shown).to_owned()),
                Wanted::End => None,
            })
            .collect();
        expected.sort_unstable();
        if self.wanted.contains(&Wanted::End) {
            expected.push("EOF".to_owned());
        }
        let expected = match expected.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        };
        SyntaxError::Expected { at: self.position(self.furthest), expected }
    }

    fn position(&self, offset: usize) -> Position {
        let before = &self.text[..offset];
        let line = 1 + before.matches('\n').count();
        if self.text[offset..].starts_with('\n') {
            return Position { line: line + 1, column: 0, offset };
        }
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position { line, column: 1 + before[line_start..].chars().count(), offset }
    }
}
