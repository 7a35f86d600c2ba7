//! Reports of runs: the figures agree with the run, and the page is sound.

mod page;

use tidings_sim::report::{Alarm, News};
use tidings_sim::{Report, Script, run};

fn report(text: &str, seed: u64) -> (Report, run::Outcome) {
    let script = Script::parse(text).expect("a script");
    Report::run(&script, seed, "some.toml")
}

/// Rows of a CSV file by RFC 4180.
fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut chars) = (false, text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            c => field.push(c),
        }
    }
    assert!(!quoted && field.is_empty() && row.is_empty(), "the file ends within a row");
    rows
}

/// A file of a report: its rows, each with as many fields as there are columns.
fn table(report: &Report, name: &str) -> Vec<Vec<String>> {
    let files = report.csv();
    let (_, text) = files.iter().find(|(known, _)| *known == name).expect(name);
    let rows = rows(text);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{name}: {text}");
    rows
}

fn column(rows: &[Vec<String>], name: &str) -> Vec<String> {
    let place = rows[0].iter().position(|column| column == name).expect(name);
    rows[1..].iter().map(|row| row[place].clone()).collect()
}

fn numbers(rows: &[Vec<String>], name: &str) -> Vec<f64> {
    column(rows, name).iter().map(|field| field.parse().expect("a number")).collect()
}

const CRASH: &str = "members = 8\ntime = '40s'\n[[fault]]\nat = '5s'\nfor = '25s'\n\
    do.crash = { members = [3] }\n[[work]]\nat = '4s'\nevery = '5s'\ntimes = 6\n\
    do.event = { name = 'a, \"b\"' }\n";

#[test]
fn watching_for_a_report_changes_nothing_about_a_run() {
    let (_, watched) = report(CRASH, 3);
    let alone = run::run(&Script::parse(CRASH).unwrap(), 3);
    assert_eq!((watched.digest, watched.datagrams), (alone.digest, alone.datagrams));
}

#[test]
fn the_figures_are_those_of_the_run() {
    let (report, outcome) = report(CRASH, 3);
    let traffic = table(&report, "traffic.csv");
    assert_eq!(numbers(&traffic, "datagrams").iter().sum::<f64>(), outcome.datagrams as f64);
    assert_eq!(numbers(&traffic, "datagram_bytes").iter().sum::<f64>(), outcome.bytes as f64);
    let spans: f64 = numbers(&traffic, "span_seconds").iter().sum();
    assert_eq!(spans, outcome.virtual_time.as_secs_f64());
    let running = numbers(&traffic, "running");
    assert_eq!((running[0], running[30], *running.last().unwrap()), (8.0, 7.0, 8.0));

    let detection = table(&report, "detection.csv");
    assert_eq!(column(&detection, "member"), ["n3"]);
    assert_eq!(numbers(&detection, "crashed_seconds"), [5.0]);
    assert_eq!(numbers(&detection, "back_after"), [25.0], "also when all knew before");
    let (first, full) =
        (numbers(&detection, "first_detection")[0], numbers(&detection, "full_dissemination")[0]);
    // At least the shortest suspicion; at most a round of probes before the longest.
    assert!(first > 4.0 && first <= full && full < 25.0, "{first} {full}");

    let failures = table(&report, "failures.csv");
    assert_eq!(failures.len() - 1, 7, "each of the others is told once");
    let (at, since) = (numbers(&failures, "seconds"), numbers(&failures, "since_seconds"));
    assert!(at.iter().all(|at| (5.0 + first - 1e-6..=5.0 + full + 1e-6).contains(at)), "{at:?}");
    assert!(since.iter().all(|since| (4.0..5.0 + first).contains(since)), "{since:?}");
    assert!(column(&failures, "member_was").iter().all(|was| was == "crashed"));

    let faults = table(&report, "faults.csv");
    assert_eq!(faults[1..], [["5", "30", "crash n3"]]);
}

#[test]
fn every_event_is_followed_to_everybody_and_its_name_survives_the_file() {
    let (report, _) = report(CRASH, 3);
    let news = table(&report, "news.csv");
    let of_event = |row: &&Vec<String>| row[0] == News::Event.as_str() && row[1] == "a, \"b\"";
    let events: Vec<_> = news.iter().filter(of_event).collect();
    assert_eq!(events.len(), 6);
    for event in events {
        let down = (5.0..30.0).contains(&event[2].parse::<f64>().unwrap());
        assert_eq!(event[3], if down { "7" } else { "8" }, "{event:?}");
        assert_eq!(event[4], event[3], "{event:?}");
    }
    let convergence = table(&report, "convergence.csv");
    let (series, share) = (column(&convergence, "series"), numbers(&convergence, "share"));
    let measured: Vec<f64> = series
        .iter()
        .zip(&share)
        .filter(|(name, _)| *name == "user events")
        .map(|(_, share)| *share)
        .collect();
    assert!(measured.is_sorted() && measured.last() == Some(&1.0), "{measured:?}");
    assert!(series.iter().any(|name| name == "Serf’s estimate"));
}

#[test]
fn a_failure_event_is_false_only_if_the_member_was_well_since_it_was_probed() {
    let mute = "[[fault]]\nat = '40s'\nfor = '40s'\ndo.loss = { rate = 1.0, links = { from = [2], to = 'all', both = true } }\n";
    let late = |what: &str| format!("[[fault]]\nat = '40s'\nfor = '40s'\ndo.{what}\n");
    let early = |what: &str| format!("[[fault]]\nat = '5s'\nfor = '2s'\ndo.{what}\n{mute}");
    for (faults, expected) in [
        (late("crash = { members = [2] }"), Alarm::True),
        (late("freeze = { members = [2] }"), Alarm::Anomalous),
        (late("block-io = { members = [2] }"), Alarm::Anomalous),
        (late("partition = { shape = { apart = [2] } }"), Alarm::CutOff),
        (late("clog = { links = { from = [2], to = 'all', both = true } }"), Alarm::CutOff),
        // Lost by chance: nothing is wrong with the member itself.
        (mute.to_owned(), Alarm::FalseByHealthy),
        // What was wrong long before excuses nobody.
        (early("freeze = { members = [2] }"), Alarm::FalseByHealthy),
        (early("block-io = { members = 'all' }"), Alarm::FalseByHealthy),
        (early("partition = { shape = { apart = [2] } }"), Alarm::FalseByHealthy),
        (early("clock-jump = { members = [0], by = '10s' }"), Alarm::FalseByHealthy),
        // Still wrong, but with those who are told.
        (
            format!("[[fault]]\nat = '5s'\ndo.clock-drift = {{ members = 'all', ppm = 100 }}\n{mute}"),
            Alarm::False,
        ),
    ] {
        let config = "config = { stream_fallback = false, indirect_checks = 0 }\n";
        let (report, _) = report(&format!("members = 6\ntime = '90s'\n{config}{faults}"), 4);
        let about: Vec<_> = report.recording.failures.iter().filter(|event| event.about == "n2").collect();
        assert!(about.len() >= 4, "{faults}: {about:?}");
        for event in about {
            assert_eq!(event.alarm, expected, "{faults}: {event:?}");
        }
    }
}

#[test]
fn the_page_is_well_formed_whatever_names_say() {
    let script =
        CRASH.replace("members = 8", "name = '<script>alert(\"x\")</script> & </title>'\nmembers = 8");
    let script = Script::parse(&script).unwrap();
    let (report, _) = Report::run(&script, 3, "a \"b\" <i>&.toml");
    let html = report.html();
    let page = page::Page::parse(&html).expect("well-formed");
    assert!(!page.tags.contains(&"script".to_owned()) && !page.tags.contains(&"i>".to_owned()));
    assert!(page.text.contains("<script>alert(\"x\")</script> & </title>"), "names are shown as they are");
    assert!(page.text.contains("a \"b\" <i>&.toml"));
}

#[test]
fn the_page_needs_nothing_else_and_tells_its_pictures_in_words() {
    for members in [2, 5, 120] {
        let (report, _) = report(&CRASH.replace('8', &members.to_string()).replace("[3]", "[1]"), 1);
        let html = report.html();
        let page = page::Page::parse(&html).expect("well-formed");
        for outside in ["http:", "https:", "src=", "url(", "@import"] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert!(html.contains("prefers-color-scheme: dark") && html.contains("lang=\"en\""));
        let count = |tag: &str| page.tags.iter().filter(|known| *known == tag).count();
        assert_eq!((count("svg"), count("desc")), (8, 8));
        assert!(html.matches("role=\"img\"").count() == 8);
    }
}

#[test]
fn a_violation_stands_at_the_top_with_the_command_that_shows_it_again() {
    let (report, outcome) = report(
        "members = 4\ntime = '5s'\nquiet = '1s'\nconfig.suspicion_mult = 100.0\n[[fault]]\nat = '4s'\n\
         do.crash = { members = [2], return = 'never' }\n",
        4,
    );
    let violation = outcome.violation.expect("nobody finds out in time");
    let html = report.html();
    let page = page::Page::parse(&html).expect("well-formed");
    assert!(page.text.contains(&format!("Violation: {}", violation.invariant)));
    assert!(page.text.contains("tidings-sim run some.toml --seed 4"));
    assert!(!page.text.contains("No violation"));
}
