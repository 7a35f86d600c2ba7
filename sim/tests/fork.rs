//! Two futures of one cluster.

use std::time::Duration;

use tidings_core::{State, Status, Time};
use tidings_sim::script::mixed;
use tidings_sim::{Checks, Cluster, LinkPick, Pick, Return, Task, Trouble, Work, run};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A cluster in the middle of everything: packets under way, streams open, faults that began and
/// faults to come, a frozen host, work half done.
fn busy() -> Cluster {
    let plan = Cluster::lan(12).seed(5).traced().shuffle_ties();
    let mut cluster = plan.configure(|_, config| config.snapshot = true).start();
    cluster.watch_from_now(Checks::new());
    let what = Task::Event { members: Pick::Random(2), name: "e".into(), bytes: 40 };
    cluster.work(Work { at: secs(1), every: Some(secs(1)), times: 40, stream: None, what });
    cluster.trouble(secs(30), Trouble::Loss { rate: 0.1, links: LinkPick::default() });
    let members = Pick::Random(3);
    cluster.trouble(secs(15), Trouble::Crash { members, comes_back: Return::WithState, rolling: true });
    cluster.freeze(7);
    cluster.run(Duration::from_millis(12_345));
    cluster
}

#[test]
fn a_fork_given_the_same_story_does_the_same() {
    let story = |cluster: &mut Cluster| {
        cluster.thaw(7).cut(1, 2).run(secs(10));
        cluster.event(3, "news", b"x");
        cluster.heal().run(secs(40));
        (cluster.digest(), cluster.tally(), cluster.host(0).events().to_vec())
    };
    let mut one = busy();
    let mut other = one.fork();
    assert_eq!(story(&mut one), story(&mut other));
}

#[test]
fn a_fork_does_what_the_original_would_have_done_without_it() {
    let mut alone = busy();
    let forked = busy();
    let mut fork = forked.fork();
    drop(forked);
    assert_eq!(alone.run(secs(30)).digest(), fork.run(secs(30)).digest());
}

#[test]
fn forks_have_nothing_to_do_with_each_other() {
    let mut calm = Cluster::lan(8).seed(3).start();
    calm.run(secs(5));
    let mut troubled = calm.fork();
    let mut third = troubled.fork();
    troubled.partition(&[0, 1]).run(secs(60));
    assert_eq!(troubled.status(0, 5), Some(Status::Failed));
    assert_eq!(calm.now(), Time::ZERO + secs(5));
    calm.run(secs(60)).assert(|c| c.converged());
    third.run(secs(60));
    assert_eq!(calm.digest(), third.digest());
}

#[test]
fn a_fork_shares_the_views() {
    let mut cluster = Cluster::lan(300).seed(3).start();
    cluster.crash(17).run(secs(40));
    let fork = cluster.fork();
    for host in cluster.living() {
        let view = |cluster: &Cluster| cluster.host(host).node().unwrap().view();
        assert!(view(&cluster).same(&view(&fork)));
    }
}

#[test]
fn invariants_and_watchers_go_on_in_the_fork() {
    let mut calm = Cluster::lan(6).seed(3).start();
    calm.invariant("nobody is suspected", |c| {
        let suspect = (1..6).find(|of| c.state(0, *of) == Some(State::Suspect))?;
        Some(format!("n{suspect} is"))
    });
    calm.run(secs(3));
    let mut troubled = calm.fork();
    let found = troubled.crash(2).try_run(secs(60)).unwrap_err();
    assert_eq!((found.invariant.as_str(), found.what.as_str()), ("nobody is suspected", "n2 is"));
    assert_eq!(calm.try_run(secs(60)), Ok(()));
}

#[test]
fn a_run_can_be_stopped_anywhere_and_looked_at_and_told_otherwise() {
    let script = mixed(6);
    let whole = run::run(&script, 4);
    assert_eq!(whole.violation, None);
    for second in [1, 60, 125, 200] {
        let (mut cluster, found) = run::stop_at(&script, 4, Time::ZERO + secs(second));
        assert_eq!(found, None);
        let late = cluster.now().since(Time::ZERO + secs(second));
        assert!(late < secs(1), "stopped {late:?} later");
        cluster.fork().run(secs(5));
        cluster.end_faults();
        cluster.run(secs(5));
    }
}
