//! Where commands write, and how they fail.

use std::io::{self, Write};

/// What a command needs of the world.
pub(crate) struct Terminal<'a> {
    pub(crate) stdout: &'a mut dyn Write,
    pub(crate) stderr: &'a mut dyn Write,
    /// Looks a variable of the environment up.
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
}

/// Why a command failed; its exit status is 1.
#[derive(Debug)]
pub(crate) enum Failure {
    /// In words. On stdout, as Serf's commands tell their errors.
    Line(String),
    /// Called wrongly: the words, if any, an empty line and the usage, on stdout.
    Usage(Option<&'static str>),
    /// Everything was said already.
    Silent,
    /// Nobody reads the output any more.
    Output,
}

impl Failure {
    /// An error behind a prefix.
    pub(crate) fn because(prefix: &str, error: impl std::fmt::Display) -> Failure {
        Failure::Line(format!("{prefix}: {error}"))
    }
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Failure::Output
    }
}

impl Terminal<'_> {
    /// Writes a line, and sees that it is seen.
    pub(crate) fn line(&mut self, text: impl std::fmt::Display) -> Result<(), Failure> {
        writeln!(self.stdout, "{text}")?;
        Ok(self.stdout.flush()?)
    }

    /// The value of the first variable that is set and not empty.
    pub(crate) fn variable(&self, names: &[&str]) -> Option<String> {
        names.iter().filter_map(|name| (self.env)(name)).find(|value| !value.is_empty())
    }
}
