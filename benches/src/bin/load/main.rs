//! `load [SECONDS]`: what a registry with many services and many clients costs one agent.
//!
//! An agent serves HTTP and DNS on loopback; clients with kept connections ask as fast as they are
//! answered, for so many seconds (2) at each line. The aims are five times what Consul 1.8.7 does. Both
//! share the machine, so that a line shows the agent's processor time for each answer, too: on a core of
//! its own it does as many a second as fit.
//!
//! *Equal* questions are such that the agent may remember its answer. Each of those *built anew* has a
//! parameter that no other has, so that it cannot. *While others register*, every hundredth request
//! registers a service of another name. Waiters all wait for one service of one instance, which then
//! changes once; what is shown is the time to the last answer.

mod report;
mod waiters;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use report::{Aim, Row};
use tidings_benches::fleet::{self, Agent, Failure, Options};
use tidings_benches::srv;
use tidings_benches::web::Connection;
use tokio::task::JoinSet;

/// Clients that ask at the same time.
const CLIENTS: usize = 16;
/// Services and waiters of the larger lines.
const MANY: usize = 10_000;
/// Open files that the waiters need, on both sides.
const FILES: u64 = 12_000;

fn main() -> ExitCode {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    // Whoever may not raise it hears so when the waiters come.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
    fleet::measure(Duration::from_secs(90), &[2], run)
}

/// An agent under load.
pub(crate) struct Bench {
    agent: Agent,
    http: SocketAddr,
    dns: SocketAddr,
    span: Duration,
}

async fn run(options: Options) -> Result<(), Failure> {
    report::heading();
    let bench = Bench::start(options.clone(), 0).await?;
    for (count, name) in [(10, "ten"), (100, "hundred")] {
        bench.fill(count, |i| service(name, &format!("{name}-{i}"), 8000 + i)).await?;
    }
    bench.health().await?;
    bench.names().await?;
    bench.registrations(100, "registrations among 100 instances", Aim::AtLeast(5_000.0)).await?;
    waiters::wake(&bench, 100, "last of 100 waiters woken", Aim::AtMost(5.4)).await?;
    waiters::wake(&bench, MANY, "last of 10,000 waiters woken", Aim::None).await?;
    // One that has not known better days.
    drop(bench);
    let bench = Bench::start(options, 1).await?;
    bench.fill(MANY, |i| service(&format!("service-{i}"), &format!("service-{i}"), i)).await?;
    let resident = bench.agent.usage()?.resident as f64 / f64::from(1 << 20);
    let aim = Aim::AtMost(69.0);
    Row { what: "memory with 10,000 services", measured: resident, unit: "MiB", aim, each: None }.print();
    bench.registrations(MANY, "registrations among 10,000 services", Aim::AtLeast(100.0)).await?;
    bench.fill(10, |i| service("ten", &format!("ten-{i}"), 8000 + i)).await?;
    bench.health_beside_many().await
}

/// The registration of an instance with a check.
fn service(name: &str, id: &str, port: usize) -> String {
    format!(
        r#"{{"ID":"{id}","Name":"{name}","Port":{port},"Address":"10.1.2.3","Tags":["primary","v1"],"Meta":{{"version":"1.2.3"}},"Check":{{"CheckID":"{id}-ttl","TTL":"1h","Status":"passing"}}}}"#
    )
}

/// The request that load balancers send.
fn health_of(name: &str, more: &str) -> (&'static str, String, String) {
    ("GET", format!("/v1/health/service/{name}?passing{more}"), String::new())
}

/// What the `n`-th request of a client is.
type Ask = fn(client: usize, n: usize) -> (&'static str, String, String);

impl Bench {
    /// Starts the `i`-th agent.
    async fn start(mut options: Options, i: usize) -> Result<Bench, Failure> {
        let span = Duration::from_secs(options.numbers[0].clamp(1, 4) as u64);
        let ip = fleet::address(i, 0).ip();
        let (http, dns) = (SocketAddr::new(ip, 8500), SocketAddr::new(ip, 8600));
        options.flags.insert(0, format!("-http-addr={http}"));
        options.flags.insert(1, format!("-dns-addr={dns}"));
        Ok(Bench { agent: Agent::start(options, i).await?, http, dns, span })
    }

    /// Registers many.
    async fn fill(&self, count: usize, body: impl Fn(usize) -> String) -> Result<(), Failure> {
        let mut connection = self.connect(0).await?;
        for i in 0..count {
            let answer = connection.call("PUT", REGISTER, &body(i)).await.map_err(broken)?;
            if answer.status != 200 {
                return Err(format!("a registration was answered with {}", answer.status));
            }
        }
        Ok(())
    }

    async fn health(&self) -> Result<(), Failure> {
        let ten = Aim::AtLeast(38_000.0);
        let hundred = Aim::AtLeast(6_000.0);
        self.rate("health of 10 instances, equal", ten, |_, _| health_of("ten", "")).await?;
        let anew: Ask = |client, n| health_of("ten", &format!("&x={client}-{n}"));
        self.rate("health of 10 instances, built anew", ten, anew).await?;
        self.rate("health of 100 instances, equal", hundred, |_, _| health_of("hundred", "")).await?;
        let anew: Ask = |client, n| health_of("hundred", &format!("&x={client}-{n}"));
        self.rate("health of 100 instances, built anew", hundred, anew).await
    }

    async fn health_beside_many(&self) -> Result<(), Failure> {
        let ask: Ask = |client, n| match n % 100 {
            99 => {
                let name = format!("service-{client}");
                ("PUT", REGISTER.to_owned(), service(&name, &name, n))
            }
            _ => health_of("ten", ""),
        };
        self.rate("health of 10 instances, while others register", Aim::AtLeast(38_000.0), ask).await
    }

    async fn registrations(&self, count: usize, what: &'static str, aim: Aim) -> Result<(), Failure> {
        let many: Ask = |client, n| {
            let i = (client * 625 + n) % MANY;
            let name = format!("service-{i}");
            ("PUT", REGISTER.to_owned(), service(&name, &name, n))
        };
        // The hundred instances of one service are replaced by others of its name.
        let few: Ask = |client, n| {
            let id = format!("hundred-{}", (client * 6 + n) % 100);
            ("PUT", REGISTER.to_owned(), service("hundred", &id, n))
        };
        self.rate(what, aim, if count == MANY { many } else { few }).await
    }

    /// How many requests a second are answered.
    async fn rate(&self, what: &'static str, aim: Aim, ask: Ask) -> Result<(), Failure> {
        let mut clients = Vec::new();
        for i in 0..CLIENTS {
            clients.push(self.connect(i).await?);
        }
        let before = self.agent.usage()?.cpu;
        let start = Instant::now();
        let end = start + self.span;
        let mut asking = JoinSet::new();
        for (i, mut client) in clients.into_iter().enumerate() {
            asking.spawn(async move {
                let mut answers = 0_u32;
                while Instant::now() < end {
                    let (method, path, body) = ask(i, answers as usize);
                    let answer = client.call(method, &path, &body).await.map_err(broken)?;
                    if answer.status != 200 {
                        return Err(format!("{method} {path} was answered with {}", answer.status));
                    }
                    answers += 1;
                }
                Ok::<_, Failure>(answers)
            });
        }
        let mut answers = 0;
        while let Some(counted) = asking.join_next().await {
            answers += counted.map_err(|error| error.to_string())??;
        }
        let measured = f64::from(answers) / start.elapsed().as_secs_f64();
        let each = self.agent.usage()?.cpu.saturating_sub(before) / answers.max(1);
        Row { what, measured, unit: "/s", aim, each: Some(each) }.print();
        Ok(())
    }

    /// How many SRV questions a second are answered.
    async fn names(&self) -> Result<(), Failure> {
        for (what, name) in [
            ("SRV of 10 instances", "ten.service.consul"),
            ("SRV of 100 instances, as many as fit", "hundred.service.consul"),
        ] {
            let before = self.agent.usage()?.cpu;
            let (server, span) = (self.dns, self.span);
            let counting = tokio::task::spawn_blocking(move || srv::count(server, name, span));
            let counted = counting.await.map_err(|error| error.to_string())?.map_err(broken)?;
            let answers = u32::try_from(counted.answers).unwrap_or(u32::MAX);
            let each = self.agent.usage()?.cpu.saturating_sub(before) / answers.max(1);
            let measured = counted.answers as f64 / span.as_secs_f64();
            let aim = Aim::AtLeast(25_000.0);
            Row { what, measured, unit: "/s", aim, each: Some(each) }.print();
        }
        Ok(())
    }

    pub(crate) async fn connect(&self, i: usize) -> Result<Connection, Failure> {
        Connection::open(self.http, i).await.map_err(broken)
    }

    pub(crate) const fn agent(&self) -> &Agent {
        &self.agent
    }
}

pub(crate) const REGISTER: &str = "/v1/agent/service/register";

pub(crate) fn broken(error: std::io::Error) -> Failure {
    format!("the agent's HTTP or DNS: {error}")
}
