//! The commands, and requests as a whole.

use super::discovery::Router;
use super::request::{
    Auth, Event, ForceLeave, GetCoordinate, Handshake, Join, KeyRequest, MembersFiltered, Monitor, Query,
    RequestHeader, Respond, Stop, Stream, Tags,
};
use super::{Malformed, Message};

/// Lists each command once: its word, its name, and the body it has, if any.
macro_rules! commands {
    ($($(#[$attr:meta])* $word:literal $name:ident $(($body:ty))?,)*) => {
        /// What a request asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Command {
            $($(#[$attr])* $name,)*
        }

        impl Command {
            /// All of them.
            pub const ALL: &'static [Command] = &[$(Command::$name),*];

            /// The word in the header.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Command::$name => $word,)*
                }
            }

            /// Decodes the body that follows the header; commands without body have nothing to
            /// decode, and `body` is not looked at.
            ///
            /// # Errors
            /// If `body` is not this command's.
            pub fn decode_request(self, body: &[u8]) -> Result<Request, Malformed> {
                Ok(match self {
                    $(Command::$name => commands!(@decode $name body $($body)?),)*
                })
            }

            /// Whether a body follows the header.
            #[must_use]
            pub const fn has_body(self) -> bool {
                match self {
                    $(Command::$name => commands!(@has $($body)?),)*
                }
            }
        }

        /// A request: a command with its body.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $($(#[$attr])* $name $(($body))?,)*
        }

        impl Request {
            /// What it asks for.
            #[must_use]
            pub const fn command(&self) -> Command {
                match self {
                    $(Request::$name { .. } => Command::$name,)*
                }
            }

            fn encode_body(&self, out: &mut Vec<u8>) {
                match self {
                    $(commands!(@bind $name body $($body)?) => commands!(@encode body out $($body)?),)*
                }
            }
        }
    };
    (@decode $name:ident $bytes:ident) => { Request::$name };
    (@decode $name:ident $bytes:ident $body:ty) => { Request::$name(<$body>::decode($bytes)?) };
    (@has) => { false };
    (@has $body:ty) => { true };
    (@bind $name:ident $bound:ident) => { Request::$name };
    (@bind $name:ident $bound:ident $body:ty) => { Request::$name($bound) };
    (@encode $bound:ident $out:ident) => { {} };
    (@encode $bound:ident $out:ident $body:ty) => { $bound.encode($out) };
}

commands! {
    /// Agree on the version; first of all.
    "handshake" Handshake(Handshake),
    /// Show the key of the agent.
    "auth" Auth(Auth),
    /// Send a user event.
    "event" Event(Event),
    /// Make a failed member one that left.
    "force-leave" ForceLeave(ForceLeave),
    /// Enter a cluster.
    "join" Join(Join),
    /// List the members.
    "members" Members,
    /// List members that match.
    "members-filtered" MembersFiltered(MembersFiltered),
    /// Receive events.
    "stream" Stream(Stream),
    /// Receive the log.
    "monitor" Monitor(Monitor),
    /// End a stream or monitor.
    "stop" Stop(Stop),
    /// Leave the cluster and end the agent.
    "leave" Leave,
    /// Change the agent's tags.
    "tags" Tags(Tags),
    /// Ask the cluster.
    "query" Query(Query),
    /// Answer a query.
    "respond" Respond(Respond),
    /// Give every member a further key.
    "install-key" InstallKey(KeyRequest),
    /// Make every member encrypt with a key.
    "use-key" UseKey(KeyRequest),
    /// Take a key from every member.
    "remove-key" RemoveKey(KeyRequest),
    /// Ask every member for its keys.
    "list-keys" ListKeys,
    /// Describe the agent.
    "stats" Stats,
    /// Where a member is in the network.
    "get-coordinate" GetCoordinate(GetCoordinate),
    /// List the apps registered at the agent.
    "list-microapps" ListMicroApps,
    /// List where each service is.
    "list-routers" ListRouters,
    /// Take over what another agent knows of where services are.
    "update-routers" UpdateRouters(Vec<Router>),
}

impl Command {
    /// The command with this word; `None` if there is none.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Command> {
        Command::ALL.iter().copied().find(|command| command.as_str() == word)
    }
}

impl Request {
    /// Appends header and body to `out`.
    pub fn encode(&self, seq: u64, out: &mut Vec<u8>) {
        RequestHeader { command: self.command().as_str().to_owned(), seq }.encode(out);
        self.encode_body(out);
    }
}
