//! Completions for zsh.

use std::fmt::Write as _;

use super::super::Command;
use super::super::flags::Shown;
use super::{Values, offered, takes_files};

const HEAD: &str = r#"#compdef tidings
# Completions of tidings for zsh. Made from the program's own flags; put it into a folder of $fpath.

_tidings() {
    local curcontext=$curcontext context state state_descr line
    typeset -A opt_args
    _arguments -C '1:command:->command' '*::argument:->words'
    case $state in
    command)
        local -a commands=(
"#;

const WORDS: &str = r#"        )
        _describe -t commands command commands
        ;;
    words)
        case $words[1] in
"#;

const TAIL: &str = r#"        esac
        ;;
    esac
}

_tidings "$@"
"#;

pub(super) fn script(commands: &[Command]) -> String {
    let mut text = String::from(HEAD);
    for command in commands {
        let _ = writeln!(text, "            '{}:{}'", command.name, quoted(command.synopsis));
    }
    text.push_str(WORDS);
    for command in commands {
        let _ = writeln!(text, "        {})\n            _arguments \\", command.name);
        for flag in offered(command) {
            let _ = writeln!(text, "                '{}' \\", argument(&flag));
        }
        let words = match command.name {
            _ if takes_files(command) => "*:file:_files",
            "watch" => "1:what:(service)",
            _ => "*: :",
        };
        let _ = writeln!(text, "                '-help[Show what the command does]' \\");
        let _ = writeln!(text, "                '{words}'\n            ;;");
    }
    text + TAIL
}

/// A flag as `_arguments` takes it: its value follows an equals sign or in the next word.
fn argument(flag: &Shown) -> String {
    // A flag that lists values may come several times; with others the last one counts.
    let star = if flag.help.contains("repeatable") || flag.help.contains("several times") { "*" } else { "" };
    let help = quoted(&flag.help).replace('[', "\\[").replace(']', "\\]");
    let value = flag.value.as_deref().unwrap_or_default().to_ascii_lowercase();
    let value = value.replace(':', "\\:");
    let name = &flag.name;
    match Values::of(flag) {
        Values::Switch => format!("{star}-{name}[{help}]"),
        Values::Words(words) => format!("{star}-{name}=[{help}]:{value}:({})", words.join(" ")),
        Values::File => format!("{star}-{name}=[{help}]:{value}:_files"),
        Values::Directory => format!("{star}-{name}=[{help}]:{value}:_files -/"),
        Values::Any => format!("{star}-{name}=[{help}]:{value}: "),
    }
}

/// Text between single quotes, in which a colon separates.
fn quoted(text: &str) -> String {
    text.replace('\'', r"'\''").replace(':', "\\:")
}
