//! Apps that register by a simple REST interface, as the agent Blued had it (seed-systems, section 1):
//! register, say that you are still there, ask where what you use is.
//!
//! What an app provides becomes instances in the registry, each with a check of the kind `ttl`: there
//! they are known to all, over HTTP, DNS and the command line alike. Only here is known which app has
//! which, and what it uses.
//!
//! | file | purpose |
//! |---|---|
//! | `rest` | the requests |
//! | `app` | an app, and what it becomes in the registry |
//! | `apps` | those registered here, until their time is over |
//! | `address` | their addresses in paths and in the catalog |
//! | `routers` | where each service is |
//! | `heard`, `announce` | what agents of the original say, and are told |

mod address;
mod announce;
mod app;
mod apps;
mod heard;
mod rest;
mod routers;

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tidings_client::protocol::Router;
use tidings_core::CommandError;
use tidings_core::registry::command::{RegistryCommand, RegistryError};
use tidings_tokio::Error;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) use self::announce::{EVENTS, RPC_ADDR};
pub use self::app::App;
use self::apps::Apps;
pub(crate) use self::rest::Shown;
use self::routers::{Checksum, Routers};
use crate::agent::Control;
use crate::http::{Directory, Limits, Style, serve};

/// Requests about as many addresses are carried out at the same time.
const TURNS: usize = 64;

/// What the interface is about.
pub struct Setup {
    /// The catalog.
    pub directory: Directory,
    /// The agent's operations on its node.
    pub control: Control,
    /// How long an app lives that says nothing.
    pub ttl: Duration,
    /// What clients have to show; `None`: nothing.
    pub token: Option<String>,
    /// Where the agent's RPC listens.
    pub rpc_addr: SocketAddr,
}

/// The apps of an agent, and the routers of the cluster. Clones share them.
#[derive(Clone)]
pub struct Blued(Arc<Inner>);

struct Inner {
    control: Control,
    directory: Directory,
    ttl: Duration,
    token: Option<String>,
    rpc_addr: SocketAddr,
    apps: Apps,
    routers: Routers,
    /// One request about an address at a time.
    turns: [Mutex<()>; TURNS],
    /// There is an earlier deadline.
    sooner: Notify,
}

/// Why an app is not registered.
#[derive(Debug)]
enum Refusal {
    /// This agent has no room.
    Full(String),
    /// It is too large.
    TooLarge(String),
    /// Anything else.
    Failed(String),
}

/// How an app fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fresh {
    live: bool,
    checksum: Checksum,
}

impl Blued {
    /// Apps and routers over a running node.
    #[must_use]
    pub fn new(setup: Setup) -> Blued {
        let Setup { directory, control, ttl, token, rpc_addr } = setup;
        Blued(Arc::new(Inner {
            control,
            routers: Routers::new(directory.clone()),
            directory,
            ttl,
            token,
            rpc_addr,
            apps: Apps::default(),
            turns: [const { Mutex::const_new(()) }; TURNS],
            sooner: Notify::new(),
        }))
    }

    /// The apps registered here, by address.
    #[must_use]
    pub fn apps(&self) -> Vec<Arc<App>> {
        self.0.apps.list(Instant::now())
    }

    /// All routers, by service.
    #[must_use]
    pub fn routers(&self) -> Vec<Router> {
        self.0.routers.all()
    }

    /// Takes over what another agent knows, in the place of what was heard in events. What the
    /// registry knows stays.
    pub fn replace_routers(&self, mut routers: Vec<Router>) {
        {
            let catalog = self.0.directory.catalog();
            for router in &mut routers {
                router.addrs.retain(|it| routers::is_heard(&catalog, &it.node));
            }
        }
        if !self.0.routers.heard.replace(&routers) {
            self.0.control.log().warn("agent", format_args!("not all routers can be remembered"));
        }
    }

    fn name(&self) -> &str {
        &self.0.control.node().config().name
    }

    /// Whoever holds an address's turn is alone with it.
    fn turn(&self, addr: &str) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        addr.hash(&mut hasher);
        &self.0.turns[hasher.finish() as usize % TURNS]
    }

    /// In which life this member is: another one after it was held failed, when agents of the original
    /// have dropped its addresses.
    fn life(&self) -> u64 {
        self.0.control.node().view().local().map_or(0, |member| member.incarnation().into())
    }

    /// Registers an app in the place of the one at its address; wholly or not at all.
    async fn register(&self, app: App) -> Result<(), Refusal> {
        let Inner { control, directory, ttl, apps, sooner, .. } = &*self.0;
        let _turn = self.turn(&app.addr).lock().await;
        if !apps.has_room(&app.addr) {
            let max = apps::APPS_MAX;
            return Err(Refusal::Full(format!("this agent holds {max} apps and may not hold more")));
        }
        let before = apps.known(&app.addr);
        let had: BTreeSet<&String> = before.iter().flat_map(|app| &app.providers).collect();
        let now = Instant::now();
        for (place, provider) in app.providers.iter().enumerate() {
            if let Err(error) = control.node().register(app::registration(&app.addr, provider, *ttl)).await {
                let added = app.providers[..=place].iter().filter(|name| !had.contains(name));
                self.deregister(&app.addr, added).await;
                return Err(error.into());
            }
        }
        let has: BTreeSet<&String> = app.providers.iter().collect();
        self.deregister(&app.addr, had.difference(&has).copied()).await;
        let app = Arc::new(app);
        if apps.put(Arc::clone(&app), now + *ttl, self.life()) {
            sooner.notify_one();
        }
        // What a client has been told is done can be read.
        directory.refresh();
        self.announce(&app).await;
        Ok(())
    }

    /// What is not there any more needs no removal, and what cannot be removed ends with its time.
    async fn deregister(&self, addr: &str, providers: impl Iterator<Item = &String>) {
        for provider in providers {
            let command = RegistryCommand::Deregister(app::instance_id(addr, provider));
            if let Err(error) = self.0.control.node().register(command).await {
                self.0.control.log().warn("agent", format_args!("'{provider}' of '{addr}' stays: {error}"));
            }
        }
    }

    /// Starts the time of an app anew.
    async fn refresh(&self, addr: &str) -> Fresh {
        let _turn = self.turn(addr).lock().await;
        let dead = Fresh { live: false, checksum: Checksum::default() };
        let now = Instant::now();
        let Some(live) = self.0.apps.live(addr, now) else { return dead };
        for provider in &live.app.providers {
            let renewed = self.0.control.node().register(app::renewal(addr, provider)).await;
            // Somebody has removed it by other ways: the app has to register again.
            if let Err(Error::Command(CommandError::Registry(RegistryError::NotTtl(_))) | Error::Stopped) =
                renewed
            {
                self.withdraw(addr).await;
                return dead;
            }
        }
        let life = self.life();
        self.0.apps.put(Arc::clone(&live.app), now + self.0.ttl, life);
        if life != live.life {
            self.announce(&live.app).await;
        }
        Fresh { live: true, checksum: self.checksum_for(&live.app) }
    }

    /// The sum of the checksums of what an app uses.
    fn checksum_for(&self, app: &App) -> Checksum {
        let mut sum = Checksum::default();
        app.consumers.iter().for_each(|service| sum.add(self.0.routers.checksum(service)));
        sum
    }

    /// Where what an app uses is; `None`: there is no such app.
    fn fetch(&self, addr: &str) -> Option<Vec<Router>> {
        let live = self.0.apps.live(addr, Instant::now())?;
        Some(live.app.consumers.iter().filter_map(|service| self.0.routers.of(service)).collect())
    }

    /// Takes an app out, wherever it is known. Its turn must be held.
    async fn withdraw(&self, addr: &str) {
        let Some(app) = self.0.apps.remove(addr) else { return };
        self.deregister(addr, app.providers.iter()).await;
        self.0.directory.refresh();
        // Agents of the original would drop the address whoever announced it last.
        if !app.providers.iter().any(|service| self.0.routers.is_at(service, addr)) {
            self.withdraw_address(addr).await;
        }
    }

    /// Takes out apps whose time is over, for as long as it runs.
    async fn sweep(self) {
        loop {
            let next = self.0.apps.next_deadline();
            tokio::select! {
                () = until(next) => {}
                () = self.0.sooner.notified() => continue,
            }
            while let Some(addr) = self.0.apps.expired(Instant::now()) {
                let _turn = self.turn(&addr).lock().await;
                if self.0.apps.live(&addr, Instant::now()).is_none() {
                    self.withdraw(&addr).await;
                }
            }
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let words = error.to_string();
        match error {
            Error::Command(CommandError::Registry(RegistryError::TooLarge { .. })) => {
                Refusal::TooLarge(words)
            }
            Error::Command(CommandError::Registry(RegistryError::TooMany(_))) => Refusal::Full(words),
            _ => Refusal::Failed(words),
        }
    }
}

/// The interface at work. Dropped, it takes no more requests.
pub struct Rest {
    blued: Blued,
    addr: SocketAddr,
    tasks: [JoinHandle<()>; 3],
}

impl Rest {
    /// Serves apps on a listening socket.
    ///
    /// # Errors
    /// The socket has no address any more.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(listener: TcpListener, blued: Blued, limits: Limits) -> io::Result<Rest> {
        let addr = listener.local_addr()?;
        let events = blued.0.control.node().subscribe();
        let tasks = [
            tokio::spawn(blued.clone().listen(events)),
            tokio::spawn(blued.clone().sweep()),
            serve(listener, Arc::new(blued.clone()), limits, Style { pretty: false }, None),
        ];
        Ok(Rest { blued, addr, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The apps and routers it serves.
    #[must_use]
    pub const fn blued(&self) -> &Blued {
        &self.blued
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
