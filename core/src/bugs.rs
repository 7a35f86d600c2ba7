//! Deliberate bugs, to prove that the simulator's invariants find what they are there for.
//!
//! Each is one condition at the place it concerns, marked `bug!`. One build has them all; a node
//! has those of [`Config::bugs`](crate::Config::bugs).

named! {
    /// Something a node may do wrong on purpose.
    Bug,
    /// The invariant that must find it (papers, section 7).
    invariant:
    /// An alive message of a lower incarnation replaces what is known.
    BelievesOldAlives = "M1 incarnation-monotone",
    /// A failed probe accuses its target at an incarnation that it has not reached.
    AccusesAhead = "M2 owner-only incarnation",
    /// An alive message of the same incarnation clears a suspect.
    ClearsSuspects = "M3 precedence",
    /// Somebody dead becomes suspect again.
    SuspectsTheDead = "M3 precedence",
    /// An alive message of the same incarnation brings back the dead.
    RaisesTheDead = "M4 no resurrection",
    /// Somebody who left becomes suspect.
    SuspectsTheLeft = "M5 left stays left",
    /// Suspected, it says that it lives, but nothing newer.
    RefutesInVain = "M6 self is alive",
    /// Suspected, it does not defend itself.
    ForgetsToRefute = "M6 self is alive",
    /// Suspects get an eighth of their time.
    LosesPatience = "M7 suspicion window",
    /// Each confirmation gives the suspect as much time again.
    GrantsTimeAnew = "M7 suspicion window",
    /// A probe begins while another is under way.
    ProbesOnTop = "M8 one probe",
    /// Each probe begins a new pass through the members.
    ForgetsItsPlace = "M9 round robin",
    /// Updates are sent twice as often as they may be.
    TellsTooOften = "M10 retransmit limit",
    /// A newer update about a member leaves the older in the queue.
    KeepsOldUpdates = "M10 retransmit limit",
    /// Updates are put into a packet without counting their bytes.
    OverfillsPackets = "M11 packet bound",
    /// A packet of gossip is filled up, and then gets its checksum.
    ForgetsTheChecksum = "M11 packet bound",
    /// The health score grows without end.
    DespairsOfItself = "M12 LHM bounds",
    /// A ping does not tell its target that it is suspect.
    ForgetsTheBuddy = "M13 buddy",
    /// A helper says that it failed when it has hardly tried.
    GivesUpAtOnce = "M14 nack timing",
    /// A helper says twice that it failed.
    NacksTwice = "M14 nack timing",
    /// An ack is passed on without forgetting what it was for.
    KeepsForwards = "M14 nack timing",
    /// Whoever loses the vote about its name stays.
    NeverYields = "M15 conflict",
    /// The application is not told that somebody has come back.
    HidesReturns = "M16 events match state",
    /// Hearing an event does not move the clock.
    StopsItsClock = "S1 Lamport",
    /// After a restart its clocks begin anew.
    ForgetsTheTime = "S1 Lamport",
    /// With memory it no longer needs, it gives back what tells old events from new ones.
    ForgetsEvents = "S2 at most once",
    /// A delivered event lacks the second half of its payload.
    ClipsEvents = "S3 no phantom",
    /// Every copy of an answer counts.
    CountsCopies = "S4 query",
    /// Queries for others are answered as well.
    IgnoresFilters = "S4 query",
    /// Queries for those with other tags are answered as well.
    IgnoresTags = "S4 query",
    /// A query for those with some tag is for nobody.
    MistrustsTags = "S4 query",
    /// A join intent applies whatever its time.
    BelievesOldJoins = "S5 intent order",
    /// Intents for somebody unknown are never forgotten.
    KeepsIntents = "S5 intent order",
    /// Events above the limit are sent.
    AcceptsLargeEvents = "S6 size limits",
    /// A member that says something new of itself loses its tags.
    DropsTags = "S7 tags",
    /// Suspects stay suspect for ever.
    NeverBuries = "L1 completeness",
    /// A peer's word about who left counts for nothing.
    ForgetsWhoLeft = "L2 convergence",
    /// A living member that is pruned stays hidden.
    HidesThePruned = "L2 convergence",
    /// Of two versions of a record with one stamp, its owner takes either for its own.
    AgreesWithDamage = "L2 convergence",
    /// Those who are lost are never dialled again.
    GivesUpTheLost = "L3 heal",
    /// Beyond half of their range clocks and incarnations are not believed.
    StopsAtTheEdge = "L4 refutation",
    /// Whoever is in doubt cannot clear itself.
    HoldsGrudges = "L4 refutation",
    /// Nothing is ever sent often enough.
    TellsForEver = "L5 quiescence",
    /// An answered probe does not restore its health.
    NeverRecovers = "L6 no livelock",
    /// A full queue takes in more.
    HoardsMessages = "L7 bounded memory",
    /// Events are not passed on.
    KeepsEventsToItself = "L8 spread",
    /// A clock follows what is refused.
    FollowsTheRefused = "L8 spread",
    /// A newcomer does not look at the members it is told of.
    LearnsNothing = "L9 join",
    /// It contradicts others' records as if they were its own.
    SpeaksForOthers = "R1 owner writes",
    /// An older version of a record replaces what is known.
    TakesOlderRecords = "R2 version order",
    /// A refresh that says nothing new does not give a check its time again.
    IgnoresRefreshes = "R3 TTL not early",
    /// The time of checks passes unnoticed.
    OversleepsChecks = "R4 TTL not late",
    /// What is deleted is forgotten at once.
    ForgetsDeletions = "R5 no resurrection",
    /// Whoever tells of what an agent has made void hears that it is gone, and not what replaced it.
    TellsOnlyWhatIsGone = "R6 member death",
    /// With a member that is gone go its records.
    DropsTheFailed = "R6 member death",
    /// An instance that is registered again keeps the time at which it is to go.
    KeepsTheOldTime = "R7 reads see own writes",
    /// A service that is registered again stays as it was registered first.
    KeepsTheFirst = "R7 reads see own writes",
}

/// A set of bugs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bugs(u64);

const _: () = assert!(Bug::ALL.len() <= 64);

impl Bugs {
    /// Whether a bug is in the set.
    #[must_use]
    pub const fn contains(self, bug: Bug) -> bool {
        self.0 >> bug as u8 & 1 == 1
    }
}

impl FromIterator<Bug> for Bugs {
    fn from_iter<I: IntoIterator<Item = Bug>>(bugs: I) -> Self {
        Bugs(bugs.into_iter().fold(0, |set, bug| set | 1 << bug as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set: Bugs = [Bug::ForgetsToRefute, Bug::TellsForEver].into_iter().collect();
        for bug in Bug::ALL {
            let expected = matches!(bug, Bug::ForgetsToRefute | Bug::TellsForEver);
            assert_eq!(set.contains(*bug), expected, "{bug:?}");
            assert_eq!(Bug::named(bug.name()), Some(*bug));
        }
        assert_eq!(Bug::named("forgets"), None);
    }
}
