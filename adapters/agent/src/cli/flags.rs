//! Flags in Go's grammar, parsed by clap (serf-agent, section 1).
//!
//! `-x=v`, `-x v` and the same with two dashes; booleans take a value only with `=`; parsing stops
//! at the first other word or at `--`. The words are brought into the one form that clap cannot
//! misread, `--x=v ... -- word ...`; clap then knows the flags, parses their values and writes the
//! help.

use std::any::TypeId;
use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue};
use clap::{Command, Parser};

use crate::go::{self, NoInteger};
use crate::quote::Quoted;

/// Why flags were not taken: the text for stderr, in Go's words. The usage follows on stdout.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FlagError(pub(crate) Option<String>);

/// Parses the words behind a command.
pub(crate) fn parse<F: Parser>(words: &[OsString]) -> Result<F, FlagError> {
    let command = command::<F>();
    let normal = normalise(&command, words)?;
    let name = OsString::from(command.get_name());
    let matches = command
        .try_get_matches_from(std::iter::once(name).chain(normal))
        .map_err(|error| FlagError(Some(in_words_of_go(&error))))?;
    F::from_arg_matches(&matches).map_err(|error| FlagError(Some(in_words_of_go(&error))))
}

/// The help of a command.
pub(crate) fn usage<F: Parser>() -> String {
    let mut command = command::<F>();
    let mut text = command.render_help().to_string();
    text.truncate(text.trim_end().len());
    text + "\n"
}

fn command<F: Parser>() -> Command {
    F::command()
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .help_template("Usage: {usage}\n\n  {about}\n\nOptions, with one dash or two:\n\n{options}")
        .term_width(100)
}

/// Brings the words into the form `--x=v ... -- word ...`.
fn normalise(command: &Command, words: &[OsString]) -> Result<Vec<OsString>, FlagError> {
    let error = |text: String| FlagError(Some(text));
    let mut normal = Vec::new();
    let mut words = words.iter();
    let mut rest = Vec::new();
    while let Some(word) = words.next() {
        let Some((name, value)) = flag(word) else {
            // A lone `--` ends the flags and is no word itself.
            rest.extend((word != "--").then(|| word.clone()));
            break;
        };
        if name.is_empty() || name.starts_with('-') {
            return Err(error(format!("bad flag syntax: {}", word.display())));
        }
        let Some(known) = command.get_arguments().find(|arg| arg.get_long() == Some(name.as_str())) else {
            return Err(match name.as_str() {
                "h" | "help" => FlagError(None),
                _ => error(format!("flag provided but not defined: -{name}")),
            });
        };
        let is_switch = known.get_value_parser().type_id() == TypeId::of::<bool>();
        let value = match value {
            Some(value) => value,
            None if is_switch => "true".into(),
            None => words.next().ok_or_else(|| error(format!("flag needs an argument: -{name}")))?.clone(),
        };
        let mut flag = OsString::from(format!("--{name}="));
        flag.push(value);
        normal.push(flag);
    }
    rest.extend(words.cloned());
    normal.push("--".into());
    normal.append(&mut rest);
    Ok(normal)
}

/// Splits a flag into its name and the value behind `=`, if there is one; `None`: it is no flag.
fn flag(word: &OsStr) -> Option<(String, Option<OsString>)> {
    // Flags are texts; what is not becomes a name that nobody knows, or a value with a mark in it.
    let text = word.to_string_lossy();
    let text = text.strip_prefix('-').filter(|text| !text.is_empty() && *text != "-")?;
    let text = text.strip_prefix('-').unwrap_or(text);
    Some(match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.into())),
        None => (text.to_owned(), None),
    })
}

/// Go's words for what clap did not take. Only values are left to refuse.
fn in_words_of_go(error: &clap::Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let flag = context(ContextKind::InvalidArg);
    let flag = flag.trim_start_matches('-').split([' ', '[', '=']).next().unwrap_or_default();
    let value = Quoted(context(ContextKind::InvalidValue));
    match std::error::Error::source(error).map(ToString::to_string) {
        Some(reason) if reason == NO_BOOLEAN => {
            format!("invalid boolean value {value} for -{flag}: parse error")
        }
        Some(reason) => format!("invalid value {value} for flag -{flag}: {reason}"),
        None => error.to_string().trim_end().to_owned(),
    }
}

/// The reason [`boolean`] gives.
const NO_BOOLEAN: &str = "no boolean";

/// Reads a switch's value.
pub(crate) fn boolean(text: &str) -> Result<bool, &'static str> {
    go::truth(text).ok_or(NO_BOOLEAN)
}

/// Reads a number, with the reasons that Go's flags give.
pub(crate) fn integer(text: &str) -> Result<i64, &'static str> {
    go::integer(text).map_err(|error| match error {
        NoInteger::Syntax => "parse error",
        NoInteger::Range => "value out of range",
    })
}

/// A flag as packages show it: in manual pages and shell completions.
#[cfg(test)]
pub(crate) struct Shown {
    /// Without dashes.
    pub(crate) name: String,
    /// What its value is called; `None`: a switch.
    pub(crate) value: Option<String>,
    pub(crate) help: String,
}

/// The flags of a client command, sorted by name.
#[cfg(test)]
pub(crate) fn shown<F: Parser>() -> Vec<Shown> {
    let mut command = command::<F>();
    command.build();
    let mut flags: Vec<Shown> = command.get_arguments().filter_map(shown_flag).collect();
    flags.sort_by(|a, b| a.name.cmp(&b.name));
    flags
}

#[cfg(test)]
fn shown_flag(arg: &clap::Arg) -> Option<Shown> {
    let name = arg.get_long()?.to_owned();
    let is_switch = arg.get_value_parser().type_id() == TypeId::of::<bool>();
    let value = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if let [default] = arg.get_default_values()
        && !arg.is_hide_default_value_set()
    {
        help.push_str(&format!(" [default: {}]", default.display()));
    }
    Some(Shown { name, value: value.filter(|_| !is_switch), help })
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;

    use super::*;

    /// A command of every kind of flag.
    #[derive(Debug, Parser)]
    #[command(name = "try", about = "Tries flags", override_usage = "try [options]")]
    struct Try {
        /// A switch.
        #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
            default_value = "false", value_parser = boolean)]
        dry_run: bool,
        /// A number.
        #[arg(long, default_value = "0", value_parser = integer, allow_hyphen_values = true)]
        count: i64,
        /// Texts.
        #[arg(long)]
        tag: Vec<String>,
        /// Words.
        #[arg(hide = true)]
        words: Vec<OsString>,
    }

    fn parse_words(words: &[&str]) -> Result<Try, FlagError> {
        parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn flags_come_with_one_dash_or_two_and_values_with_or_without_an_equals_sign() {
        for words in [&["-tag=a", "-tag", "b"][..], &["--tag=a", "--tag", "b"]] {
            assert_eq!(parse_words(words).unwrap().tag, ["a", "b"]);
        }
        assert_eq!(parse_words(&["-tag=a=b", "-tag="]).unwrap().tag, ["a=b", ""]);
        assert_eq!(parse_words(&["-tag", "-x"]).unwrap().tag, ["-x"]);
        assert_eq!(parse_words(&["-count=-1"]).unwrap().count, -1);
        assert_eq!(parse_words(&["-count", "1", "-count", "2"]).unwrap().count, 2);
    }

    #[test]
    fn a_switch_takes_a_value_only_with_an_equals_sign() {
        assert!(parse_words(&["-dry-run"]).unwrap().dry_run);
        assert!(!parse_words(&["-dry-run=F"]).unwrap().dry_run);
        let parsed = parse_words(&["-dry-run", "false"]).unwrap();
        assert!(parsed.dry_run);
        assert_eq!(parsed.words, ["false"]);
    }

    #[test]
    fn flags_behind_the_first_word_are_words() {
        assert_eq!(parse_words(&["a", "-dry-run"]).unwrap().words, ["a", "-dry-run"]);
        assert_eq!(parse_words(&["--", "-dry-run", "--"]).unwrap().words, ["-dry-run", "--"]);
        assert_eq!(parse_words(&["-", "-dry-run"]).unwrap().words, ["-", "-dry-run"]);
        assert_eq!(parse_words(&[""]).unwrap().words, [""]);
    }

    #[test]
    fn what_is_wrong_is_told_in_the_words_of_go() {
        let cases: [(&[&str], &str); 9] = [
            (&["-nope"], "flag provided but not defined: -nope"),
            (&["--nope=1"], "flag provided but not defined: -nope"),
            (&["-tag"], "flag needs an argument: -tag"),
            (&["--=x"], "bad flag syntax: --=x"),
            (&["---x"], "bad flag syntax: ---x"),
            (&["-dry-run=maybe"], r#"invalid boolean value "maybe" for -dry-run: parse error"#),
            (&["-count=zz"], r#"invalid value "zz" for flag -count: parse error"#),
            (&["-count="], r#"invalid value "" for flag -count: parse error"#),
            (
                &["-count=99999999999999999999"],
                r#"invalid value "99999999999999999999" for flag -count: value out of range"#,
            ),
        ];
        for (words, expected) in cases {
            assert_eq!(parse_words(words).unwrap_err(), FlagError(Some(expected.to_owned())), "{words:?}");
        }
        assert_eq!(parse_words(&["-h=1"]).unwrap_err(), FlagError(None));
    }

    #[test]
    fn the_usage_names_every_flag() {
        let usage = usage::<Try>();
        assert!(usage.starts_with("Usage: try [options]\n\n  Tries flags\n"), "{usage}");
        for flag in ["--dry-run", "--count", "--tag"] {
            assert!(usage.contains(flag), "{usage}");
        }
    }
}
