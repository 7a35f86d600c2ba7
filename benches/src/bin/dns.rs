//! `dns SERVER NAME [SECONDS]`: how many SRV questions about NAME a DNS server answers in a second.
//!
//! Questions go over UDP, a fixed number ahead of their answers; a lost one is asked again. For example
//! `dns 127.0.0.1:8600 web.service.consul 5`, with services registered over HTTP before.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use tidings_benches::srv;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let measured = match &words[..] {
        [server, name] => run(server, name, "3"),
        [server, name, seconds] => run(server, name, seconds),
        _ => Err("usage: dns SERVER NAME [SECONDS]".to_owned()),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(server: &str, name: &str, seconds: &str) -> Result<(), String> {
    let server: SocketAddr = server.parse().map_err(|error| format!("{server}: {error}"))?;
    let seconds: u64 = seconds.parse().map_err(|error| format!("{seconds}: {error}"))?;
    let seconds = seconds.clamp(1, 60);
    let counted = srv::count(server, name, Duration::from_secs(seconds))
        .map_err(|error| format!("{server}: {error}"))?;
    println!(
        "{} answers a second, {} bytes each, {} times nothing came in time",
        counted.answers / seconds,
        counted.bytes / counted.answers.max(1),
        counted.lost,
    );
    Ok(())
}
