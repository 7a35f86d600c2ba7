//! Keeps what is registered in step with the services and checks of the configuration files.
//!
//! What was registered over HTTP stays, unless a file defines the same ID, which then stands. With a
//! data directory a later run knows what came from files: it stands in a file of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidings_core::registry::check::CheckSpec;
use tidings_core::registry::command::RegistryCommand;
use tidings_core::registry::service::{Service, Text};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::files;
use crate::config::Defined;
use crate::http::Directory;

/// Registrations under way at a time: they reach the disk together.
const TOGETHER: usize = 256;
/// The file in the data directory that tells what came from files.
const FILE_NAME: &str = "from-files.json";

/// What of the files is registered.
pub(super) struct FromFiles {
    directory: Directory,
    path: Option<PathBuf>,
    state: Mutex<State>,
}

struct State {
    /// What the files define.
    current: Arc<Defined>,
    /// What an earlier run may have registered from files, and this one has not looked at yet.
    earlier: Vec<Defined>,
}

/// What is registered here at a moment.
struct Registered {
    services: BTreeMap<Text, Service>,
    checks: BTreeMap<Text, CheckSpec>,
}

impl FromFiles {
    /// Over a running node; what an earlier run left is read from its data directory.
    pub(super) fn new(directory: Directory, data_dir: Option<&Path>) -> Self {
        let path = data_dir.map(|dir| dir.join(FILE_NAME));
        let text = path.as_ref().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let state = State { current: Arc::default(), earlier: Defined::parse_each(&text) };
        FromFiles { directory, path, state: Mutex::new(state) }
    }

    /// Registers what is defined and not there or different, and removes what was defined and is no
    /// more.
    ///
    /// # Errors
    /// What could not be done; then all is as it was, as far as that can be done.
    pub(super) async fn apply(&self, wanted: &Arc<Defined>) -> Result<(), String> {
        let mut state = self.state.lock().await;
        if state.earlier.is_empty() && state.current.is_empty() && wanted.is_empty() {
            return Ok(());
        }
        let before = state.current.clone();
        // First it is noted what may come from files from now on: whenever this process ends, a later one
        // knows at least that much.
        self.note(state.earlier.iter().chain([&*before, &**wanted])).await?;
        let mut known: Vec<&Defined> = state.earlier.iter().collect();
        known.push(&before);
        if let Err(error) = self.change(&known, wanted).await {
            let undone = self.change(&[&**wanted], &before).await;
            let back = undone.err().map(|error| format!("; going back: {error}")).unwrap_or_default();
            return Err(format!("Services of configuration files: {error}{back}"));
        }
        self.note([&**wanted]).await?;
        *state = State { current: wanted.clone(), earlier: Vec::new() };
        Ok(())
    }

    async fn note<'a>(&self, all: impl IntoIterator<Item = &'a Defined>) -> Result<(), String> {
        let Some(path) = self.path.clone() else { return Ok(()) };
        files::replace(path, Defined::render(all)).await
    }

    /// Makes of what is registered what is wanted. What is there of `known` came from files.
    async fn change(&self, known: &[&Defined], wanted: &Defined) -> Result<(), String> {
        let there = self.registered().await;
        self.ask_all(obsolete(known, wanted, &there)).await?;
        // With an instance go its checks, which may be wanted.
        let there = self.registered().await;
        self.ask_all(services(wanted, &there)).await?;
        // After the instances, which they may be about.
        self.ask_all(checks(wanted, &there)).await
    }

    async fn registered(&self) -> Registered {
        self.directory.refresh();
        let node = self.directory.node();
        let checks = node.inspect(|node| node.checks().map(|it| (**it.spec).clone()).collect::<Vec<_>>());
        let checks = checks.await.unwrap_or_default();
        let catalog = self.directory.catalog();
        let services = catalog.node(&node.config().name).into_iter().flat_map(|node| node.services());
        let services = services.filter_map(|it| Some((it.id().clone(), it.record().service()?.clone())));
        Registered {
            services: services.collect(),
            checks: checks.into_iter().map(|spec| (spec.id.clone(), spec)).collect(),
        }
    }

    async fn ask_all(&self, commands: Vec<(String, RegistryCommand)>) -> Result<(), String> {
        let mut under_way = JoinSet::new();
        let mut first_error = None;
        let mut commands = commands.into_iter().fuse();
        loop {
            while under_way.len() < TOGETHER
                && let Some((what, command)) = commands.next()
            {
                let node = self.directory.node().clone();
                under_way.spawn(async move {
                    node.register(command).await.map_err(|error| format!("{what}: {error}"))
                });
            }
            match under_way.join_next().await {
                None => break,
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => first_error = first_error.or(Some(error)),
                Some(Err(error)) => first_error = first_error.or(Some(error.to_string())),
            }
        }
        self.directory.refresh();
        first_error.map_or(Ok(()), Err)
    }
}

/// What came from files, is as it stood there, and stands there no more.
fn obsolete(known: &[&Defined], wanted: &Defined, there: &Registered) -> Vec<(String, RegistryCommand)> {
    let mut commands = BTreeMap::new();
    for known in known {
        for (id, service) in &known.services {
            if !wanted.services.contains_key(id) && there.services.get(id) == Some(service) {
                commands.insert(format!("service \"{id}\""), RegistryCommand::Deregister(id.clone()));
            }
        }
        for (id, check) in &known.checks {
            // How much of its output was kept the settings of that run said, too.
            let is_it =
                |it: &CheckSpec| same(&CheckSpec { output_max: check.output_max, ..it.clone() }, check);
            if !wanted.checks.contains_key(id) && there.checks.get(id).is_some_and(is_it) {
                commands.insert(format!("check \"{id}\""), RegistryCommand::DeregisterCheck(id.clone()));
            }
        }
    }
    commands.into_iter().collect()
}

/// The instances that are not registered as they are wanted, with their checks.
fn services(wanted: &Defined, there: &Registered) -> Vec<(String, RegistryCommand)> {
    let different = wanted.services.iter().filter_map(|(id, service)| {
        let of_it = wanted.checks.values().filter(|check| check.service_id == *id);
        let as_wanted = there.services.get(id) == Some(service);
        let checks: Vec<CheckSpec> = of_it.filter(|check| !is_there(check, there)).cloned().collect();
        (!as_wanted || !checks.is_empty()).then(|| {
            let (id, service) = (id.clone(), service.clone());
            let what = format!("service \"{id}\"");
            (what, RegistryCommand::Register { id, service, checks, replace_checks: false })
        })
    });
    different.collect()
}

/// The other checks that are not registered as they are wanted.
fn checks(wanted: &Defined, there: &Registered) -> Vec<(String, RegistryCommand)> {
    let others = wanted.checks.values().filter(|check| !wanted.services.contains_key(&check.service_id));
    let different = others.filter(|check| !is_there(check, there));
    different.map(|it| (format!("check \"{}\"", it.id), RegistryCommand::RegisterCheck(it.clone()))).collect()
}

fn is_there(check: &CheckSpec, there: &Registered) -> bool {
    there.checks.get(&check.id).is_some_and(|it| same(it, check))
}

/// Whether two checks are the same but for the state they begin in, which a restart changes.
fn same(a: &CheckSpec, b: &CheckSpec) -> bool {
    let without = |it: &CheckSpec| CheckSpec { status: None, ..it.clone() };
    without(a) == without(b)
}
