//! The one who watches a run and keeps what a report needs.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tidings_core::{Output, Time};

use super::alarm::FailureEvent;
use super::detect::{Crash, Detection};
use super::names::Names;
use super::sample::{Sample, Samples};
use super::spread::{Curve, Item, News, Spread};
use super::strip::{Row, Strip};
use crate::cluster::Cluster;
use crate::net::HostId;
use crate::rider::Rider;
use crate::watch::Sight;
use crate::world::World;

/// Watches a cluster for a report. It changes nothing: the digest of a run is the same with and
/// without it.
///
/// Nodes must be traced ([`Plan::traced`](crate::Plan::traced)); scripts see to that.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Rc<RefCell<Option<Watching>>>);

/// A fault as it happened.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultSpan {
    /// What it is, as in a script.
    pub what: String,
    /// When it began.
    pub from: Time,
    /// When it ended; `None`: not before the run did.
    pub to: Option<Time>,
}

/// What was seen of a run.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The number of hosts.
    pub members: usize,
    /// When the watching began and ended.
    pub from: Time,
    /// See `from`.
    pub to: Time,
    /// Others that a node gossips to in each round.
    pub fanout: usize,
    /// Length of a gossip round.
    pub gossip_interval: Duration,
    /// Share of the datagrams that the network lost.
    pub loss: f64,
    /// Steps of equal length.
    pub samples: Vec<Sample>,
    /// News and how they spread; those that do not fit are in [`Recording::items_left_out`].
    pub items: Vec<Item>,
    /// News that were not followed.
    pub items_left_out: u64,
    /// How news spread on average, sort by sort.
    pub curves: Vec<(News, Curve)>,
    /// Processes that ended without a word.
    pub crashes: Vec<Crash>,
    /// Failure events told to applications (the first 20,000).
    pub failures: Vec<FailureEvent>,
    /// All of them, by kind as in [`Alarm::ALL`](super::Alarm::ALL).
    pub failure_counts: [u64; 5],
    /// Members that defended themselves.
    pub refuted: u64,
    /// Members of whom somebody held something other than alive, or who were hampered.
    pub rows: Vec<Row>,
    /// More members than there is room for had something to show.
    pub rows_left_out: bool,
    /// Only a part of the members was asked what they hold.
    pub holders_sampled: bool,
    /// Faults as they happened.
    pub faults: Vec<FaultSpan>,
}

#[derive(Debug)]
struct Watching {
    from: Time,
    names: Names,
    samples: Samples,
    spread: Spread,
    detection: Detection,
    strip: Strip,
    faults: Vec<FaultSpan>,
}

impl Recorder {
    /// A recorder that watches nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Watches a cluster from now on.
    pub fn attach<R: Rider>(&self, cluster: &mut Cluster<R>) {
        *self.0.borrow_mut() = Some(Watching {
            from: cluster.now(),
            names: Names::default(),
            samples: Samples::new(cluster.now()),
            spread: Spread::default(),
            detection: Detection::default(),
            strip: Strip::new(cluster.hosts().len()),
            faults: Vec::new(),
        });
        let watching = self.0.clone();
        cluster.watch_from_now(move |world: &World<R>, host: HostId, sight: &Sight<'_>| {
            if let Some(watching) = watching.borrow_mut().as_mut() {
                watching.see(world, host, sight);
            }
            None
        });
    }

    /// Ends the watching.
    ///
    /// # Panics
    /// If nothing was watched.
    #[must_use]
    pub fn finish<R: Rider>(&self, cluster: &Cluster<R>) -> Recording {
        let watching = self.0.borrow_mut().take();
        watching.expect("a cluster was watched").finish(cluster)
    }
}

impl Watching {
    fn see<R: Rider>(&mut self, world: &World<R>, host: HostId, sight: &Sight<'_>) {
        while self.samples.due() <= world.now() {
            self.step(world, self.samples.due());
        }
        match sight {
            Sight::Started => {
                self.names.learn(world.hosts()[host].name(), host);
                self.detection.on_start(world, host);
                self.strip.on_life(world, &self.names, host, true);
            }
            Sight::Stopped => {
                self.detection.on_stop(world, host);
                self.strip.on_life(world, &self.names, host, false);
            }
            Sight::Fault(text) => self.on_fault(world, text),
            Sight::Output(Output::Trace(trace)) => {
                let decision = &trace.decision;
                self.strip.on_decision(&self.names, host, decision);
                self.detection.on_decision(world, &self.names, host, (decision, &trace.cause));
                let subject = match decision {
                    tidings_core::Decision::State { member, .. } => self.names.host(member),
                    _ => None,
                };
                self.spread.on_decision(world, host, decision, subject);
            }
            Sight::Output(Output::Event(event)) => {
                self.spread.on_event(world, host, event);
                self.detection.on_event(world, &self.names, host, event);
            }
            Sight::Output(output) => self.samples.on_output(host, output),
            _ => {}
        }
    }

    fn step<R: Rider>(&mut self, world: &World<R>, at: Time) {
        self.strip.on_fault(world, &self.names);
        self.strip.end(world);
        if self.samples.end(world, at) {
            self.strip.halve();
        }
    }

    fn on_fault<R: Rider>(&mut self, world: &World<R>, text: &str) {
        let now = world.now();
        if let Some(what) = text.strip_prefix("begins: ") {
            self.faults.push(FaultSpan { what: what.to_owned(), from: now, to: None });
        } else if let Some(what) = text.strip_prefix("ends: ") {
            let open = self.faults.iter_mut().find(|span| span.to.is_none() && span.what == what);
            if let Some(span) = open {
                span.to = Some(now);
            }
        }
    }

    fn finish<R: Rider>(mut self, cluster: &Cluster<R>) -> Recording {
        while self.samples.due() <= cluster.now() {
            self.step(cluster, self.samples.due());
        }
        let net = cluster.net();
        let config = cluster.hosts().first().map(|host| host.config());
        Recording {
            members: cluster.hosts().len(),
            from: self.from,
            to: cluster.now(),
            fanout: config.map_or(3, |config| config.gossip.nodes),
            gossip_interval: config.map_or(Duration::from_millis(200), |config| config.gossip.interval),
            loss: net.lost as f64 / net.datagrams.max(1) as f64,
            samples: self.samples.done,
            items: self.spread.items,
            items_left_out: self.spread.left_out,
            curves: self.spread.curves.into_iter().collect(),
            crashes: self.detection.crashes,
            failures: self.detection.failures,
            failure_counts: self.detection.counts,
            refuted: self.detection.refuted,
            rows_left_out: self.strip.left_out,
            holders_sampled: self.strip.is_sampled(),
            rows: self.strip.rows,
            faults: self.faults,
        }
    }
}
