//! Completions for bash, 4 or newer.

use std::fmt::Write as _;

use super::super::Command;
use super::{Values, offered, takes_files};

const HEAD: &str = r#"# Completions of tidings for bash. Made from the program's own flags; put it, as "tidings", into
# /usr/share/bash-completion/completions, or source it.

# Flags of a command; those that take a value end in "=".
_tidings_flags() {
    case $1 in
"#;

const VALUES: &str = r#"    esac
}

# Values of a command's flag: words, "<file>", "<dir>", "<any>" or, for a switch, nothing.
_tidings_values() {
    case $1:$2 in
"#;

const TAIL: &str = r#"    esac
}

_tidings_fill() {
    case $1 in
    '<file>') mapfile -t COMPREPLY < <(compgen -f -- "$2"); compopt -o filenames 2>/dev/null ;;
    '<dir>') mapfile -t COMPREPLY < <(compgen -d -- "$2"); compopt -o filenames 2>/dev/null ;;
    '<any>') ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2") ;;
    esac
}

_tidings() {
    local cur=${COMP_WORDS[COMP_CWORD]} at=$((COMP_CWORD - 1)) flag='' values dashes='' offer
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$_tidings_commands" -- "$cur")
        return
    fi
    local command=${COMP_WORDS[1]}
    # An equals sign is a word of its own here.
    if [[ $cur == '=' ]]; then
        flag=${COMP_WORDS[at]} cur=''
    elif [[ ${COMP_WORDS[at]} == '=' ]]; then
        flag=${COMP_WORDS[at - 1]}
    elif [[ ${COMP_WORDS[at]} == -* && ${COMP_WORDS[at - 1]} != '=' ]]; then
        flag=${COMP_WORDS[at]}
    fi
    if [[ $flag == -* ]]; then
        flag=${flag#-}
        values=$(_tidings_values "$command" "${flag#-}")
        if [[ -n $values ]]; then
            _tidings_fill "$values" "$cur"
            return
        fi
    fi
    if [[ $cur == -* ]]; then
        [[ $cur == --* ]] && dashes=-
        offer=$(_tidings_flags "$command")
        mapfile -t COMPREPLY < <(compgen -P "$dashes" -W "$offer" -- "${cur#"$dashes"}")
        [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
        return 0
    fi
"#;

pub(super) fn script(commands: &[Command]) -> String {
    let mut text = String::from(HEAD);
    for command in commands {
        let flags = offered(command).into_iter().map(|flag| match flag.value {
            Some(_) => format!("-{}=", flag.name),
            None => format!("-{}", flag.name),
        });
        let flags: Vec<String> = flags.chain(["-help".to_owned()]).collect();
        let _ = writeln!(text, "    {}) echo '{}' ;;", command.name, flags.join(" "));
    }
    text.push_str(VALUES);
    for command in commands {
        for flag in offered(command) {
            let values = match Values::of(&flag) {
                Values::Switch => continue,
                Values::Words(words) => words.join(" "),
                Values::File => "<file>".to_owned(),
                Values::Directory => "<dir>".to_owned(),
                Values::Any => "<any>".to_owned(),
            };
            let _ = writeln!(text, "    {}:{}) echo '{values}' ;;", command.name, flag.name);
        }
    }
    text.push_str(TAIL);
    let names = |keep: fn(&&Command) -> bool, between| {
        commands.iter().filter(keep).map(|command| command.name).collect::<Vec<_>>().join(between)
    };
    let _ = writeln!(
        text,
        "    case $command in\n    {}) _tidings_fill '<file>' \"$cur\" ;;",
        names(|c| takes_files(c), "|")
    );
    text.push_str("    watch) _tidings_fill 'service' \"$cur\" ;;\n    esac\n}\n\n");
    let _ = writeln!(text, "_tidings_commands='{}'", names(|_| true, " "));
    text + "complete -F _tidings tidings\n"
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::folder;

    /// What bash would offer for words, the last of which is being typed.
    fn offers(words: &[&str]) -> Option<Vec<String>> {
        let script = r#"source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tidings; printf '%s\n' "${COMPREPLY[@]}""#;
        let file = folder().join("completions/tidings.bash");
        let run = Command::new("bash").args(["-c", script, "bash"]).arg(file).args(words).output();
        let Ok(run) = run else {
            eprintln!("skipped: there is no bash here");
            return None;
        };
        assert!(run.stderr.is_empty(), "{}", String::from_utf8_lossy(&run.stderr));
        let text = String::from_utf8(run.stdout).expect("text");
        Some(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    #[test]
    fn bash_offers_commands_flags_with_one_dash_and_their_values() {
        let cases: &[(&[&str], &[&str])] = &[
            (&["tidings", "mem"], &["members"]),
            (&["tidings", "ro"], &["routers"]),
            (&["tidings", "members", "-d"], &["-detailed"]),
            (&["tidings", "members", "--f"], &["--format="]),
            (&["tidings", "members", "-rpc"], &["-rpc-addr=", "-rpc-auth="]),
            (&["tidings", "members", "-format", "="], &["text", "json"]),
            (&["tidings", "members", "-format", "=", "j"], &["json"]),
            (&["tidings", "members", "-format", "te"], &["text"]),
            (&["tidings", "members", "-detailed", "-na"], &["-name="]),
            (&["tidings", "members", "-format", "=", "json", "-de"], &["-detailed"]),
            (&["tidings", "members", "-name", "-de"], &[]),
            (&["tidings", "agent", "-profile", "=", ""], &["lan", "wan", "local"]),
            (&["tidings", "agent", "-sn"], &[]),
            (&["tidings", "keygen", "-"], &["-help"]),
            (&["tidings", "watch", "s"], &["service"]),
            (&["tidings", "nonsense", "-x"], &[]),
        ];
        for (words, expected) in cases {
            let Some(offers) = offers(words) else { return };
            assert_eq!(offers, *expected, "{words:?}");
        }
    }
}
