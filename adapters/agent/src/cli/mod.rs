//! The command line: finds the command, parses its flags, runs it (serf-agent, sections 1 and 2).
//!
//! Output goes to the writers given, so that everything but signals can be tried in a process.

mod apps;
mod deregister;
mod event;
pub(crate) mod flags;
mod force_leave;
mod go_value;
mod health;
mod info;
mod interrupt;
mod join;
mod json;
mod keygen;
mod keys;
mod leave;
mod members;
mod monitor;
mod nodes;
#[cfg(test)]
mod packaging;
mod query;
mod reachability;
mod register;
mod routers;
mod rpc;
mod rtt;
mod service;
mod services;
mod sync;
mod table;
mod tag;
mod tags;
pub(crate) mod terminal;
mod version;
mod watch;
mod web;

use std::ffi::OsString;
use std::io::Write;

use clap::Parser;

use flags::FlagError;
use terminal::{Failure, Terminal};

/// A command as the dispatcher sees it.
struct Command {
    name: &'static str,
    /// One line for the list of commands.
    synopsis: &'static str,
    usage: fn() -> String,
    /// What the pages and completions of a package say about its flags.
    #[cfg(test)]
    flags: fn() -> Vec<flags::Shown>,
    /// Runs it with the words behind its name and returns the exit status.
    run: fn(&[OsString], &mut Terminal<'_>) -> u8,
}

/// A client command: `module` has its `Flags` and its `run`.
macro_rules! client {
    ($module:ident, $name:literal, $synopsis:literal) => {
        Command {
            name: $name,
            synopsis: $synopsis,
            usage: flags::usage::<$module::Flags>,
            #[cfg(test)]
            flags: flags::shown::<$module::Flags>,
            run: |words, terminal| run_client(words, terminal, $module::run),
        }
    };
}

/// All commands, sorted by name.
const COMMANDS: &[Command] = &[
    Command {
        name: "agent",
        synopsis: "Runs a Tidings agent",
        usage: crate::config::Flags::usage,
        #[cfg(test)]
        flags: crate::config::Flags::shown,
        run: |words, _| crate::agent::run(words),
    },
    client!(apps, "apps", "Lists the apps registered at the agent"),
    client!(deregister, "deregister", "Removes service instances from the agent"),
    client!(event, "event", "Send a custom event through the cluster"),
    client!(force_leave, "force-leave", "Forces a member of the cluster to enter the \"left\" state"),
    client!(health, "health", "Lists checks and how they fare"),
    client!(info, "info", "Provides debugging information for operators"),
    client!(join, "join", "Tell the agent to join a cluster"),
    Command {
        name: "keygen",
        synopsis: "Generates a new encryption key",
        usage: keygen::usage,
        #[cfg(test)]
        flags: Vec::new,
        run: keygen::run,
    },
    client!(keys, "keys", "Manipulate the encryption keys of the cluster"),
    client!(leave, "leave", "Gracefully leaves the cluster and shuts the agent down"),
    client!(members, "members", "Lists the members of a cluster"),
    client!(monitor, "monitor", "Stream logs and events from an agent"),
    client!(nodes, "nodes", "Lists the nodes of the catalog"),
    client!(query, "query", "Send a query to the cluster"),
    client!(reachability, "reachability", "Test network reachability"),
    client!(register, "register", "Registers service instances at the agent"),
    client!(routers, "routers", "Lists where services are"),
    client!(rtt, "rtt", "Estimates network round trip time between nodes"),
    client!(service, "service", "Shows the instances of a service"),
    client!(services, "services", "Lists the services of the cluster"),
    client!(sync, "sync", "Takes over the routers of another agent"),
    client!(tags, "tags", "Modify tags of a running agent"),
    Command {
        name: "version",
        synopsis: "Prints the version of Tidings",
        usage: version::usage,
        #[cfg(test)]
        flags: Vec::new,
        run: version::run,
    },
    client!(watch, "watch", "Prints each change of a service's instances"),
];

/// Exit status when there is no such command, or none was given.
const NO_COMMAND: u8 = 127;

/// Runs the program with the words behind its name, and returns the exit status.
///
/// `env` looks up variables of the environment.
pub fn run(
    args: &[OsString],
    env: &dyn Fn(&str) -> Option<String>,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> u8 {
    let terminal = &mut Terminal { stdout, stderr, env };
    if args.iter().any(|arg| arg == "-v" || arg == "--version") {
        return version::run(&[], terminal);
    }
    let wants_help = args.iter().take_while(|arg| *arg != "--").any(is_help);
    let place = args.iter().position(|arg| arg == "--" || !arg.is_empty() && !starts_with_dash(arg));
    let command = place.and_then(|place| COMMANDS.iter().find(|command| args[place] == command.name));
    let Some((place, command)) = place.zip(command) else {
        let status = if wants_help && place.is_none() { 0 } else { NO_COMMAND };
        return tell(terminal, &usage(), status);
    };
    if wants_help {
        return tell(terminal, &(command.usage)(), 0);
    }
    if args[..place].iter().any(starts_with_dash) {
        let text = format!(
            "Invalid flags before the subcommand. If these flags are for\n\
             the subcommand, please put them after the subcommand.\n\n{}",
            (command.usage)()
        );
        return tell(terminal, &text, 1);
    }
    (command.run)(&args[place + 1..], terminal)
}

fn starts_with_dash(arg: &OsString) -> bool {
    arg.as_encoded_bytes().first() == Some(&b'-')
}

fn is_help(arg: &OsString) -> bool {
    ["-h", "-help", "--help"].iter().any(|help| arg == help)
}

/// The usage of the whole program.
fn usage() -> String {
    let width = COMMANDS.iter().map(|command| command.name.len()).max().unwrap_or(0);
    let mut text =
        String::from("Usage: tidings [--version] [--help] <command> [<args>]\n\nAvailable commands are:\n");
    for Command { name, synopsis, .. } in COMMANDS {
        text.push_str(&format!("    {name:<width$}    {synopsis}\n"));
    }
    text + "\n"
}

/// Says something on stderr. That nobody hears it is no reason to fail in another way.
fn tell(terminal: &mut Terminal<'_>, text: &str, status: u8) -> u8 {
    let _ = writeln!(terminal.stderr, "{text}");
    status
}

/// Parses a client command's flags and runs it to its end.
fn run_client<F: Parser>(
    words: &[OsString],
    terminal: &mut Terminal<'_>,
    run: impl AsyncFnOnce(F, &mut Terminal<'_>) -> Result<u8, Failure>,
) -> u8 {
    let flags = match flags::parse::<F>(words) {
        Ok(flags) => flags,
        Err(FlagError(message)) => {
            if let Some(message) = message {
                tell(terminal, &message, 1);
            }
            return report::<F>(Failure::Usage(None), terminal);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report::<F>(Failure::because("Cannot start", error), terminal),
    };
    match runtime.block_on(run(flags, terminal)) {
        Ok(status) => status,
        Err(failure) => report::<F>(failure, terminal),
    }
}

/// Tells why a command failed.
fn report<F: Parser>(failure: Failure, terminal: &mut Terminal<'_>) -> u8 {
    let text = match failure {
        Failure::Line(line) => line,
        Failure::Usage(None) => flags::usage::<F>(),
        Failure::Usage(Some(message)) => format!("{message}\n\n{}", flags::usage::<F>()),
        Failure::Silent | Failure::Output => return 1,
    };
    // Without a reader there is nothing left to say.
    let _ = terminal.line(text);
    1
}
