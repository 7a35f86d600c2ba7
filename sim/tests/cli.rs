//! The command line, as people and machines use it.

use std::path::PathBuf;
use std::process::{Command, Output};

fn sim(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidings-sim")).args(args).output().expect("the binary runs")
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("a file can be written");
    path
}

fn script(name: &str) -> String {
    format!("{}/scripts/{name}.toml", env!("CARGO_MANIFEST_DIR"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_run_tells_its_digest_and_that_nothing_is_wrong() {
    let done = sim(&["run", &script("partition"), "--seed", "3", "--twice", "--json", "-"]);
    let out = text(&done.stdout);
    assert!(done.status.success(), "{out}{}", text(&done.stderr));
    assert!(out.contains("digest") && out.contains("events/s") && out.contains("no violation"), "{out}");
    let json: serde_json::Value = serde_json::from_str(&out[..=out.rfind('}').unwrap()]).unwrap();
    assert_eq!((json["seed"].as_u64(), json["ok"].as_bool()), (Some(3), Some(true)));
}

#[test]
fn a_check_runs_all_seeds_in_any_number_of_threads_with_the_same_result() {
    let digests = |jobs: &str| {
        let json = file(&format!("check-{jobs}.json"), "");
        let path = json.to_str().unwrap();
        let done = sim(&["check", &script("mixed"), "--seeds", "0..6", "--jobs", jobs, "--json", path]);
        assert!(done.status.success(), "{}", text(&done.stdout));
        let records: Vec<serde_json::Value> =
            serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
        records.iter().map(|record| record["digest"].to_string()).collect::<Vec<_>>()
    };
    let one = digests("1");
    assert_eq!(one.len(), 6);
    assert_eq!(one, digests("3"));
}

#[test]
fn a_violation_is_told_with_everything_needed_to_see_it_again() {
    // Suspects get more time to defend themselves than there is.
    let path = file(
        "hopeless.toml",
        "members = 4\ntime = '5s'\nquiet = '1s'\nconfig.suspicion_mult = 100.0\n[[fault]]\nat = '4s'\ndo.crash = { members = [2], return = 'never' }\n",
    );
    let path = path.to_str().unwrap();
    let junit = file("hopeless.xml", "");
    let done = sim(&["check", path, "--seeds", "4..9", "--junit", junit.to_str().unwrap()]);
    let out = text(&done.stdout);
    assert_eq!(done.status.code(), Some(1), "{out}");
    for part in ["violation: L1 completeness", "seed     4", "members  n0, n2", "--seed 4"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let xml = std::fs::read_to_string(junit).unwrap();
    assert!(xml.contains("failures=\"1\"") && xml.contains("type=\"L1 completeness\""), "{xml}");
    let again = sim(&["run", path, "--seed", "4"]);
    assert_eq!(again.status.code(), Some(1));
    let shrunk = sim(&["shrink", path, "--seed", "4"]);
    assert!(text(&shrunk.stdout).starts_with("# seed 4: L1 completeness\n"), "{}", text(&shrunk.stdout));
}

#[test]
fn what_is_wrong_is_told_with_line_key_and_what_is_allowed() {
    let bad = |text: &str| file("bad.toml", text).to_str().unwrap().to_owned();
    for (script, parts) in [
        ("members = 3\ntime = '5s'\nquite = '1s'", &["line 3", "quite", "`quiet`"][..]),
        ("members = 3\ntime = 'soon'", &["line 2", "soon", "1.5s"]),
        ("members = 0\ntime = '5s'", &["members = 0", "1 to"]),
        (
            "members = 3\ntime = '5s'\n[[fault]]\nat = '1s'\ndo.loss = { rate = 7 }",
            &["fault 1", "rate 7", "0.0 to 1.0"],
        ),
        (
            "members = 3\ntime = '5s'\n[[fault]]\nat = '1s'\ndo.lose = { rate = 7 }",
            &["line 5", "lose", "`loss`"],
        ),
        (
            "members = 3\ntime = '5s'\n[[fault]]\nat = '1s'\ndo.freeze = { members = 'some' }",
            &["line 5", "random N"],
        ),
        (
            "members = 3\ntime = '5s'\n[[fault]]\nat = '1s'\ndo.freeze = { members = [9] }",
            &["member 9", "0 to 2"],
        ),
    ] {
        let done = sim(&["run", &bad(script)]);
        let error = text(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{script}");
        for part in parts {
            assert!(error.contains(part), "{part} is missing in: {error}");
        }
    }
}

#[test]
fn impossible_requests_are_refused() {
    let good = script("partition");
    for (args, part) in [
        (vec!["check", good.as_str(), "--seeds", "9..3"], "below"),
        (vec!["check", good.as_str(), "--jobs", "0"], "1..=1024"),
        (vec!["check", good.as_str(), "--budget", "long"], "no duration"),
        (vec!["check", good.as_str(), "--json", "/nonexistent/dir/x.json"], "cannot write /nonexistent"),
        (vec!["run", "/nonexistent.toml"], "/nonexistent.toml"),
        (vec!["run", good.as_str(), "--report", "/nonexistent/x.html"], "cannot write /nonexistent/x.html"),
        (vec!["run", good.as_str(), "--report", env!("CARGO_TARGET_TMPDIR")], "cannot write"),
        (vec!["run", good.as_str(), "--csv", "/dev/null/numbers"], "cannot write /dev/null/numbers"),
        (vec!["run", good.as_str(), "--json", "/nonexistent/x.json"], "cannot write /nonexistent/x.json"),
    ] {
        let done = sim(&args);
        assert_eq!(done.status.code(), Some(2), "{args:?}");
        assert!(text(&done.stderr).contains(part), "{args:?}: {}", text(&done.stderr));
        assert!(done.stdout.is_empty(), "refused before anything is run: {}", text(&done.stdout));
    }
}

#[test]
fn an_expanded_script_does_the_same_as_its_seed() {
    let expanded = text(&sim(&["expand", &script("mixed"), "--seed", "5"]).stdout);
    assert!(!expanded.contains("[random]") && expanded.contains("[[fault]]"), "{expanded}");
    let path = file("expanded.toml", &expanded);
    let digest = |path: &str| {
        let out = text(&sim(&["run", path, "--seed", "5"]).stdout);
        out.split_whitespace().skip_while(|word| *word != "digest").nth(1).unwrap().to_owned()
    };
    assert_eq!(digest(path.to_str().unwrap()), digest(&script("mixed")));
}

#[test]
fn a_trace_tells_what_a_member_decides() {
    let out = sim(&["trace", &script("partition"), "--seed", "2", "--member", "n3", "--only", "Suspicion"]);
    let out = text(&out.stdout);
    assert!(out.lines().count() > 3, "{out}");
    assert!(out.lines().all(|line| line.contains("n3") && line.contains("Suspicion")), "{out}");
}

#[test]
fn a_run_leaves_a_page_and_its_numbers() {
    let (page, numbers) = (file("run.html", ""), PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("numbers"));
    let (to, csv) = (page.to_str().unwrap(), numbers.to_str().unwrap());
    let done = sim(&["run", &script("partition"), "--seed", "3", "--report", to, "--csv", csv]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let html = std::fs::read_to_string(page).unwrap();
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("partition heals"));
    for name in [
        "convergence",
        "news",
        "detection",
        "failures",
        "traffic",
        "queues",
        "awareness",
        "members",
        "faults",
    ] {
        let table = std::fs::read_to_string(numbers.join(format!("{name}.csv"))).expect(name);
        assert!(table.lines().count() > usize::from(name != "detection"), "{name}: {table}");
    }
    let plain = text(&sim(&["run", &script("partition"), "--seed", "3"]).stdout);
    let digest = |out: &str| out.split_whitespace().nth(3).map(str::to_owned);
    assert_eq!(digest(&text(&done.stdout)), digest(&plain));
}
