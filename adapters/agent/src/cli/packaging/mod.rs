//! What a package of the program brings along: manual pages and shell completions, made from the
//! commands and flags themselves.
//!
//! Made by hand, since flags here have one dash and end at the first other word, which no generator
//! for clap's own grammar writes. The results are committed; a test compares them, and writes them
//! anew when `TIDINGS_PACKAGING=write` asks for it.

mod bash;
mod fish;
mod man;
mod zsh;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::COMMANDS;
use super::flags::Shown;

/// What a flag's value can be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    /// It is a switch and needs none.
    Switch,
    Words(&'static [&'static str]),
    File,
    Directory,
    /// What only the user knows.
    Any,
}

impl Values {
    fn of(flag: &Shown) -> Values {
        let Some(value) = &flag.value else { return Values::Switch };
        match (flag.name.as_str(), value.to_ascii_lowercase().as_str()) {
            ("profile", _) => Values::Words(&["lan", "wan", "local"]),
            ("protocol", _) => Values::Words(&["2", "3", "4", "5"]),
            (_, "format") => Values::Words(&["text", "json"]),
            (_, "level") => Values::Words(&["trace", "debug", "info", "warn", "err"]),
            (_, "state") => Values::Words(&["any", "passing", "warning", "critical"]),
            (_, "file") => Values::File,
            (_, "dir") => Values::Directory,
            _ => Values::Any,
        }
    }
}

/// The flags of a command worth offering: those that are supported.
fn offered(command: &super::Command) -> Vec<Shown> {
    (command.flags)().into_iter().filter(|flag| !flag.help.starts_with("(not supported)")).collect()
}

/// Whether the words of a command are files.
fn takes_files(command: &super::Command) -> bool {
    (command.usage)().lines().next().is_some_and(|usage| usage.ends_with("[FILE]"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging")
}

/// All files, by their places below the folder.
fn files() -> BTreeMap<String, String> {
    let mut files = BTreeMap::from([
        ("completions/tidings.bash".to_owned(), bash::script(COMMANDS)),
        ("completions/_tidings".to_owned(), zsh::script(COMMANDS)),
        ("completions/tidings.fish".to_owned(), fish::script(COMMANDS)),
        ("man/tidings.1".to_owned(), man::program(COMMANDS)),
    ]);
    for command in COMMANDS {
        files.insert(format!("man/tidings-{}.1", command.name), man::command(command));
    }
    files
}

#[test]
fn manual_pages_and_completions_are_those_of_the_commands() {
    let files = files();
    if std::env::var("TIDINGS_PACKAGING").is_ok_and(|wish| wish == "write") {
        for (name, text) in &files {
            let path = folder().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).unwrap();
            fs::write(path, text).unwrap();
        }
    }
    let again = "run the tests with TIDINGS_PACKAGING=write and commit what changed";
    for (name, text) in &files {
        let committed = fs::read_to_string(folder().join(name)).unwrap_or_default();
        assert!(committed == *text, "packaging/{name} is not what the commands say: {again}");
    }
    for part in ["man", "completions"] {
        for entry in fs::read_dir(folder().join(part)).unwrap() {
            let name = format!("{part}/{}", entry.unwrap().file_name().display());
            assert!(files.contains_key(&name), "packaging/{name} belongs to no command: remove it");
        }
    }
}

#[test]
fn every_flag_of_every_command_has_a_line_in_its_page() {
    for command in COMMANDS {
        let page = man::command(command);
        for flag in (command.flags)() {
            let shown = format!("\n\\fB\\-{}", man::escaped(&flag.name));
            assert!(page.contains(&shown), "{}: {}", command.name, flag.name);
        }
    }
    let all: usize = COMMANDS.iter().map(|command| (command.flags)().len()).sum();
    assert!(all > 100, "{all}");
}
