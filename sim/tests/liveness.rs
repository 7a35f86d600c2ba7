//! Peace for a part of the cluster: it must come to agree, whatever the others are.

use std::time::Duration;

use tidings_core::{Command, Status};
use tidings_sim::{Cluster, Core, Fate, Pick, Return, Script, Shape, Trouble, run};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn core(members: &[usize], others: Fate) -> Core {
    Core { members: Pick::These(members.to_vec()), others }
}

#[test]
fn a_core_agrees_while_the_others_are_cut_off_in_any_way() {
    for fate in [Fate::Dead, Fate::CutOff, Fate::Deaf, Fate::Mute, Fate::Mixed] {
        let mut cluster = Cluster::lan(9).seed(4).start();
        cluster.trouble(secs(100), Trouble::Partition { shape: Shape::Halves });
        cluster.run(secs(40));
        let core = cluster.heal_core(&core(&[0, 2, 4, 6, 8], fate));
        cluster.eventually(secs(180), |c| c.agreement_among(&core).is_ok());
        cluster.run(secs(120)).assert(|c| c.agreement_among(&core).is_ok());
        for other in [1, 3, 5, 7] {
            assert!(core.iter().all(|at| cluster.status(*at, other) == Some(Status::Failed)), "{fate:?}");
        }
    }
}

#[test]
fn what_troubles_the_core_ends_and_what_troubles_the_others_does_not() {
    let mut cluster = Cluster::lan(6).seed(4).start();
    let these = |hosts: &[usize]| Pick::These(hosts.to_vec());
    cluster.trouble(secs(1000), Trouble::Freeze { members: these(&[0, 5]) });
    let crash = Trouble::Crash { members: these(&[1, 4]), comes_back: Return::Afresh, rolling: false };
    cluster.trouble(secs(1000), crash);
    cluster.trouble(secs(1000), Trouble::Clog { links: Default::default() });
    cluster.fault(tidings_sim::Fault::new(
        secs(20),
        secs(10),
        Trouble::PowerLoss { members: these(&[2]), comes_back: Return::Never },
    ));
    cluster.run(secs(10));
    let core = cluster.heal_core(&core(&[0, 1, 2], Fate::CutOff));
    cluster.run(secs(30));
    assert!(!cluster.host(0).is_hampered() && cluster.host(5).is_hampered());
    assert!(cluster.host(1).node().is_some() && cluster.host(4).node().is_none());
    assert!(cluster.host(2).node().is_some(), "no fault begins any more");
    cluster.eventually(secs(120), |c| c.agreement_among(&core).is_ok());
}

#[test]
fn a_script_may_choose_a_core() {
    let script = |others: &str| {
        Script::parse(&format!(
            "members = 8
             time = '30s'
             core = {{ members = [0, 1, 2, 6], others = '{others}' }}
             [[fault]]
             at = '3s'
             do.partition = {{ shape = 'halves' }}"
        ))
        .unwrap()
    };
    for others in ["dead", "cut-off", "deaf", "mute", "mixed"] {
        let outcome = run::run(&script(others), 3);
        assert_eq!(outcome.violation, None, "{others}");
    }
    let again = Script::parse(&script("deaf").to_text()).unwrap();
    assert_eq!(again, script("deaf"));
}

#[test]
fn a_core_that_does_not_agree_in_time_is_found() {
    let script = Script::parse(
        "members = 6
         time = '10s'
         quiet = '5s'
         config.suspicion_mult = 50.0
         core = { members = [0, 1, 2], others = 'mute' }",
    );
    let found = run::run(&script.unwrap(), 1).violation.unwrap();
    assert_eq!((found.invariant.as_str(), &*found.members[0]), ("L1 completeness", "n0"));
}

#[test]
fn an_impossible_core_is_refused() {
    for (core, allowed) in [
        ("{ members = [7] }", "0 to 2"),
        ("{ members = [] }", "one or more"),
        ("{ others = 'deaf' }", "members"),
    ] {
        let error = Script::parse(&format!("members = 3\ntime = '5s'\ncore = {core}")).unwrap_err();
        assert!(error.contains(allowed), "{error}");
    }
    let error = Script::parse("members = 3\ntime = '5s'\nrandom.core = 3.0").unwrap_err();
    assert!(error.contains("random.core = 3") && error.contains("0.0 to 1.0"), "{error}");
}

#[test]
fn all_agree_about_those_gone_of_whom_some_never_knew() {
    let mut cluster = Cluster::lan(5).seed(4).start();
    cluster.crash(4).crash(0).run(secs(120));
    cluster.restart(0).run(secs(20));
    assert_eq!(cluster.status(0, 4), None, "newcomers are not told of those who are gone");
    cluster.assert(|c| c.converged());
    // One host misses that the others take the lost member for one that left.
    cluster.partition(&[2]);
    cluster.command(1, Command::ForceLeave { node: "n4".into(), prune: false });
    cluster.run(secs(2)).heal();
    let (left, failed) = (cluster.status(1, 4), cluster.status(2, 4));
    assert_eq!((left, failed), (Some(Status::Left), Some(Status::Failed)));
    let differ = "n1 and n2 differ about n4: left and failed";
    cluster.eventually(secs(10), |c| c.agreement().is_err_and(|wrong| wrong.what == differ));
    cluster.eventually(secs(120), |c| c.converged());
    assert_eq!(cluster.status(2, 4), Some(Status::Left));
}
