//! What there is to ask of a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use tidings_core::{
    CommandError, Event, Member, MemberEventKind, Reply, State, Status, Time, Token, UserEvent, View,
};

use crate::faults::Trouble;
use crate::host::Host;
use crate::net::HostId;
use crate::rider::Rider;
use crate::world::World;

impl<R: Rider> World<R> {
    /// A host by number.
    ///
    /// # Panics
    /// If there is no such host.
    #[must_use]
    pub fn host(&self, host: HostId) -> &Host<R> {
        &self.hosts[host]
    }

    /// How a command was answered; `None`: not yet.
    #[must_use]
    pub fn reply(&self, host: HostId, token: Token) -> Option<&Result<Reply, CommandError>> {
        self.hosts[host].replies.get(&token).map(|(_, result)| result)
    }

    /// The hosts whose process runs.
    #[must_use]
    pub fn living(&self) -> Vec<HostId> {
        (0..self.hosts.len()).filter(|host| self.hosts[*host].node.is_some()).collect()
    }

    /// What one host holds of another.
    #[must_use]
    pub fn member(&self, at: HostId, of: HostId) -> Option<Member> {
        self.hosts[at].node.as_ref()?.view().get(&self.hosts[of].config.name).cloned()
    }

    /// What one host tells its application of another.
    #[must_use]
    pub fn status(&self, at: HostId, of: HostId) -> Option<Status> {
        self.member(at, of).map(|member| member.status())
    }

    /// What the failure detector of one host thinks of another.
    #[must_use]
    pub fn state(&self, at: HostId, of: HostId) -> Option<State> {
        self.member(at, of).map(|member| member.state())
    }

    /// Whether every other running host holds this status of a host.
    #[must_use]
    pub fn all_hold(&self, of: HostId, status: Option<Status>) -> bool {
        self.living().into_iter().filter(|at| *at != of).all(|at| self.status(at, of) == status)
    }

    /// Whether all running hosts agree on all members, hold each other alive and nobody else, save
    /// for the failed and the left.
    #[must_use]
    pub fn converged(&self) -> bool {
        self.agreement().is_ok()
    }

    /// As [`converged`](Self::converged), for an assertion that says who is wrong about whom.
    ///
    /// # Errors
    /// The first disagreement found.
    pub fn agreement(&self) -> Result<(), Disagreement> {
        self.agreement_among(&self.living())
    }

    /// Whether these hosts, as far as they run, hold each other alive, nobody else, and the same
    /// of everybody.
    ///
    /// # Errors
    /// The first disagreement found.
    pub fn agreement_among(&self, hosts: &[HostId]) -> Result<(), Disagreement> {
        self.agreement_with(hosts, equal)
    }

    /// As [`agreement_among`](Self::agreement_among), where somebody has lied: about incarnations and
    /// tags, hosts need not agree. Two claims of one incarnation are equally good, and of the highest
    /// there is, nobody can say more.
    ///
    /// # Errors
    /// The first disagreement found.
    pub fn agreement_among_lies(&self, hosts: &[HostId]) -> Result<(), Disagreement> {
        self.agreement_with(hosts, coarsely_equal)
    }

    fn agreement_with(
        &self,
        hosts: &[HostId],
        equal: fn(&Member, &Member) -> bool,
    ) -> Result<(), Disagreement> {
        let views: Vec<(&str, View)> = hosts
            .iter()
            .filter_map(|host| Some((self.hosts[*host].name(), self.hosts[*host].node()?.view())))
            .collect();
        let Some((first, reference)) = views.first() else { return Ok(()) };
        let wrong =
            |about: &str, what: String| Disagreement { at: (*first).into(), about: about.into(), what };
        for (name, _) in &views {
            let held = reference.get(name).map_or(Status::None, Member::status);
            if held != Status::Alive {
                return Err(wrong(name, format!("{first} holds {name} {held}")));
            }
        }
        let alive = reference.iter().filter(|member| here(member));
        if alive.clone().count() != views.len() {
            let known: BTreeSet<&str> = views.iter().map(|(name, _)| *name).collect();
            let ghost = alive.map(Member::name).find(|name| !known.contains(name)).unwrap_or_default();
            return Err(wrong(ghost, format!("{first} holds {ghost} alive, who is not to be reached")));
        }
        let mut departures = Departures::new();
        for (name, view) in &views[1..] {
            if let Some((about, what)) = first_difference(reference, view, equal) {
                let what = format!("{first} and {name} differ about {about}: {what}");
                return Err(Disagreement { at: (*name).into(), about, what });
            }
            for (about, what) in departed((first, reference), (name, view), &mut departures) {
                let knowing = views.iter().filter(|(_, view)| view.get(&about).is_some()).count();
                if 2 * knowing > views.len() {
                    return Err(Disagreement { at: (*name).into(), about, what });
                }
            }
        }
        Ok(())
    }

    /// Where running hosts hold something else than the largest group that agrees: who (all who
    /// hold the same, by name), about whom, and what they and that group hold.
    #[must_use]
    pub fn differences(&self) -> Vec<Disagreement> {
        let mut groups: Vec<(View, Vec<HostId>)> = Vec::new();
        for host in self.living() {
            let Some(node) = self.hosts[host].node() else { continue };
            let view = node.view();
            match groups.iter_mut().find(|(known, _)| same(known, &view)) {
                Some((_, hosts)) => hosts.push(host),
                None => groups.push((view, vec![host])),
            }
        }
        // Of groups of the same size, the first.
        let Some((common, most)) = groups.iter().rev().max_by_key(|(_, hosts)| hosts.len()) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (view, hosts) in groups.iter().filter(|(_, hosts)| hosts[0] != most[0]) {
            let at = self.names(hosts);
            let first = found.len();
            each_difference(common, view, equal, |member, there, here| {
                let what = format!("{}; {}: {}", held(here), self.names(most), held(there));
                found.push(Disagreement { at: at.clone(), about: member.into(), what });
            });
            found[first..].sort_by(|a, b| a.about.cmp(&b.about));
        }
        found
    }

    fn names(&self, hosts: &[HostId]) -> String {
        hosts.iter().map(|host| self.hosts[*host].name()).collect::<Vec<_>>().join(", ")
    }

    /// The faults under way.
    pub fn faults_under_way(&self) -> impl Iterator<Item = &Trouble> {
        let planned = self.faults.planned.iter().filter(|planned| planned.begun && !planned.over);
        planned.map(|planned| &planned.fault.what)
    }

    /// When a host's application was told this of another.
    #[must_use]
    pub fn heard(&self, at: HostId, kind: MemberEventKind, of: HostId) -> Vec<Time> {
        let name = &self.hosts[of].config.name;
        let news = self.hosts[at].events.iter().filter_map(|(when, event)| match event {
            Event::Members(news) if news.kind == kind => {
                news.members.iter().any(|member| member.name() == name).then_some(*when)
            }
            _ => None,
        });
        news.collect()
    }

    /// The user events of a name that a host's application was told.
    #[must_use]
    pub fn user_events(&self, at: HostId, name: &str) -> Vec<&UserEvent> {
        let news = self.hosts[at].events.iter().filter_map(|(_, event)| match event {
            Event::User(event) if &*event.name == name => Some(event),
            _ => None,
        });
        news.collect()
    }

    /// A line for each host: what it holds of each other, one letter each.
    #[must_use]
    pub fn picture(&self) -> String {
        let mut text = String::new();
        for at in 0..self.hosts.len().min(60) {
            text.push_str(&format!("{:>6} ", self.hosts[at].name()));
            for of in 0..self.hosts.len().min(100) {
                text.push(match self.member(at, of).map(|member| (member.status(), member.state())) {
                    _ if self.hosts[at].node.is_none() => ' ',
                    None => '.',
                    Some((Status::Alive, State::Suspect)) => 's',
                    Some((Status::Alive, _)) => 'A',
                    Some((Status::Leaving, _)) => 'l',
                    Some((Status::Left, _)) => 'L',
                    Some((Status::Failed, _)) => 'F',
                    Some((Status::None, _)) => '-',
                });
            }
            text.push('\n');
        }
        text
    }
}

/// Two hosts that do not agree, or one that is wrong about another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The host that holds something else than it should, by name; of several that hold the same
    /// all.
    pub at: String,
    /// The member about whom.
    pub about: String,
    /// What they hold, in a sentence.
    pub what: String,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Whether two views hold the same of everybody.
fn same(a: &View, b: &View) -> bool {
    let mut same = true;
    each_difference(a, b, equal, |_, _, _| same = false);
    same
}

/// As [`equal`], but neither incarnations nor tags count.
fn coarsely_equal(old: &Member, new: &Member) -> bool {
    (old.status(), old.state(), old.addr()) == (new.status(), new.state(), new.addr())
}

/// Whether two hosts hold the same of a member. The time of its status does not count, which hosts
/// learn in different ways.
fn equal(old: &Member, new: &Member) -> bool {
    (old.status(), old.state(), old.incarnation(), old.identity())
        == (new.status(), new.state(), new.incarnation(), new.identity())
}

/// A member that is here for one of two views, and not the same for both, and how they differ.
fn first_difference(a: &View, b: &View, equal: fn(&Member, &Member) -> bool) -> Option<(String, String)> {
    let mut found = None;
    each_difference(a, b, equal, |name, old, new| {
        let gone = |member: Option<&Member>| member.is_some_and(|member| !here(member));
        if found.is_none() && !(gone(old) && gone(new)) {
            found = Some((name.to_owned(), format!("{} and {}", held(old), held(new))));
        }
    });
    found
}

fn here(member: &Member) -> bool {
    matches!(member.status(), Status::Alive | Status::Leaving)
}

/// Shows the members about whom two views differ, as each holds them.
fn each_difference(
    a: &View,
    b: &View,
    equal: fn(&Member, &Member) -> bool,
    mut see: impl FnMut(&str, Option<&Member>, Option<&Member>),
) {
    if a.same(b) {
        return;
    }
    a.all().diff(b.all(), |old, new| {
        let equal = match (old, new) {
            // Nobody tells the details of those who are gone any more.
            (Some(old), Some(new)) if !here(old) && !here(new) => old.status() == new.status(),
            (Some(old), Some(new)) => equal(old, new),
            // Newcomers are not told of those who went before them.
            (Some(only), None) | (None, Some(only)) => !here(only),
            (None, None) => true,
        };
        if let (false, Some(either)) = (equal, old.or(new)) {
            see(either.name(), old, new);
        }
    });
}

/// Members that are gone: what the first host that knows of each holds of it, and who that is.
type Departures<'a> = BTreeMap<String, (Status, &'a str)>;

/// Who is gone and of whom this host holds something else than another, and how they differ.
///
/// That counts where most hosts know of such a member. The few that still do where it was pruned
/// have to meet each other to agree, since nobody else passes on what they say of it.
fn departed<'a>(
    (first, reference): (&'a str, &View),
    (name, view): (&'a str, &View),
    departures: &mut Departures<'a>,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if reference.same(view) {
        return found;
    }
    reference.all().diff(view.all(), |known, held| {
        let Some(held) = held.filter(|held| !here(held)) else { return };
        let (about, status) = (held.name(), held.status());
        let witness = known.map_or((status, name), |known| (known.status(), first));
        let (before, other) = *departures.entry(about.to_owned()).or_insert(witness);
        if before != status {
            let what = format!("{other} and {name} differ about {about}: {before} and {status}");
            found.push((about.to_owned(), what));
        }
    });
    found
}

/// What a view holds of a member, in words.
fn held(member: Option<&Member>) -> String {
    let Some(member) = member else { return "nothing".into() };
    let suspect = if member.state() == State::Suspect { ", suspect" } else { "" };
    format!(
        "{}{suspect} at {} with incarnation {} and tags {:?}",
        member.status(),
        member.addr(),
        member.incarnation(),
        member.tags()
    )
}
