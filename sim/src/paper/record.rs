//! Runs that are done, a line each in a file: what took hours is not done twice.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::lifeguard::Outcome;

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// Which run.
    run: String,
    outcome: Outcome,
}

/// The runs that are done, and the file to which more are added.
#[derive(Debug)]
pub struct Record {
    done: HashMap<String, Outcome>,
    file: Mutex<File>,
}

impl Record {
    /// Opens a file of runs, or begins one. A last line that was cut off is left out and its run
    /// done again.
    ///
    /// # Errors
    /// The file cannot be read or written, or has a line that is no run.
    pub fn open(path: &Path) -> Result<Self, String> {
        let tell = |error: &dyn std::fmt::Display| format!("cannot keep runs in {}: {error}", path.display());
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            other => other.map_err(|error| tell(&error))?,
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut done = HashMap::new();
        for (number, line) in (1..).zip(text[..whole].lines()) {
            let line: Line = serde_json::from_str(line)
                .map_err(|error| tell(&format!("line {number} is not a run: {error}")))?;
            done.insert(line.run, line.outcome);
        }
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(|error| tell(&error))?;
        file.set_len(whole as u64).map_err(|error| tell(&error))?;
        Ok(Record { done, file: Mutex::new(file) })
    }

    /// What a run showed, if it is done.
    #[must_use]
    pub fn get(&self, run: &str) -> Option<&Outcome> {
        self.done.get(run)
    }

    /// Adds a run.
    ///
    /// # Panics
    /// If the file cannot be written any more: going on would lose hours of work.
    pub fn add(&self, run: &str, outcome: &Outcome) {
        let line = Line { run: run.to_owned(), outcome: outcome.clone() };
        let text = serde_json::to_string(&line).expect("a run is plain data") + "\n";
        let mut file = self.file.lock().expect("a run that panics ends all");
        file.write_all(text.as_bytes()).unwrap_or_else(|error| panic!("cannot add a run: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path where nothing is yet.
    fn scratch(name: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("tidings-record-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join(name);
        let _ = fs::remove_file(&path);
        path
    }

    #[test]
    fn runs_are_found_again_and_a_torn_one_is_not() {
        let path = scratch("runs");
        let outcome = Outcome { first: vec![1.5, 2.25], messages: 7, ..Outcome::default() };
        let record = Record::open(&path).unwrap();
        record.add("a", &outcome);
        record.add("b", &Outcome::default());
        assert_eq!(Record::open(&path).unwrap().get("a"), Some(&outcome));

        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 5]).unwrap();
        let record = Record::open(&path).unwrap();
        assert_eq!((record.get("a"), record.get("b")), (Some(&outcome), None));
        record.add("b", &outcome);
        assert_eq!(Record::open(&path).unwrap().get("b"), Some(&outcome));
    }

    #[test]
    fn a_file_that_holds_something_else_is_refused_and_kept() {
        let path = scratch("letter");
        fs::write(&path, "Dear Sir\n").unwrap();
        let error = Record::open(&path).unwrap_err();
        assert!(error.contains("letter: line 1 is not a run"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "Dear Sir\n");
    }
}
