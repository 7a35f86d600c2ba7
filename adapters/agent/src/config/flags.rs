//! The flags of `agent`, in Go's grammar: `-x=v`, `-x v`, `--x`; booleans take a value only with
//! `=`; the first other word or `--` ends them (serf-agent, sections 1 and 3).

use std::fmt::Write as _;
use std::path::PathBuf;

use super::file::{self, Source};
use super::settings::{Settings, Slot};
use super::tags::parse_tag;
use crate::cli::flags::{boolean, integer};
use crate::duration;
use crate::quote::Quoted;

/// A flag, the setting it stands for, and what the help says about it.
struct Flag {
    name: &'static str,
    key: &'static str,
    /// What the value is, for the help; empty: a switch.
    value: &'static str,
    help: &'static str,
}

const fn flag(name: &'static str, key: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { name, key, value, help }
}

/// All flags, sorted by name.
const FLAGS: &[Flag] = &[
    flag("advertise", "advertise", "addr", "Address told to the other members, if not the bound one"),
    flag("bind", "bind", "addr", "Address to listen on for gossip, default 0.0.0.0:7946"),
    flag("broadcast-timeout", "broadcast_timeout", "time", "How long a broadcast may take, default 5s"),
    flag(
        "config-dir",
        "",
        "dir",
        "Directory with *.json files to read in the order of their names; repeatable",
    ),
    flag("config-file", "", "file", "JSON file to read; repeatable, later ones win"),
    flag("data-dir", "data_dir", "dir", "Directory in which registrations outlive the process"),
    flag("datacenter", "datacenter", "name", "Name of the data centre, default dc1"),
    flag("dev", "dev", "", "To try things: on the loopback, HTTP and DNS on, nothing on disk"),
    flag("disable-compression", "disable_compression", "", "Do not compress gossip"),
    flag("discover", "discover", "name", "(not supported) mDNS cluster name"),
    flag("dns-addr", "dns_addr", "addr", "Serve names by DNS at this address; port 8600 if none"),
    flag("domain", "domain", "name", "Domain of the names of services and nodes, default consul"),
    flag(
        "enable-local-script-checks",
        "enable_local_script_checks",
        "",
        "Checks in configuration files may run programs on this host",
    ),
    flag("enable-script-checks", "enable_script_checks", "", "Checks may run programs on this host"),
    flag("encrypt", "encrypt_key", "key", "Base64 of the 16, 24 or 32 bytes that encrypt gossip"),
    flag("event-handler", "event_handlers", "spec", "Script to run on events, [FILTER=]SCRIPT; repeatable"),
    flag("http-addr", "http_addr", "addr", "Serve the registry over HTTP at this address; port 8500 if none"),
    flag(
        "http-cert-file",
        "http_cert_file",
        "file",
        "Serve HTTP over TLS with the certificate in this PEM file",
    ),
    flag("http-key-file", "http_key_file", "file", "PEM file with the key of that certificate"),
    flag("http-open", "http_open", "", "Serve HTTP to other hosts without a token, too"),
    flag("http-token", "http_token", "text", "Token that clients of HTTP have to show"),
    flag("iface", "interface", "name", "Network interface to take the address from"),
    flag("join", "start_join", "addr", "Member to join at start, or exit; repeatable"),
    flag("keyring-file", "keyring_file", "file", "JSON list of gossip keys, rewritten when they change"),
    flag(
        "log-level",
        "log_level",
        "level",
        "Lowest level of the log: trace, debug, info (default), warn, err",
    ),
    flag("mdns-disable-ipv4", "mdns", "", "(not supported)"),
    flag("mdns-disable-ipv6", "mdns", "", "(not supported)"),
    flag("mdns-iface", "mdns", "name", "(not supported)"),
    flag("node", "node_name", "name", "Unique name of this member, default the host's name"),
    flag("node-meta", "node_meta", "k=v", "What this node says of itself in the catalog; repeatable"),
    flag("profile", "profile", "name", "Timing: lan (default), wan or local"),
    flag("protocol", "protocol", "n", "Serf protocol to speak, 2 to 5 (default)"),
    flag("recursor", "recursors", "addr", "Name server to ask for names of others; repeatable"),
    flag("rejoin", "rejoin_after_leave", "", "Ignore an earlier leave in the snapshot"),
    flag("replay", "replay_on_join", "", "Deliver user events from before the join"),
    flag("rest-addr", "rest_addr", "addr", "Let apps register by REST at this address; port 8341 if none"),
    flag("retry-interval", "retry_interval", "time", "Time between retried joins, default 30s"),
    flag("retry-join", "retry_join", "addr", "Member to join in the background until it works; repeatable"),
    flag("retry-max", "retry_max_attempts", "n", "Retries before giving up, default 0: no limit"),
    flag("role", "role", "name", "Old form of -tag role=NAME"),
    flag("rpc-addr", "rpc_addr", "addr", "Address of the RPC server, default 127.0.0.1:7373"),
    flag("service-ttl", "service_ttl", "n", "Seconds such an app lives without a word, default 60"),
    flag("snapshot", "snapshot_path", "file", "(not supported)"),
    flag("syslog", "enable_syslog", "", "(not supported)"),
    flag("tag", "tags", "k=v", "Tag of this member; repeatable"),
    flag("tags-file", "tags_file", "file", "JSON object the tags are kept in; not together with -tag"),
    flag("ui", "ui", "", "Show services and nodes on a web page, too: /ui/ where HTTP is served"),
];

/// Parsed flags: which files to read, and what overrides them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    sources: Vec<Source>,
    settings: Settings,
}

/// Why flags were not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlagError {
    /// Help was asked for.
    Help,
    /// The flags are wrong; the usage should follow.
    Usage(String),
    /// A value is wrong, for the user as one line.
    Value(String),
}

impl Flags {
    /// Parses the words behind `agent`.
    ///
    /// # Errors
    /// The first word that is wrong.
    pub fn parse<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Result<Flags, FlagError> {
        let mut flags = Flags::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let word = word.as_ref();
            let Some(rest) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else { break };
            let rest = rest.strip_prefix('-').unwrap_or(rest);
            if rest.is_empty() {
                break;
            }
            let (name, value) = match rest.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (rest, None),
            };
            if name.is_empty() || name.starts_with('-') {
                return Err(FlagError::Usage(format!("bad flag syntax: {word}")));
            }
            let Some(flag) = FLAGS.iter().find(|flag| flag.name == name) else {
                return Err(match name {
                    "h" | "help" => FlagError::Help,
                    _ => FlagError::Usage(format!("flag provided but not defined: -{name}")),
                });
            };
            let value = match value {
                Some(value) => value,
                None if flag.value.is_empty() => "true".to_owned(),
                None => match words.next() {
                    Some(value) => value.as_ref().to_owned(),
                    None => return Err(FlagError::Usage(format!("flag needs an argument: -{name}"))),
                },
            };
            flags.set(flag, value)?;
        }
        Ok(flags)
    }

    fn set(&mut self, flag: &Flag, value: String) -> Result<(), FlagError> {
        let name = flag.name;
        let wrong = |kind: &str, value: &str| {
            FlagError::Usage(format!("invalid {kind}value {} for flag -{name}: parse error", Quoted(value)))
        };
        match name {
            "config-file" => self.sources.push(Source::File(PathBuf::from(&value))),
            "config-dir" => self.sources.push(Source::Dir(PathBuf::from(&value))),
            _ => {}
        }
        match self.settings.slot(flag.key) {
            None => {}
            Some(Slot::Text(place)) => *place = value,
            Some(Slot::Texts(place)) => place.push(value),
            Some(Slot::Bool(place)) => *place = boolean(&value).map_err(|_| wrong("boolean ", &value))?,
            Some(Slot::Int(place)) => *place = integer(&value).map_err(|_| wrong("", &value))?,
            Some(Slot::Duration(place)) => {
                *place =
                    duration::parse(&value).map_err(|error| FlagError::Value(format!("Error: {error}")))?;
            }
            Some(Slot::Map(place)) => {
                let (key, value) = parse_tag(&value).map_err(|e| FlagError::Value(format!("Error: {e}")))?;
                place.insert(key, value);
            }
            Some(Slot::Unsupported) if boolean(&value) == Ok(false) || value.is_empty() => {}
            Some(Slot::Unsupported) => return Err(FlagError::Value(file::unsupported(&format!("-{name}")))),
            Some(Slot::Switch(_) | Slot::Definitions(_) | Slot::Group | Slot::Ignored) => {
                unreachable!("no flag stands for such a setting")
            }
        }
        Ok(())
    }

    /// Reads the files, and lays the flags over them. Can be repeated to see changed files.
    ///
    /// # Errors
    /// A file cannot be read or understood.
    pub fn read(&self) -> Result<Settings, String> {
        let mut settings = file::read_sources(&self.sources)?;
        settings.merge(self.settings.clone());
        Ok(settings)
    }

    /// The help text.
    #[must_use]
    pub fn usage() -> String {
        let mut text = String::from(
            "Usage: tidings agent [options]\n\n  Starts the agent: runs until an interrupt, then leaves gracefully.\n\n\
             Options:\n\n",
        );
        for flag in FLAGS {
            let left = match flag.value {
                "" => format!("-{}", flag.name),
                value => format!("-{}={value}", flag.name),
            };
            writeln!(text, "  {left:<28}{}", flag.help).expect("writing to a string cannot fail");
        }
        text
    }

    /// The flags, for packages.
    #[cfg(test)]
    pub(crate) fn shown() -> Vec<crate::cli::flags::Shown> {
        let shown = |flag: &Flag| crate::cli::flags::Shown {
            name: flag.name.to_owned(),
            value: Some(flag.value.to_owned()).filter(|value| !value.is_empty()),
            help: flag.help.to_owned(),
        };
        FLAGS.iter().map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_follow_the_grammar_of_go() {
        let flags = Flags::parse([
            "-node=a",
            "--bind",
            "127.0.0.1",
            "-replay",
            "-rejoin=false",
            "-tag",
            "x=y=z",
            "-tag=w=",
            "-protocol=4",
            "-retry-interval=5s",
            "-config-dir=d",
            "-config-file",
            "f",
            "stop",
            "-node=b",
        ])
        .unwrap();
        let settings = &flags.settings;
        assert_eq!((settings.node_name.as_str(), settings.bind.as_str()), ("a", "127.0.0.1"));
        assert_eq!((settings.replay_on_join, settings.rejoin_after_leave), (true, false));
        assert_eq!((settings.tags["x"].as_str(), settings.tags["w"].as_str()), ("y=z", ""));
        assert_eq!((settings.protocol, settings.retry_interval.as_secs()), (4, 5));
        assert_eq!(flags.sources, [Source::Dir("d".into()), Source::File("f".into())], "in the order given");
    }

    #[test]
    fn wrong_flags_are_refused_in_the_words_of_the_original() {
        let usage = |text: &str| FlagError::Usage(text.into());
        let value = |text: &str| FlagError::Value(text.into());
        let cases = [
            ("-nope", usage("flag provided but not defined: -nope")),
            ("-node", usage("flag needs an argument: -node")),
            ("-protocol=x", usage("invalid value \"x\" for flag -protocol: parse error")),
            ("-replay=x", usage("invalid boolean value \"x\" for flag -replay: parse error")),
            ("-retry-interval=5", value("Error: time: missing unit in duration \"5\"")),
            ("-tag=zzz", value("Error: Invalid tag: 'zzz'")),
            ("-snapshot=x", value("-snapshot is not supported by this version of tidings; remove it")),
            ("-syslog", value("-syslog is not supported by this version of tidings; remove it")),
            ("-h", FlagError::Help),
        ];
        for (word, expected) in cases {
            assert_eq!(Flags::parse([word]).unwrap_err(), expected, "{word}");
        }
    }

    #[test]
    fn every_flag_has_a_setting_and_stands_in_the_help() {
        let usage = Flags::usage();
        for flag in FLAGS {
            let is_source = flag.name.starts_with("config-");
            assert!(is_source || Settings::default().slot(flag.key).is_some(), "{}", flag.name);
            assert!(usage.contains(&format!("  -{}", flag.name)));
        }
        assert!(FLAGS.is_sorted_by_key(|flag| flag.name));
    }
}
