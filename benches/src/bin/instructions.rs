//! Counts the instructions of the packet path, and fails when it has become dearer.
//!
//!     cargo run -p tidings-benches --bin instructions            # compares with the baseline
//!     cargo run -p tidings-benches --bin instructions -- --write # makes these the baseline
//!
//! Wall times lie on machines that do other things; instructions counted by valgrind do not. Two
//! things are asked: that no bench has more than 1.05 times the instructions that
//! `benches/instructions.json` names, which holds for the compiler it names and is only shown with
//! another one; and that what a packet costs does not follow the size of the cluster, or of the
//! queue, which is ten times as large in the second bench of each pair.
//!
//! It needs valgrind, and the program `gungraun-runner` of the version that `cargo bench` asks for.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};

use serde_json::{Value, json};

/// The baseline.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json");
/// A bench may have so many times the instructions of the baseline.
const GROWTH: f64 = 1.05;
/// And in a cluster ten times as large so many times those in the smaller one: what is looked up lies
/// deeper in a tree.
const SCALING: f64 = 1.15;

type Counts = BTreeMap<String, u64>;

fn main() -> ExitCode {
    let write = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--write") => true,
        Some(other) => return fail(&format!("unknown argument {other:?}; there is only --write")),
    };
    let done = if write { write_baseline() } else { compare() };
    done.map_or_else(|why| fail(&why), |()| ExitCode::SUCCESS)
}

fn fail(why: &str) -> ExitCode {
    eprintln!("instructions: {why}");
    ExitCode::FAILURE
}

fn write_baseline() -> Result<(), String> {
    let (toolchain, counts) = (toolchain()?, count()?);
    let text = serde_json::to_string_pretty(&json!({ "toolchain": toolchain, "instructions": counts }));
    let text = text.map_err(|error| error.to_string())? + "\n";
    std::fs::write(FILE, text).map_err(|error| format!("{FILE}: {error}"))?;
    println!("{FILE} has {} benches of {toolchain}", counts.len());
    Ok(())
}

fn compare() -> Result<(), String> {
    let (made_with, baseline) = read_baseline()?;
    let (toolchain, counts) = (toolchain()?, count()?);
    let same = made_with == toolchain;
    if !same {
        println!("the baseline is of {made_with}, and this is {toolchain}: its figures are only shown");
    }
    let mut wrong = Vec::new();
    println!("{:<46} {:>12} {:>12} {:>7}", "instructions of", "now", "baseline", "ratio");
    for (name, now) in &counts {
        let Some(before) = baseline.get(name) else {
            println!("{name:<46} {now:>12} {:>12}", "none");
            wrong.push(format!("{name} is not in {FILE}: write it anew with --write"));
            continue;
        };
        let ratio = *now as f64 / *before as f64;
        println!("{name:<46} {now:>12} {before:>12} {ratio:>7.3}");
        if same && ratio > GROWTH {
            wrong.push(format!("{name} has {ratio:.3} times the instructions of the baseline"));
        }
    }
    for name in baseline.keys().filter(|name| !counts.contains_key(*name)) {
        wrong.push(format!("{name} is in {FILE}, but there is no such bench: write it anew with --write"));
    }
    wrong.extend(scaling(&counts));
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\ninstructions: ")) }
}

/// What is wrong with pairs of benches that end in `_1000` and `_10000`.
fn scaling(counts: &Counts) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, small) in counts {
        let Some(large) = name.ends_with("_1000").then(|| counts.get(&format!("{name}0"))).flatten() else {
            continue;
        };
        let ratio = *large as f64 / *small as f64;
        println!("{:<72} {ratio:>7.3}", format!("{name}0 beside {name}"));
        if ratio > SCALING {
            wrong.push(format!("{name}0 has {ratio:.3} times the instructions of {name}"));
        }
    }
    wrong
}

fn read_baseline() -> Result<(String, Counts), String> {
    let text = std::fs::read_to_string(FILE).map_err(|error| format!("{FILE}: {error}"))?;
    let broken = || format!("{FILE} is no baseline: write it anew with --write");
    let json: Value = serde_json::from_str(&text).map_err(|_| broken())?;
    let toolchain = json["toolchain"].as_str().ok_or_else(broken)?;
    let counts = json["instructions"].as_object().ok_or_else(broken)?;
    let counts = counts.iter().map(|(name, count)| Some((name.clone(), count.as_u64()?)));
    Ok((toolchain.to_owned(), counts.collect::<Option<_>>().ok_or_else(broken)?))
}

/// The compiler and what it compiles for.
fn toolchain() -> Result<String, String> {
    let said = output(Command::new("rustc").arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    Ok(format!("{} on {host}", said.lines().next().unwrap_or_default()))
}

/// Runs the bench `instructions`: the count of each.
fn count() -> Result<Counts, String> {
    let words = ["bench", "-p", "tidings-benches", "--bench", "instructions", "--locked", "--"];
    let said = output(Command::new("cargo").args(words).arg("--output-format=json"))?;
    let counts: Counts = said.lines().filter_map(one).collect();
    if counts.is_empty() {
        Err(format!("the bench says nothing that is understood: {said}"))
    } else {
        Ok(counts)
    }
}

/// One bench's name and count, from its line.
fn one(line: &str) -> Option<(String, u64)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let name = format!("{}::{}", line["function_name"].as_str()?, line["id"].as_str()?);
    let instructions = &line["profiles"][0]["data"]["total"]["metrics"]["Ir"];
    let count = instructions["values"]["new"].as_u64()?;
    // None at all: the bench's function was not found in a program without symbols.
    (count > 0).then_some((name, count))
}

/// What a program says on its standard output; what else it says is shown.
fn output(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(said)
    } else {
        Err(format!("{program} failed, {}: {said}", output.status))
    }
}
