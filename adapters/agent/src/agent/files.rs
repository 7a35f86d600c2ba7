//! Files the agent rewrites: whole, atomically, readable by their owner alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::config::os_error;

/// Replaces a file through a temporary one beside it, which is on disk before it takes the name.
///
/// # Errors
/// What failed, with the path; the old file is as it was.
pub(crate) async fn replace(path: PathBuf, text: String) -> Result<(), String> {
    let task = tokio::task::spawn_blocking(move || replace_now(&path, text.as_bytes()));
    task.await.unwrap_or_else(|error| Err(error.to_string()))
}

/// The same, on the thread that calls it.
///
/// # Errors
/// As for [`replace`].
pub(super) fn replace_now(path: &Path, content: &[u8]) -> Result<(), String> {
    // A link keeps pointing to the file it points to.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut temporary = path.clone().into_os_string();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let result = write_new(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = result {
        // It may not exist; and if it stays, the next attempt replaces it.
        let _ = fs::remove_file(&temporary);
        return Err(os_error("write", path, &error));
    }
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        // Some file systems cannot sync a directory; the file itself is complete either way.
        let _ = fs::File::open(dir).and_then(|dir| dir.sync_all());
    }
    Ok(())
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    // A left-over might have other permissions or be a link: start afresh.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tags.json");
        fs::write(&path, "old").unwrap();
        fs::write(dir.path().join("tags.json.tmp"), "left over").unwrap();
        replace_now(&path, b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("missing").join("tags.json");
        let error = replace_now(&path, b"new").unwrap_err();
        assert_eq!(error, format!("write {}: no such file or directory", path.display()));
    }
}
