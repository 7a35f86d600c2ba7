//! The command `agent`: from flags to exit status (serf-agent, sections 3.2 and 5).

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use super::signals::{Asked, Signals};
use super::{Agent, retry};
use crate::config::{AgentConfig, FlagError, Flags, Live, resolve};
use crate::log::{Console, Level, Log};

/// A graceful leave that takes longer is cut short.
const LEAVE_TIME: Duration = Duration::from_secs(3);
/// How long the end of the output may take when nobody reads it.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// Runs `agent` with the words behind it and gives the exit status.
#[must_use]
pub fn run(words: &[OsString]) -> u8 {
    let console = match Console::start(std::io::stdout()) {
        Ok(console) => console,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return 1;
        }
    };
    let words = words.iter().map(|word| word.to_string_lossy());
    let flags = match Flags::parse(words) {
        Ok(flags) => flags,
        Err(error) => return refuse(&console, &error),
    };
    // One thread does: the node is one task, and scripts are processes of their own.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            console.headline(&format!("Failed to start the Serf agent: {error}"));
            console.finish(LAST_OUTPUT);
            return 1;
        }
    };
    let status = match runtime.block_on(start_and_run(&flags, &console)) {
        Ok(status) => status,
        Err(error) => {
            console.headline(&error);
            1
        }
    };
    // A name that is being looked up must not hold up the end.
    runtime.shutdown_background();
    console.finish(LAST_OUTPUT);
    status
}

fn refuse(console: &Console, error: &FlagError) -> u8 {
    let status = match error {
        FlagError::Help => {
            eprint!("{}", Flags::usage());
            0
        }
        FlagError::Usage(problem) => {
            eprintln!("{problem}");
            console.headline(Flags::usage().trim_end());
            1
        }
        FlagError::Value(problem) => {
            console.headline(problem);
            1
        }
    };
    console.finish(LAST_OUTPUT);
    status
}

/// Everything up to a running agent. An error is for the user, and the status is 1.
async fn start_and_run(flags: &Flags, console: &Console) -> Result<u8, String> {
    let settings = flags.read()?;
    let mut config = resolve(&settings, &mut |notice| console.headline(notice))?;
    let log = Log::new(config.live.log_level.clone().unwrap_or(Level::Info), Some(console.clone()));
    console.headline("Starting Serf agent...");
    config
        .load_files(&mut |line| log.info("agent", format_args!("{line}")))
        .map_err(|error| format!("Failed to setup the Serf agent: {error}"))?;
    let mut signals =
        Signals::listen().map_err(|error| format!("Failed to setup the Serf agent: {error}"))?;
    let agent = Agent::start(&config, log.clone()).await?;
    console.headline("Starting Serf agent RPC...");
    console.headline("Serf agent running!");
    describe(console, &config, &agent);

    if !config.start_join.is_empty() {
        let replay = config.replay_on_join;
        console.headline(&format!("Joining cluster...(replay: {replay})"));
        let joined = tokio::select! {
            joined = agent.control().join(config.start_join.clone(), replay) => joined,
            () = ending(&mut signals) => {
                agent.shutdown(false).await;
                return Ok(1);
            }
        };
        match joined {
            Ok(joined) => {
                console.detail(&format!("Join completed. Synced with {} initial agents", joined.contacted))
            }
            Err(error) => {
                agent.shutdown(false).await;
                return Err(error.to_string());
            }
        }
    }
    console.plain("");
    console.headline("Log data will now stream in as it occurs:");
    console.plain("");
    log.release();
    let running = Running { flags, console, log, live: config.live.clone(), config: &config };
    Ok(running.until_the_end(agent, &mut signals).await)
}

/// Waits for a signal that ends the agent.
async fn ending(signals: &mut Signals) {
    while !matches!(signals.next().await, Asked::Interrupt | Asked::Terminate) {}
}

fn describe(console: &Console, config: &AgentConfig, agent: &Agent) {
    let node = agent.control().node();
    let line = |label: &str, value: &str| console.detail(&format!("{label:>27}: {value}"));
    line("Node name", &format!("'{}'", config.core.name));
    line("Bind addr", &format!("'{}'", node.local_addr()));
    if let Some(advertise) = config.advertise {
        console.detail(&format!("Advertise addr: '{advertise}'"));
    }
    line("RPC addr", &format!("'{}'", config.rpc_addr));
    if let Some(http) = agent.http() {
        line("HTTP addr", &format!("'{}'", http.addr()));
    }
    if let Some(rest) = agent.rest() {
        line("Rest addr", &format!("'{}'", rest.addr()));
    }
    if let Some(dns) = agent.dns() {
        line("DNS addr", &format!("'{}'", dns.addr()));
    }
    if let Some(dir) = &config.registry.data_dir {
        line("Data directory", &format!("'{}'", dir.display()));
    }
    line("Encrypted", &(!config.core.security.keys.is_empty()).to_string());
    line("Snapshot", &config.core.snapshot.to_string());
    line("Profile", &config.profile);
    line("Message Compression Enabled", &config.core.packet.compression.to_string());
}

/// How an agent came to its end.
struct End {
    status: u8,
    left: bool,
}

/// The agent after its start.
struct Running<'a> {
    flags: &'a Flags,
    console: &'a Console,
    log: Log,
    config: &'a AgentConfig,
    live: Live,
}

impl Running<'_> {
    async fn until_the_end(mut self, agent: Agent, signals: &mut Signals) -> u8 {
        let end = self.wait(&agent, signals).await;
        agent.shutdown(end.left).await;
        end.status
    }

    async fn wait(&mut self, agent: &Agent, signals: &mut Signals) -> End {
        let retried = retry_join(agent, self.config);
        tokio::pin!(retried);
        loop {
            let asked = tokio::select! {
                asked = signals.next() => asked,
                () = agent.left() => return End { status: 0, left: true },
                reply = agent.reload_asked() => {
                    // Whoever asked may be gone.
                    let _ = reply.send(self.reload(agent).await);
                    continue;
                }
                () = agent.name_lost() => {
                    self.log.warn("serf", format_args!("Shutdown without a Leave"));
                    self.log.warn("agent", format_args!("Serf shutdown detected, quitting"));
                    return End { status: 0, left: true };
                }
                error = agent.control().node().ended() => {
                    self.log.error("agent", format_args!("{error}"));
                    return End { status: 1, left: true };
                }
                () = &mut retried => return End { status: 1, left: false },
            };
            match asked {
                Asked::Metrics => eprint!("{}", agent.metrics().await),
                Asked::Reload => {
                    self.console.headline("Caught signal: hangup");
                    let _ = self.reload(agent).await;
                }
                Asked::Interrupt | Asked::Terminate => return self.end_by(asked, agent, signals).await,
            }
        }
    }

    /// Ends by a signal: gracefully if it is to be so, until patience or another signal ends that.
    async fn end_by(&self, asked: Asked, agent: &Agent, signals: &mut Signals) -> End {
        self.console.headline(&format!("Caught signal: {}", asked.name()));
        let graceful = match asked {
            Asked::Interrupt => !self.live.skip_leave_on_interrupt,
            _ => self.live.leave_on_terminate,
        };
        if !graceful {
            return End { status: 1, left: false };
        }
        self.console.headline("Gracefully shutting down agent...");
        let leave = async {
            if let Err(error) = agent.control().leave().await {
                self.console.headline(&format!("Error: {error}"));
                // Somebody else's leave may be under way; its end, or patience, ends this.
                agent.left().await;
            }
        };
        let again = async { while signals.next().await == Asked::Metrics {} };
        tokio::select! {
            () = leave => End { status: 0, left: true },
            () = again => End { status: 1, left: false },
            () = tokio::time::sleep(LEAVE_TIME) => End { status: 1, left: false },
        }
    }

    /// Reads files and flags again and takes over what can change.
    ///
    /// # Errors
    /// They cannot be used; nothing has changed.
    async fn reload(&mut self, agent: &Agent) -> Result<(), String> {
        self.console.headline("Reloading configuration...");
        let read = self.flags.read().and_then(|settings| Live::new(&settings));
        let live = match read {
            // The certificate last: it can be taken back least.
            Ok(live) => match agent.registry.define(&live.defined).await {
                Ok(()) => {
                    let named = agent.registry.reload_dns(live.dns.as_ref());
                    named.and_then(|()| agent.registry.reload_certificates()).map(|()| live)
                }
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        let live = match live {
            Ok(live) => live,
            Err(error) => {
                self.console.headline(&error);
                self.console.headline("Failed to reload configs");
                return Err(error);
            }
        };
        match &live.log_level {
            Ok(level) => self.log.set_level(*level),
            Err(error) => self.console.headline(error),
        }
        agent.handlers.replace(Arc::clone(&live.handlers));
        let control = agent.control().clone();
        if self.config.tags_file.is_none() && control.tags() != live.tags {
            let (tags, log) = (live.tags.clone(), self.log.clone());
            // Waits for the word to spread, and signals must not wait for that.
            tokio::spawn(async move {
                if let Err(error) = control.replace_tags(tags).await {
                    log.error("agent", format_args!("Failed to update tags: {error}"));
                }
            });
        }
        self.live = live;
        Ok(())
    }
}

/// Returns when retried joins are used up, and else never.
async fn retry_join(agent: &Agent, config: &AgentConfig) {
    if !config.retry_join.is_empty() && retry::join(agent.control().clone(), config).await.is_err() {
        return;
    }
    std::future::pending().await
}
