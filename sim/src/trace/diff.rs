//! Two traces, up to the first line in which they differ.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::rc::Rc;

use super::{Filter, Line, trace};
use crate::digest::Digest;
use crate::script::Script;

/// Where a trace comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A run.
    Run(Box<Script>, u64),
    /// A file of JSON lines, written earlier.
    File(PathBuf),
}

impl Source {
    /// Hands on the lines that pass, until it is told to break off.
    fn each(
        &self,
        filter: &Filter,
        mut each: impl FnMut(Line) -> ControlFlow<()> + 'static,
    ) -> Result<(), String> {
        let path = match self {
            Source::Run(script, seed) => {
                trace(script, *seed, filter, each);
                return Ok(());
            }
            Source::File(path) => path,
        };
        let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let file = BufReader::new(File::open(path).map_err(|error| wrong(&error))?);
        for (number, text) in file.lines().enumerate() {
            let text = text.map_err(|error| wrong(&error))?;
            let line: Line = serde_json::from_str(&text)
                .map_err(|error| wrong(&format!("line {}: no line of a trace: {error}", number + 1)))?;
            if filter.passes(&line) && each(line).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Where two traces part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Divergence {
    /// Lines that are the same before it.
    pub(crate) same: usize,
    /// The last of them.
    pub(crate) before: Vec<Line>,
    /// What comes next in the one.
    pub(crate) left: Vec<Line>,
    /// What comes next in the other.
    pub(crate) right: Vec<Line>,
}

fn hash(line: &Line) -> u64 {
    let mut digest = Digest::default();
    digest.word(line.at_ns);
    for part in [&line.member, &line.what, &line.text].into_iter().chain(&line.about).chain(&line.messages) {
        digest.bytes(part.as_bytes());
        digest.word(part.len() as u64);
    }
    digest.get()
}

/// Compares two traces; `None` and how many lines they have: they do not differ. Of the first, a
/// number is kept for each line; runs are repeated to show where they part.
pub(crate) fn diff(
    left: &Source,
    right: &Source,
    filter: &Filter,
    context: usize,
) -> Result<(usize, Option<Divergence>), String> {
    let hashes = Rc::new(RefCell::new(Vec::new()));
    let sink = hashes.clone();
    left.each(filter, move |line| {
        sink.borrow_mut().push(hash(&line));
        ControlFlow::Continue(())
    })?;
    let hashes = hashes.take();
    let count = hashes.len();
    let found = Rc::new(RefCell::new((0, None)));
    let sink = found.clone();
    right.each(filter, move |line| {
        let (seen, parted) = &mut *sink.borrow_mut();
        if hashes.get(*seen) != Some(&hash(&line)) {
            *parted = Some(*seen);
            return ControlFlow::Break(());
        }
        *seen += 1;
        ControlFlow::Continue(())
    })?;
    let (seen, parted) = found.take();
    // The other may also just end earlier.
    let Some(same) = parted.or((seen < count).then_some(seen)) else { return Ok((count, None)) };
    let (before, left) = around(left, filter, same, context)?;
    let (_, right) = around(right, filter, same, context)?;
    Ok((same, Some(Divergence { same, before, left, right })))
}

/// The lines before, and from, the place where a trace parts from another.
fn around(
    source: &Source,
    filter: &Filter,
    place: usize,
    context: usize,
) -> Result<(Vec<Line>, Vec<Line>), String> {
    let found = Rc::new(RefCell::new((0, VecDeque::new(), Vec::new())));
    let sink = found.clone();
    source.each(filter, move |line| {
        let (seen, before, after) = &mut *sink.borrow_mut();
        *seen += 1;
        if *seen <= place {
            before.push_back(line);
            if before.len() > context {
                before.pop_front();
            }
        } else {
            after.push(line);
        }
        if after.len() > context { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    let (_, before, after) = found.take();
    Ok((before.into(), after))
}
