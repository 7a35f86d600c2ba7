//! `keys`: the encryption keys of the whole cluster.

use clap::{ArgAction, Parser};
use tidings_client::protocol::KeyResponse;
use tidings_client::{Client, Error};

use super::flags::boolean;
use super::rpc::RpcFlags;
use super::table;
use super::terminal::{Failure, Terminal};

#[derive(Debug, Parser)]
#[command(
    about = "Lists and changes the keys that gossip is encrypted with, on all members at once. To rotate:\n  \
             install the new key, use it, remove the old one. Each step may be repeated.",
    override_usage = "tidings keys [options]..."
)]
pub(crate) struct Flags {
    /// Give every member a further key
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    install: String,
    /// List the keys, with how many members have each
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1,
        require_equals = true, value_parser = boolean, default_value = "false")]
    list: bool,
    /// Take a key from every member; the one in use cannot be removed
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    remove: String,
    /// Make every member encrypt with a key it has
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    r#use: String,
    #[command(flatten)]
    rpc: RpcFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

/// What one action says.
struct Words {
    start: &'static str,
    done: &'static str,
    failed: &'static str,
}

static LIST: Words = Words {
    start: "Asking all members for installed keys...",
    done: "Keys gathered, listing cluster keys...",
    failed: "Failed to gather member keys",
};
static INSTALL: Words = Words {
    start: "Installing key on all members...",
    done: "Successfully installed key!",
    failed: "Error installing key",
};
static USE: Words = Words {
    start: "Changing primary key on all members...",
    done: "Successfully changed primary key!",
    failed: "Error changing primary key",
};
static REMOVE: Words = Words {
    start: "Removing key on all members...",
    done: "Successfully removed key!",
    failed: "Error removing key",
};

/// The one thing to do.
enum Action {
    List,
    Install(String),
    Use(String),
    Remove(String),
}

impl Action {
    /// The action asked for; there must be exactly one.
    fn of(flags: &Flags) -> Result<Action, Failure> {
        let given = |make: fn(String) -> Action, key: &String| (!key.is_empty()).then(|| make(key.clone()));
        let mut asked = [
            flags.list.then_some(Action::List),
            given(Action::Install, &flags.install),
            given(Action::Use, &flags.r#use),
            given(Action::Remove, &flags.remove),
        ]
        .into_iter()
        .flatten();
        let action = asked.next().ok_or(Failure::Usage(None))?;
        match asked.next() {
            None => Ok(action),
            Some(_) => Err(Failure::Line("Only one of -install, -use, -remove, or -list allowed".to_owned())),
        }
    }

    fn words(&self) -> &'static Words {
        match self {
            Action::List => &LIST,
            Action::Install(_) => &INSTALL,
            Action::Use(_) => &USE,
            Action::Remove(_) => &REMOVE,
        }
    }

    async fn ask(&self, client: &Client) -> Result<KeyResponse, Error> {
        match self {
            Action::List => client.list_keys().await,
            Action::Install(key) => client.install_key(key).await,
            Action::Use(key) => client.use_key(key).await,
            Action::Remove(key) => client.remove_key(key).await,
        }
    }
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    let action = Action::of(&flags)?;
    let client = flags.rpc.connect(terminal).await?;
    let words = action.words();
    terminal.line(format_args!("==> {}", words.start))?;
    let report = match action.ask(&client).await {
        Ok(report) => report,
        Err(error) => return fail(words, error, terminal),
    };
    terminal.line(format_args!("==> {}", words.done))?;
    if matches!(action, Action::List) {
        terminal.line("")?;
        terminal.line(holders(&report))?;
    }
    Ok(0)
}

/// Tells what each node said, then what went wrong altogether.
fn fail(words: &Words, error: Error, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    if let Error::Keys { report, .. } = &error
        && !report.messages.is_empty()
    {
        let row =
            |(node, message): (&String, &String)| vec!["failed:".to_owned(), node.clone(), message.clone()];
        terminal.line(table::render(&report.messages.iter().map(row).collect::<Vec<_>>()))?;
    }
    terminal.line("")?;
    Err(Failure::because(words.failed, error))
}

/// Each key with the members that have it.
fn holders(report: &KeyResponse) -> String {
    let row = |(key, have): (&String, &i64)| vec![key.clone(), format!("[{have}/{}]", report.num_nodes)];
    table::render(&report.keys.iter().flatten().map(row).collect::<Vec<_>>())
}
