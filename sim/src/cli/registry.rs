//! `tidings-sim registry`: services at scale.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Failure, say};
use crate::registry::scenario::{Measured, Scenario, Story};

/// Measure how services spread in a large cluster that has known of many for long.
#[derive(Debug, Args)]
pub(super) struct Registry {
    #[command(subcommand)]
    story: Ask,
    /// Hosts.
    #[arg(long, global = true, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    members: u32,
    /// Instances in all, each with a check that has a TTL.
    #[arg(long, global = true, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    services: u32,
    /// Everything random follows from it.
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Ask {
    /// Instances change one after the other. Exit status 1: 99.9 % of the hosts did not know within
    /// three seconds.
    Spread {
        /// How many.
        #[arg(long, default_value_t = 10)]
        changes: u32,
    },
    /// Some hosts are cut off, instances change on both sides, the network heals.
    Partition {
        /// How many hosts are cut off. Half of them is much more work than services are: each side
        /// comes to hold the other dead.
        #[arg(long, default_value_t = 100)]
        hosts: u32,
        /// How long it lasts, as in `8s`.
        #[arg(long, default_value = "8s", value_parser = crate::span::parse)]
        lasts: Duration,
        /// How many instances change on either side.
        #[arg(long, default_value_t = 100)]
        changes: u32,
    },
    /// The TTLs of many instances end in the same moment.
    Expiry {
        /// How many.
        #[arg(long, default_value_t = 5_000)]
        instances: u32,
    },
    /// Hosts lose their power together and come back with their disks, three times.
    Storm {
        /// How many.
        #[arg(long, default_value_t = 100)]
        hosts: u32,
    },
}

impl Registry {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let story = match self.story {
            Ask::Spread { changes } => Story::Spread { changes: changes as usize },
            Ask::Partition { hosts, lasts, changes } if (1..self.members).contains(&hosts) => {
                Story::Partition { hosts: hosts as usize, lasts, changes: changes as usize }
            }
            Ask::Partition { hosts, .. } => return Err(self.some_but_not_all(hosts)),
            Ask::Expiry { instances } if instances <= self.services => {
                Story::Expiry { instances: instances as usize }
            }
            Ask::Expiry { instances } => {
                return Err(format!("--instances {instances}: there are {} services", self.services).into());
            }
            Ask::Storm { hosts } if (1..self.members).contains(&hosts) => {
                Story::Storm { hosts: hosts as usize }
            }
            Ask::Storm { hosts } => return Err(self.some_but_not_all(hosts)),
        };
        let (members, services) = (self.members as usize, self.services as usize);
        let measured = Scenario { members, services, story }.measure(self.seed);
        say(format_args!("{members} hosts, {services} instances, {story:?}"));
        say(in_words(&measured));
        let bound = Duration::from_secs(3);
        let late =
            matches!(story, Story::Spread { .. }) && measured.known[2].1.is_none_or(|needed| needed > bound);
        let missed = measured.known[3].1.is_none();
        if late || missed { Err(Failure::Found) } else { Ok(()) }
    }
}

impl Registry {
    fn some_but_not_all(&self, hosts: u32) -> Failure {
        format!("--hosts {hosts}: allowed are 1 to {}", self.members - 1).into()
    }
}

fn in_words(measured: &Measured) -> String {
    let known = measured.known.map(|(share, time)| {
        let time = time.map_or_else(|| "never".to_owned(), |time| format!("{:.2} s", time.as_secs_f64()));
        format!("{} % {time}", share * 100.0)
    });
    let memory = measured.memory.map_or_else(|| "?".to_owned(), |bytes| format!("{} MiB", bytes >> 20));
    format!(
        "  known to   {}\n  made in    {:.1} s\n  ran        {:.1} s of virtual time in {:.1} s\n  memory     \
         {memory} at most\n  traffic    {:.0} bytes in datagrams and {:.0} on streams a host and second",
        known.join(", "),
        measured.start.as_secs_f64(),
        measured.virtual_time.as_secs_f64(),
        measured.wall.as_secs_f64(),
        measured.datagram_rate,
        measured.stream_rate,
    )
}
