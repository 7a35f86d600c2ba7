//! Hosts that lie: what they say is survived, and changes nothing about the luck of the others.

use std::time::Duration;

use tidings_core::Event;
use tidings_sim::{Cluster, Lie, LinkPick, Pick, Script, Trouble, run};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn script(lies: &str) -> Script {
    Script::parse(&format!(
        "members = 8
         time = '60s'
         config.snapshot = true
         [[fault]]
         at = '2s'
         for = '50s'
         do.hostile = {{ members = 'random 2', every = '300ms'{lies} }}
         [[work]]
         at = '5s'
         every = '5s'
         times = 8
         do.event = {{ name = 'tick' }}"
    ))
    .unwrap()
}

#[test]
fn a_cluster_survives_every_kind_of_lie() {
    for lie in Lie::ALL {
        let script = script(&format!(", lies = ['{}']", format!("{lie:?}").to_lowercase()));
        for seed in 0..3 {
            assert_eq!(run::run(&script, seed).violation, None, "{lie:?}, seed {seed}");
        }
    }
    assert_eq!(run::run(&script(""), 1).violation, None, "all of them");
}

/// What the members of a small cluster on a bad network hear of each other.
fn heard(lies: Option<Vec<Lie>>) -> (String, u64) {
    let mut cluster = Cluster::lan(6).seed(5).start();
    let loss = Trouble::Loss { rate: 0.5, links: LinkPick::default() };
    cluster.fault(tidings_sim::Fault { at: secs(1), lasts: None, stream: Some(7), what: loss });
    // No stream stands in for the lost packets of a probe.
    let block = Trouble::Block { datagrams: false, streams: true, links: LinkPick::default() };
    cluster.fault(tidings_sim::Fault { at: secs(1), lasts: None, stream: Some(9), what: block });
    if let Some(lies) = lies {
        let what = Trouble::Hostile { members: Pick::These(vec![2]), every: secs(1), lies };
        cluster.fault(tidings_sim::Fault { at: secs(1), lasts: None, stream: Some(8), what });
    }
    cluster.run(secs(120));
    let told = |host: usize| {
        let events = cluster.host(host).events().iter();
        format!("{:?}", events.filter(|(_, event)| !matches!(event, Event::Refused(_))).collect::<Vec<_>>())
    };
    let refused = (0..6).map(|host| cluster.host(host).node().unwrap().metrics().refused).sum();
    ((0..6).map(told).collect(), refused)
}

#[test]
fn forgeries_leave_honest_packets_their_luck() {
    let (honest, refused) = heard(None);
    let (beside_garbage, refused_garbage) = heard(Some(vec![Lie::Garbage]));
    assert!(honest.contains("Failed") && refused == 0, "the network is bad: {honest}");
    assert!(refused_garbage > 50, "{refused_garbage} refused");
    assert_eq!(honest, beside_garbage);
}

#[test]
fn lies_without_end_or_content_are_refused() {
    for lies in ["every = '0s'", "every = '1s', lies = []", "every = '1s', lies = ['gossip']"] {
        let text = format!(
            "members = 3\ntime = '5s'\n[[fault]]\nat = '1s'\ndo.hostile = {{ members = 'all', {lies} }}"
        );
        let error = Script::parse(&text).unwrap_err();
        assert!(error.contains("more than 0") || error.contains("`phantom`"), "{error}");
    }
}
