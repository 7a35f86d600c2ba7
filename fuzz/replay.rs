//! Runs a target's body over its corpus and over all that ever failed, with plain `cargo test`.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Replays `fuzz/corpus/TARGET`, which has to be there and to hold something, and `fuzz/found/TARGET`,
/// which need not.
pub(crate) fn replay(fuzz: &Path, target: &str, body: impl Fn(&[u8])) {
    let corpus = files(&fuzz.join("corpus").join(target)).unwrap_or_else(|error| panic!("{error}"));
    assert!(!corpus.is_empty(), "the corpus of {target} is empty");
    let found = fuzz.join("found").join(target);
    let found = if found.exists() { files(&found).unwrap_or_else(|error| panic!("{error}")) } else { vec![] };
    let failed: Vec<PathBuf> = corpus
        .into_iter()
        .chain(found)
        .filter(|path| {
            let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            catch_unwind(AssertUnwindSafe(|| body(&bytes))).is_err()
        })
        .collect();
    assert!(failed.is_empty(), "{target} fails with {failed:#?}");
}

fn files(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let told = |error: std::io::Error| format!("{}: {error}", dir.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(told)? {
        files.push(entry.map_err(told)?.path());
    }
    files.sort();
    Ok(files)
}
