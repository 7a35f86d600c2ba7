//! Completions for fish, 3 or newer.

use std::fmt::Write as _;

use super::super::Command;
use super::{Values, offered, takes_files};

const HEAD: &str = r#"# Completions of tidings for fish. Made from the program's own flags; put it into
# /usr/share/fish/vendor_completions.d.

function __tidings_is
    set -l words (commandline -opc)
    test (count $words) -gt 1; and test $words[2] = $argv[1]
end

function __tidings_first
    test (count (commandline -opc)) -eq 1
end

complete -c tidings -f
"#;

pub(super) fn script(commands: &[Command]) -> String {
    let mut text = String::from(HEAD);
    for Command { name, synopsis, .. } in commands {
        let _ = writeln!(text, "complete -c tidings -n __tidings_first -a {name} -d {}", quoted(synopsis));
    }
    for command in commands {
        let condition = format!("complete -c tidings -n '__tidings_is {}'", command.name);
        let _ = writeln!(text, "\n# {}", command.name);
        for flag in offered(command) {
            let values = match Values::of(&flag) {
                Values::Switch => String::new(),
                Values::Words(words) => format!(" -x -a '{}'", words.join(" ")),
                Values::File => " -r -F".to_owned(),
                Values::Directory => " -x -a '(__fish_complete_directories)'".to_owned(),
                Values::Any => " -x".to_owned(),
            };
            let _ = writeln!(text, "{condition} -o {}{values} -d {}", flag.name, quoted(&flag.help));
        }
        let _ = writeln!(text, "{condition} -o help -d 'Show what the command does'");
        if takes_files(command) {
            let _ = writeln!(text, "{condition} -F");
        }
        if command.name == "watch" {
            let _ = writeln!(text, "{condition} -a service");
        }
    }
    text
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}
