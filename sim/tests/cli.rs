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
    // The packets are those that the one who is wrong sent to the dead, in all three forms.
    let packet = "n0 > n2 (not arrived): ping ";
    assert!(out.contains(packet) && xml.contains("n0 &gt; n2 (not arrived): ping "), "{out}{xml}");
    let again = sim(&["run", path, "--seed", "4", "--json", "-"]);
    assert_eq!(again.status.code(), Some(1));
    let out = text(&again.stdout);
    let json = &out[..=out.find("\n}").unwrap() + 1];
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    let packets: Vec<&str> =
        json["packets"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert!(packets.iter().any(|line| line.contains(packet)), "{packets:?}");
    for line in packets {
        assert!(line.contains("n0") && line.contains("n2"), "{line}");
    }
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
        (
            "members = 3\ntime = '5s'\n[[fault]]\nat = '1s'\ndo.partition = { shape = { apart = [0, 5] } }",
            &["fault 1", "member 5", "0 to 2"],
        ),
        (
            "members = 3\ntime = '5s'\n[[work]]\nat = '1s'\ndo.tags = { members = [7], key = 'x' }",
            &["work 1", "member 7", "0 to 2"],
        ),
        (
            "members = 3\ntime = '5s'\n[[fault]]\nat = '1s'\ndo.flap = { shape = 'halves', every = '0s' }",
            &["fault 1", "every 0s"],
        ),
        ("members = 3\ntime = '5s'\nconfig.suspicion_mult = -4.0", &["config", "suspicion.mult", "above 0"]),
        (
            "members = 3\ntime = '5s'\nnet.latency.uniform = { min = '9ms', max = '1ms' }",
            &["net.latency", "min 9ms", "1ms"],
        ),
        ("members = 3\ntime = '5s'\nconfig.probe_intervall = '1s'", &["line 3", "`probe_interval`"]),
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
        (vec!["check", good.as_str(), "--stats", "/nonexistent/x.json"], "cannot write /nonexistent/x.json"),
        (vec!["check", good.as_str(), "--budget", "0s"], "no run would begin"),
        (vec!["trace", good.as_str(), "--member", "n10"], "n0 to n9"),
        (vec!["shrink", good.as_str(), "--runs", "0"], "not in 1.."),
        (vec!["run", "/nonexistent.toml"], "cannot read /nonexistent.toml"),
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
    let out = sim(&["trace", &script("partition"), "--seed", "2", "--member", "n3", "--kind", "Suspicion"]);
    let out = text(&out.stdout);
    assert!(out.lines().count() > 3, "{out}");
    assert!(out.lines().all(|line| line.contains("n3") && line.contains("suspicion")), "{out}");
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

/// Lines of a trace.
fn trace(args: &[&str]) -> Vec<String> {
    let done = sim(&[&["trace"], args].concat());
    assert!(done.status.success(), "{args:?}: {}", text(&done.stderr));
    text(&done.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn a_trace_covers_the_whole_run_and_ends_with_what_is_wrong() {
    let path = file(
        "traced.toml",
        "members = 4\ntime = '5s'\nquiet = '8s'\nconfig.suspicion_mult = 100.0\n[[fault]]\nat = '2s'\ndo.crash = { members = [2], return = 'never' }\n",
    );
    let lines = trace(&[path.to_str().unwrap()]);
    let last = lines.last().unwrap();
    assert!(last.contains("n0 violation: L1 completeness"), "{last}");
    let after_faults =
        |line: &&String| line.contains("probe-started") && line.as_str() > "20." && line.as_str() < "5";
    assert!(lines.iter().any(|line| after_faults(&line)), "the quiet phase is seen as well");
    assert!(lines.iter().any(|line| line.starts_with("2.000000s  fault: begins")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains(" sent: ")), "datagrams only if asked for");
}

#[test]
fn a_trace_is_filtered_by_member_message_invariant_and_time() {
    let good = script("partition");
    let all = |lines: &[String], holds: &dyn Fn(&String) -> bool| {
        assert!(!lines.is_empty());
        assert!(lines.iter().all(holds), "{:?}", lines.iter().find(|line| !holds(line)));
    };
    all(&trace(&[&good, "--message", "suspect", "--to", "12s"]), &|line| {
        line.contains("suspect n")
            && [" sent: ", " received: ", " lost: "].iter().any(|sort| line.contains(sort))
    });
    all(&trace(&[&good, "--kind", "lost", "--to", "8s"]), &|line| {
        line.contains("a partition or blocked link")
    });
    all(&trace(&[&good, "--invariant", "M12", "--kind", "awareness", "--member", "n1"]), &|line| {
        line.contains("n1")
            && (line.contains("awareness") || line.contains("probe-ended") || line.contains("refuted"))
    });
    let window = trace(&[&good, "--from", "10s", "--to", "11s"]);
    all(&window, &|line| line.starts_with("10.") || line.starts_with("11.000000s"));
    for line in trace(&[&good, "--json", "--member", "n4", "--to", "20s"]) {
        let line: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
        let about = line["about"].as_array().is_some_and(|about| about.iter().any(|name| name == "n4"));
        assert!(line["member"] == "n4" || about || line["member"].is_null(), "{line}");
        assert!(line["at_ns"].as_u64().unwrap() <= 20_000_000_000);
    }
}

#[test]
fn two_traces_are_compared_up_to_where_they_part() {
    let good = script("partition");
    let same = sim(&["trace", &good, "--seed", "2", "--to", "6s", "--diff", &good]);
    assert!(same.status.success(), "{}", text(&same.stdout));
    assert!(text(&same.stdout).starts_with("no difference in "), "{}", text(&same.stdout));

    // As an earlier build may have left it.
    let recorded = text(&sim(&["trace", &good, "--seed", "2", "--json", "--to", "6s"]).stdout);
    let lines: Vec<&str> = recorded.lines().collect();
    let mut changed = lines.clone();
    let other = lines[40].replace("\"at_ns\":", "\"at_ns\":1");
    changed[40] = &other;
    let (before, after) = (file("before.jsonl", &recorded), file("after.jsonl", &changed.join("\n")));
    let (before, after) = (before.to_str().unwrap(), after.to_str().unwrap());
    let parted = sim(&["trace", before, "--diff", after, "--context", "3", "--json"]);
    let out = text(&parted.stdout);
    assert_eq!(parted.status.code(), Some(1), "{out}");
    let shown: Vec<&str> = out.lines().collect();
    assert_eq!(shown[0], "40 lines are the same");
    for (place, line) in (37..40).enumerate() {
        assert_eq!(shown[1 + place], format!("  {}", lines[line]));
    }
    assert_eq!((shown[4], shown[8]), (format!("< {}", lines[40]).as_str(), format!("> {other}").as_str()));
    assert_eq!(shown.len(), 1 + 3 + 4 + 4);

    // One that ends early, and a run against a file.
    let short = file("short.jsonl", &lines[..10].join("\n"));
    let ended = text(&sim(&["trace", before, "--diff", short.to_str().unwrap()]).stdout);
    assert!(ended.starts_with("10 lines are the same") && ended.ends_with("> ends here\n"), "{ended}");
    let run = sim(&["trace", &good, "--seed", "2", "--to", "6s", "--kind", "state", "--diff", before]);
    assert!(run.status.success(), "{}", text(&run.stdout));

    let seeds = sim(&["trace", &good, "--seed", "2", "--diff-seed", "3"]);
    let out = text(&seeds.stdout);
    assert!(seeds.status.code() == Some(1) && out.contains("\n< ") && out.contains("\n> "), "{out}");
}

#[test]
fn impossible_traces_are_refused_with_what_is_allowed() {
    let good = script("partition");
    let broken = file("broken.jsonl", "{\"at_ns\":1,\"what\":\"state\",\"text\":\"\"}\n{\"at\":1}\n");
    let broken = broken.to_str().unwrap();
    for (args, part) in [
        (vec!["--kind", "stat"], "allowed: probe-started"),
        (vec!["--message", "pong"], "allowed: ping, indirect-ping"),
        (vec!["--invariant", "M99"], "allowed: M1 to M16"),
        (vec!["--from", "9s", "--to", "3s"], "ends before"),
        (vec!["--diff", "/nonexistent.toml"], "/nonexistent.toml"),
        (vec!["--diff", broken], "line 2"),
    ] {
        let done = sim(&[&["trace", good.as_str()], args.as_slice()].concat());
        assert_eq!(done.status.code(), Some(2), "{args:?}");
        assert!(text(&done.stderr).contains(part), "{args:?}: {}", text(&done.stderr));
    }
}

#[test]
fn it_is_explained_why_somebody_is_held_failed() {
    let path = file(
        "crash.toml",
        "members = 5\ntime = '40s'\n[[fault]]\nat = '5s'\ndo.crash = { members = [3], return = 'never' }\n",
    );
    let path = path.to_str().unwrap();
    let ask = |member: &str, about: &str| {
        sim(&["explain", path, "--seed", "7", "--at", "30s", "--member", member, "--about", about])
    };
    let done = ask("n0", "n3");
    let out = text(&done.stdout);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(out.starts_with("At 30.000000s n0 holds n3 failed.\n"), "{out}");
    assert!(out.contains("→ n3: lost to a process that does not run"), "{out}");
    let wrong = ask("n0", "n8");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("allowed: n0, n1, n2, n3, n4"), "{}", text(&wrong.stderr));
}

#[test]
fn a_replay_stops_where_it_is_told_to_and_shows_who_holds_what() {
    let stopped = |at: &str| {
        let done = sim(&["replay", &script("partition"), "--seed", "3", "--stop-at", at]);
        assert!(done.status.success(), "{}", text(&done.stderr));
        text(&done.stdout)
    };
    let before = stopped("1s");
    assert!(before.contains("1.0") && before.contains("all members that run hold the same"), "{before}");
    let during = stopped("40s");
    for part in
        ["seed 3", "under way: partition", "about n3: ", ": failed at", "F failed", "no violation by then"]
    {
        assert!(during.contains(part), "{part}: {during}");
    }
    let done = sim(&["replay", &script("partition"), "--stop-at", "40s", "--twice"]);
    assert_eq!(done.status.code(), Some(2));
}

#[test]
fn two_configurations_are_compared_seed_by_seed() {
    let text = |mult: u32| {
        format!(
            "members = 5\ntime = '40s'\nconfig.suspicion_mult = {mult}.0\n[[fault]]\nat = '5s'\ndo.crash = {{ members = [3] }}\n"
        )
    };
    let (a, b) = (file("quick.toml", &text(3)), file("patient.toml", &text(6)));
    let (a, b) = (a.to_str().unwrap(), b.to_str().unwrap());
    let csv = file("compared.csv", "");
    let done = sim(&["compare", a, b, "--seeds", "0..6", "--jobs", "2", "--csv", csv.to_str().unwrap()]);
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let detection: Vec<&str> =
        out.lines().skip_while(|line| !line.starts_with("first detection")).take(4).collect();
    assert!(detection[3].contains("B is higher"), "{out}");
    // The patient one waits for three probe intervals more before it gives up.
    let apart: f64 = detection[3].split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!((2.0..4.0).contains(&apart), "{out}");
    let table = std::fs::read_to_string(csv).unwrap();
    assert_eq!(table.lines().count(), 1 + 12);
    assert!(
        table.lines().skip(1).step_by(2).zip(0..).all(|(line, seed)| line.starts_with(&format!("{seed},A,")))
    );
    let same = sim(&["compare", a, a, "--seeds", "0..2"]);
    let out = String::from_utf8_lossy(&same.stdout).into_owned();
    assert!(out.matches("the same with every seed").count() >= 8, "{out}");
}

#[test]
fn published_experiments_are_printed_with_figures_bands_and_verdicts() {
    let done = sim(&["paper", "epidemic", "--reduced", "--csv", "-"]);
    assert!(done.status.success(), "{}", text(&done.stdout));
    let out = text(&done.stdout);
    let header = "table,figure,published,ours,low,high,band_low,band_high,verdict";
    assert!(out.contains(header) && out.contains("0 missed"), "{out}");
    assert!(out.contains("k = 5: mean delay: outside the published band, because"), "{out}");
}

#[test]
fn experiments_that_cannot_be_run_are_refused() {
    let letter = file("letter.txt", "Dear Sir\n");
    let letter = letter.to_str().unwrap();
    let table: [(&[&str], &str); 4] = [
        (&["paper", "swim", "--runs", letter], "--runs is for lifeguard"),
        (&["paper", "lifeguard", "--runs", letter], "line 1 is not a run"),
        (&["paper", "swim", "--times", "0"], "0 is not in 1..=10000"),
        (&["paper", "swim", "--json", "/nowhere/x.json"], "/nowhere/x.json"),
    ];
    for (args, message) in table {
        let done = sim(args);
        assert!(!done.status.success(), "{args:?}");
        assert!(text(&done.stderr).contains(message), "{args:?}: {}", text(&done.stderr));
    }
}

#[test]
fn a_bench_tells_of_each_part_and_a_budget_of_what_it_left_out() {
    let done = sim(&["bench", "crash-1000", "--members", "20", "--quiet", "1s"]);
    let out = text(&done.stdout);
    assert!(done.status.success() && out.lines().count() == 3, "{out}");
    for (line, start) in out.lines().zip(["crash-1000: 20 members, made in", "  quiet ", "  1 crash "]) {
        assert!(line.starts_with(start), "{out}");
    }
    let done = sim(&["check", &script("calm"), "--seeds", "7..100000", "--budget", "50ms"]);
    let out = text(&done.stdout);
    assert!(done.status.success() && out.contains("the budget was over: seeds "), "{out}");
    assert!(out.contains("..100000 were not run"), "{out}");
}
