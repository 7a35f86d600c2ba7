//! What can be asked of a running agent, by RPC and by its own start: each with its log lines, in
//! the original's words.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tidings_core::{Command, CommandError, KeyCommand, KeyReport, QueryParams};
use tidings_tokio::{Error, Handle, Joined, QueryStream};

use super::files;
use crate::config::render_tags;
use crate::log::Log;

/// The agent's own operations on its node. Clones share it.
#[derive(Clone)]
pub struct Control(Arc<Inner>);

struct Inner {
    node: Handle,
    log: Log,
    tags_file: Option<PathBuf>,
    /// The tags as configured and changed since; what others see of them depends on the protocol.
    tags: Mutex<BTreeMap<String, String>>,
    /// One change of tags at a time, so that the file and the node agree.
    tags_turn: tokio::sync::Mutex<()>,
}

impl Control {
    /// Over a running node with these tags.
    #[must_use]
    pub fn new(
        node: Handle,
        log: Log,
        tags: BTreeMap<String, String>,
        tags_file: Option<PathBuf>,
    ) -> Control {
        let (tags, tags_turn) = (Mutex::new(tags), tokio::sync::Mutex::new(()));
        Control(Arc::new(Inner { node, log, tags_file, tags, tags_turn }))
    }

    /// The node itself.
    #[must_use]
    pub fn node(&self) -> &Handle {
        &self.0.node
    }

    /// Where all of it is logged.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.0.log
    }

    /// The own tags as they are set now.
    #[must_use]
    pub fn tags(&self) -> BTreeMap<String, String> {
        self.0.tags.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Enters a cluster through any of these addresses; no address is no error.
    ///
    /// # Errors
    /// None of them worked.
    pub async fn join(&self, addresses: Vec<String>, replay: bool) -> Result<Joined, Error> {
        let log = &self.0.log;
        log.info("agent", format_args!("joining: [{}] replay: {replay}", addresses.join(" ")));
        if addresses.is_empty() {
            return Ok(Joined { contacted: 0, failures: Vec::new() });
        }
        let result = self.0.node.join(addresses, replay).await;
        match &result {
            Ok(joined) => {
                for failure in &joined.failures {
                    log.debug("memberlist", format_args!("{failure}"));
                }
                log.info("agent", format_args!("joined: {} nodes", joined.contacted));
            }
            Err(error) => log.warn("agent", format_args!("error joining: {error}")),
        }
        result
    }

    /// Leaves gracefully.
    ///
    /// # Errors
    /// A leave is under way already.
    pub async fn leave(&self) -> Result<(), Error> {
        self.0.log.info("agent", format_args!("requesting graceful leave from Serf"));
        self.0.node.leave().await
    }

    /// Turns a failed member into one that left.
    ///
    /// # Errors
    /// The word did not get through in time.
    pub async fn force_leave(&self, node: String, prune: bool) -> Result<(), Error> {
        let how = if prune { " (prune)" } else { "" };
        self.0.log.info("agent", format_args!("Force leaving node{how}: {node}"));
        let result = self.0.node.force_leave(node, prune).await;
        if let Err(error) = &result {
            self.0.log.warn("agent", format_args!("failed to remove node: {error}"));
        }
        result
    }

    /// Sends a user event.
    ///
    /// # Errors
    /// It is too large.
    pub async fn user_event(&self, name: String, payload: Bytes, coalesce: bool) -> Result<(), Error> {
        let shown = String::from_utf8_lossy(&payload);
        self.0.log.debug(
            "agent",
            format_args!("Requesting user event send: {name}. Coalesced: {coalesce}. Payload: {shown:?}"),
        );
        let result = self.0.node.user_event(name, payload, coalesce).await;
        if let Err(error) = &result {
            self.0.log.warn("agent", format_args!("failed to send user event: {error}"));
        }
        result
    }

    /// Asks the cluster.
    ///
    /// # Errors
    /// It is too large or its name is reserved.
    pub async fn query(&self, params: QueryParams) -> Result<QueryStream, Error> {
        let shown = String::from_utf8_lossy(&params.payload);
        self.0.log.debug("agent", format_args!("Requesting query send: {}. Payload: {shown:?}", params.name));
        let result = self.0.node.query(params).await;
        if let Err(error) = &result {
            self.0.log.warn("agent", format_args!("failed to start user query: {error}"));
        }
        result
    }

    /// A key operation on the whole cluster.
    ///
    /// # Errors
    /// Not every member carried it out; then with the report.
    pub async fn keys(&self, command: KeyCommand) -> Result<KeyReport, Error> {
        let what = match &command {
            KeyCommand::Install(_) => "key installation",
            KeyCommand::Use(_) => "primary key change",
            KeyCommand::Remove(_) => "key removal",
            KeyCommand::List => "key listing",
        };
        self.0.log.info("agent", format_args!("Initiating {what}"));
        self.0.node.keys(command).await
    }

    /// Changes the own tags, deletions first, and writes them to their file if there is one.
    ///
    /// # Errors
    /// They are too large, did not get through in time, or could not be written.
    pub async fn update_tags(&self, delete: &[String], set: BTreeMap<String, String>) -> Result<(), String> {
        let mut tags = self.tags();
        tags.retain(|key, _| !delete.contains(key));
        tags.extend(set);
        self.replace_tags(tags).await
    }

    /// Sets the own tags as a whole, and writes them to their file if there is one.
    ///
    /// # Errors
    /// As for [`Control::update_tags`].
    pub async fn replace_tags(&self, tags: BTreeMap<String, String>) -> Result<(), String> {
        let _turn = self.0.tags_turn.lock().await;
        let set = tags.clone().into_iter().collect();
        let command = Command::UpdateTags { delete: Vec::new(), set, replace: true };
        let result = self.0.node.command(command).await;
        // Without confirmation the change is in force all the same.
        let in_force = matches!(&result, Ok(_) | Err(Error::Command(CommandError::UpdateTimedOut)));
        if in_force {
            self.0.tags.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&tags);
            self.write_tags(&tags).await?;
        }
        result.map(|_| ()).map_err(|error| error.to_string())
    }

    async fn write_tags(&self, tags: &BTreeMap<String, String>) -> Result<(), String> {
        let Some(path) = self.0.tags_file.clone() else { return Ok(()) };
        let text = render_tags(tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        files::replace(path, text).await.map_err(|error| format!("failed to write tags file: {error}"))
    }
}
