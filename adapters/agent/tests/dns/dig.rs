//! The real `dig` against an agent.

use std::net::SocketAddr;
use std::process::Command;

use crate::client::{dns, put, spec};
use crate::support::{agent, is_here};

fn dig_is_here() -> bool {
    is_here("dig", "-v", "dnsutils")
}

/// What `dig` says, its lines sorted.
async fn dig(server: SocketAddr, words: &[&str]) -> Vec<String> {
    let mut command = Command::new("dig");
    command.arg(format!("@{}", server.ip())).arg("-p").arg(server.port().to_string()).args(words);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{words:?}: {text}");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn dig_looks_up_services_and_nodes() {
    if !dig_is_here() {
        return;
    }
    let agent = agent(&spec("alpha", "127.0.1.9", &["-node-meta=rack=r1"])).await;
    for n in 1..=40 {
        let body = format!(
            r#"{{"ID":"web{n}","Name":"web","Port":{},"Address":"10.1.0.{n}","Tags":["n{n}"]}}"#,
            8000 + n
        );
        put(&agent, "/v1/agent/service/register", &body).await;
    }
    let server = dns(&agent);
    for (words, expected) in [
        (&["+short", "n7.web.service.consul"][..], &["10.1.0.7"][..]),
        (&["+short", "_web._n7.service.consul", "SRV"], &["1 1 8007 0a010007.addr.dc1.consul."]),
        (&["+short", "alpha.node.consul"], &["127.0.1.9"]),
        (&["+short", "alpha.node.consul", "TXT"], &["\"consul-network-segment=\"", "\"rack=r1\""]),
        (&["+short", "-x", "127.0.1.9"], &["alpha.node.dc1.consul."]),
        (&["+short", "ns.consul"], &["127.0.1.9"]),
        (&["+short", "web.service.consul", "AAAA"], &[]),
    ] {
        assert_eq!(dig(server, words).await, expected, "{words:?}");
    }
    // Too much for a datagram: it asks again by TCP.
    assert_eq!(dig(server, &["+short", "web.service.consul", "SRV"]).await.len(), 40);
    assert_eq!(dig(server, &["+short", "+notcp", "+ignore", "web.service.consul", "SRV"]).await.len(), 19);
    assert_eq!(dig(server, &["+short", "+noedns", "web.service.consul"]).await.len(), 3);
    let status =
        |lines: Vec<String>, word: &str| lines.iter().any(|line| line.contains(&format!("status: {word},")));
    assert!(status(dig(server, &["nobody.service.consul"]).await, "NXDOMAIN"));
    assert!(status(dig(server, &["example.com"]).await, "REFUSED"));
    let warned = |lines: &[String]| lines.iter().any(|line| line.contains("WARNING: Message"));
    for words in [
        &["web.service.consul", "ANY"][..],
        &["consul", "SOA"],
        &["consul", "NS"],
        &["+tcp", "web.service.consul", "SRV"],
    ] {
        assert!(!warned(&dig(server, words).await), "{words:?}: a message that is malformed");
    }
}
