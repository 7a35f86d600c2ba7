//! Manual pages.

use std::fmt::Write as _;

use super::super::Command;
use super::super::flags::Shown;
use super::super::version::VERSION;

/// How flags are written, on every page that has some.
const GRAMMAR: &str = "Flags have one dash or two, and their value behind an equals sign or in the next word; \
    a switch takes one only behind an equals sign (\\fB\\-x=false\\fR). They end at the first other word or at \
    \\fB\\-\\-\\fR.";

const ENVIRONMENT: [(&str, &str); 4] = [
    ("TIDINGS_RPC_ADDR, SERF_RPC_ADDR", "Address of the agent's RPC, where -rpc-addr does not give it."),
    ("TIDINGS_RPC_AUTH, SERF_RPC_AUTH", "Key of the agent's RPC, where -rpc-auth does not give it."),
    (
        "TIDINGS_HTTP_ADDR, CONSUL_HTTP_ADDR",
        "Address of the agent's HTTP interface, where -http-addr does not give it.",
    ),
    (
        "TIDINGS_HTTP_TOKEN, CONSUL_HTTP_TOKEN",
        "Token for the agent's HTTP interface, where -token does not give it.",
    ),
];

const SIGNALS: [(&str, &str); 3] = [
    ("SIGINT", "Leave the cluster and end; a second one ends at once."),
    ("SIGTERM", "End without leaving, to be found failed; with leave_on_terminate, leave."),
    ("SIGHUP", "Read the configuration files again."),
];

/// The page of the whole program.
pub(super) fn program(commands: &[Command]) -> String {
    let mut page = head("tidings", "cluster membership, failure detection, events and queries");
    page.push_str(
        ".SH SYNOPSIS\n\\fBtidings\\fR [\\-\\-version] [\\-\\-help] \\fIcommand\\fR [\\fIargs\\fR]\n",
    );
    page.push_str(
        ".SH DESCRIPTION\nThe agent of a cluster without servers, and the commands that talk to one.\n",
    );
    let _ = writeln!(page, ".PP\n{GRAMMAR}");
    page.push_str(".SH COMMANDS\n");
    for command in commands {
        let reference = format!("\\fBtidings\\-{}\\fR(1)", escaped(command.name));
        let _ = writeln!(page, ".TP\n{reference}\n{}", line(command.synopsis));
    }
    section(&mut page, "ENVIRONMENT", &ENVIRONMENT);
    page.push_str(".SH EXIT STATUS\n0: done. 1: it failed, and said why. 127: there is no such command.\n");
    page
}

/// The page of a command: what its help says, laid out.
pub(super) fn command(command: &Command) -> String {
    let name = format!("tidings-{}", command.name);
    let usage = (command.usage)();
    let (synopsis, rest) = usage.split_once('\n').expect("a line of usage");
    let about = rest.trim_start().split("\n\n").next().unwrap_or_default();
    let about: Vec<&str> = about.lines().map(str::trim).collect();

    let mut page = head(&name, command.synopsis);
    let _ = writeln!(page, ".SH SYNOPSIS\n{}", line(synopsis.trim_start_matches("Usage: ")));
    let _ = writeln!(page, ".SH DESCRIPTION\n{}", line(&about.join(" ")));
    let flags = (command.flags)();
    if !flags.is_empty() {
        let _ = writeln!(page, ".SH OPTIONS\n{GRAMMAR}");
        flags.iter().for_each(|flag| option(&mut page, flag));
    }
    if command.name == "agent" {
        section(&mut page, "SIGNALS", &SIGNALS);
    }
    page.push_str(".SH SEE ALSO\n\\fBtidings\\fR(1)\n");
    page
}

fn head(name: &str, synopsis: &str) -> String {
    let title = escaped(&name.to_uppercase());
    format!(
        ".TH \"{title}\" 1 \"\" \"tidings {VERSION}\" \"Tidings\"\n.SH NAME\n{} \\- {}\n",
        escaped(name),
        line(synopsis)
    )
}

fn option(page: &mut String, flag: &Shown) {
    let value = flag.value.as_ref().map(|value| format!("=\\fI{}\\fR", escaped(value)));
    let (name, value) = (escaped(&flag.name), value.unwrap_or_default());
    let _ = writeln!(page, ".TP\n\\fB\\-{name}\\fR{value}\n{}", line(&flag.help));
}

fn section(page: &mut String, title: &str, entries: &[(&str, &str)]) {
    let _ = writeln!(page, ".SH {title}");
    for (name, text) in entries {
        let _ = writeln!(page, ".TP\n\\fB{}\\fR\n{}", escaped(name), line(text));
    }
}

/// A line of text, which must not look like a request.
fn line(text: &str) -> String {
    let text = escaped(text);
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq")
}
