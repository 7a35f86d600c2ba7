//! Random scripts: a mixture of faults and work drawn from a seed (swarm testing).

use std::time::Duration;

use crate::draw::{Draw, Purpose};
use crate::faults::{Core, Fate, Fault, LinkPick, Pick, Return, Shape, Trouble};
use crate::script::Script;
use crate::workload::{Task, Work};

/// Kinds of faults to draw from.
const KINDS: u64 = 24;
/// Streams of drawn faults and work are numbered from here, apart from those written by hand.
const STREAMS_FROM: u64 = 1000;
/// The core is drawn apart from all of them.
const CORE_STREAM: u64 = u64::MAX;

impl Script {
    /// The same script with everything that is left to the seed written out: what `seed` will do,
    /// to be kept, edited and replayed.
    #[must_use]
    pub fn expand(&self, seed: u64) -> Script {
        let mut script = self.clone();
        let Some(random) = script.random.take() else { return script };
        let draw = Draw::of(seed, Purpose::Script, 0);
        // Each run leaves some kinds out, since faults can hide each other.
        let allowed = draw.nth(0) | 1 << (draw.nth(1) % KINDS);
        for number in 0..random.faults as u64 {
            let mut luck = draw.part(number);
            let mut kind = luck.below(KINDS);
            while allowed >> kind & 1 == 0 {
                kind = (kind + 1) % KINDS;
            }
            let at = luck.between(Duration::ZERO, script.time * 3 / 4);
            let lasts =
                luck.between(Duration::from_millis(200), (script.time - at).min(Duration::from_secs(60)));
            let what = trouble(kind, &mut luck);
            script.fault.push(Fault { at, lasts: Some(lasts), stream: Some(STREAMS_FROM + number), what });
        }
        for number in 0..random.work as u64 {
            let mut luck = draw.part(STREAMS_FROM + number);
            let at = luck.between(Duration::ZERO, script.time * 3 / 4);
            let every = Some(luck.between(Duration::from_millis(500), Duration::from_secs(20)));
            let times = 1 + luck.below(5) as u32;
            let what = task(&mut luck);
            script.work.push(Work { at, every, times, stream: Some(STREAMS_FROM + number), what });
        }
        let mut luck = draw.part(CORE_STREAM);
        if script.core.is_none() && luck.chance(random.core) {
            let members = Pick::Share([0.4, 0.6, 0.8][luck.index(3)]);
            let fates = [Fate::Dead, Fate::CutOff, Fate::Deaf, Fate::Mute, Fate::Mixed, Fate::Mixed];
            script.core = Some(Core { members, others: fates[luck.index(fates.len())] });
        }
        script.number_streams();
        script
    }
}

fn members(luck: &mut Draw) -> Pick {
    match luck.below(4) {
        0 => Pick::Share(0.5),
        1 => Pick::Share(0.25),
        _ => Pick::Random(1 + luck.index(2)),
    }
}

fn links(luck: &mut Draw) -> LinkPick {
    match luck.below(4) {
        0 => LinkPick { from: members(luck), to: Pick::All, both: luck.chance(0.5) },
        1 => LinkPick { from: members(luck), to: members(luck), both: luck.chance(0.5) },
        _ => LinkPick::default(),
    }
}

fn shape(luck: &mut Draw) -> Shape {
    match luck.below(9) {
        0 => Shape::Halves,
        1 => Shape::Thirds,
        2 => Shape::IsolateOne,
        3 => Shape::UniformAssignment,
        4 => Shape::OneWay(members(luck)),
        5 => Shape::Bridge,
        6 => Shape::Ring,
        7 => Shape::Star,
        _ => Shape::UniformSize,
    }
}

fn comes_back(luck: &mut Draw) -> Return {
    match luck.below(5) {
        0 => Return::Afresh,
        1 => Return::OldState,
        2 => Return::NewName,
        3 => Return::Never,
        _ => Return::WithState,
    }
}

fn trouble(kind: u64, luck: &mut Draw) -> Trouble {
    let ms = Duration::from_millis;
    let rate = luck.unit() * 0.3;
    match kind {
        0 => Trouble::Loss { rate, links: links(luck) },
        1 => Trouble::Burst { enter: 0.1 * luck.unit(), leave: 0.5, rate: 1.0, links: links(luck) },
        2 => Trouble::Duplicate { rate, later: ms(luck.below(500)), links: links(luck) },
        3 => Trouble::Reorder { rate, later: ms(luck.below(500)), links: links(luck) },
        4 => Trouble::Replay { rate: 0.1 * rate, after: ms(100), until: ms(30_000), links: links(luck) },
        5 => Trouble::DropNth { nth: 1 + luck.below(200), links: links(luck) },
        6 => Trouble::Delay { min: ms(luck.below(50)), mean: ms(luck.below(400)), links: links(luck) },
        7 => Trouble::Rate {
            bytes_per_second: 500 + luck.below(20_000),
            queue_bytes: 2000 + luck.below(20_000),
            links: links(luck),
        },
        8 => Trouble::Block { datagrams: true, streams: false, links: links(luck) },
        9 => Trouble::Block { datagrams: false, streams: true, links: links(luck) },
        10 => Trouble::Clog { links: links(luck) },
        11 => Trouble::SwizzleClog { members: members(luck), over: ms(1000 + luck.below(20_000)) },
        12 => Trouble::ResetStreams { members: members(luck) },
        13 => Trouble::Flap { shape: shape(luck), every: ms(500 + luck.below(8000)) },
        14 => {
            Trouble::Crash { members: members(luck), comes_back: comes_back(luck), rolling: luck.chance(0.3) }
        }
        15 => Trouble::PowerLoss { members: members(luck), comes_back: comes_back(luck) },
        16 => Trouble::Freeze { members: members(luck) },
        17 => Trouble::BlockIo { members: members(luck) },
        18 => {
            let (on, off) = (ms(100 + luck.below(5000)), ms(1 + luck.below(5000)));
            Trouble::Pauses { members: members(luck), on, off }
        }
        19 => Trouble::SlowCpu { members: members(luck), service: ms(1 + luck.below(60)) },
        20 => Trouble::ClockDrift { members: members(luck), ppm: luck.below(200_000) as i64 - 100_000 },
        21 => Trouble::CoarseTimers { members: members(luck), grain: ms(1 + luck.below(200)) },
        22 => Trouble::Suspend { members: members(luck) },
        _ => Trouble::Partition { shape: shape(luck) },
    }
}

fn task(luck: &mut Draw) -> Task {
    let some = members(luck);
    match luck.below(6) {
        0 => Task::Event { members: some, name: "event".into(), bytes: luck.index(400) },
        1 => Task::Query { members: some, name: "query".into(), relay: luck.below(3) as u8, to: None },
        2 => Task::Tags { members: some, key: "turn".into() },
        3 => Task::Leave { members: Pick::Random(1) },
        4 => Task::Start { members: some, via: Pick::Random(2) },
        _ => Task::Join { members: some, via: Pick::Random(1) },
    }
}
