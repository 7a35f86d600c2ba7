//! The recorded RPC talks, replayed against our agent.

mod support;

use std::time::Duration;

use support::{Cluster, Spec, Talk, VERSIONS, agent, cluster};

const GREET: &str = "-event-handler=query:greet=echo \"hello from $SERF_SELF_NAME: $(cat)\"";

/// The cluster most talks were recorded in.
async fn five(first: usize) -> Cluster {
    let mut specs = vec![
        Spec::new("alpha", &["-tag=role=web", "-tag=dc=east", "-tag=size=10", GREET]),
        Spec::new("beta", &["-tag=role=db", "-tag=dc=east", GREET]),
        Spec::new("gamma", &["-tag=role=web", "-tag=dc=west", GREET]),
        Spec::new("delta", &[GREET]),
        Spec::new("epsilon", &["-tag=empty=", GREET]),
    ];
    specs.rotate_left(first);
    cluster(&specs).await
}

/// Waits until the first agent has measured its way to beta.
async fn coordinates_known(cluster: &Cluster) {
    for _ in 0..500 {
        let node = cluster.agents[0].control().node();
        if node.inspect(|node| node.coordinate("beta")).await.unwrap().is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no coordinate of beta");
}

async fn replay_all(cluster: &Cluster, names: &[&str]) {
    for version in VERSIONS {
        for name in names {
            Talk::load(version, name).replay(cluster.rpc()).await;
        }
    }
}

#[tokio::test]
async fn talks_of_the_command_line_client_go_as_recorded() {
    let cluster = five(0).await;
    let names = [
        "cli-event-nopayload",
        "cli-event",
        "cli-force-leave-unknown",
        "cli-info",
        "cli-join-fail",
        "cli-keys-list-unencrypted",
        "cli-members-filtered",
        "cli-members",
        "cli-query-default",
        "cli-query",
        "cli-reachability",
        "cli-rtt",
    ];
    coordinates_known(&cluster).await;
    replay_all(&cluster, &names).await;
    for version in VERSIONS {
        Talk::load(version, "cli-join").joining(cluster.gossip(1)).replay(cluster.rpc()).await;
    }
}

#[tokio::test]
async fn talks_of_a_hand_made_client_go_as_recorded() {
    let cluster = five(0).await;
    let names = [
        "raw-bad-version",
        "raw-bin-strings",
        "raw-coordinate-stats",
        "raw-double-handshake",
        "raw-event",
        "raw-extra-keys",
        "raw-float-ints",
        "raw-garbage",
        "raw-keys-unencrypted",
        "raw-lowercase-keys",
        "raw-members-filtered-bad-regex",
        "raw-monitor",
        "raw-no-handshake",
        "raw-pipelined",
        "raw-query-errors",
        "raw-stream-errors",
        "raw-unknown-command",
        "raw-version-zero",
    ];
    coordinates_known(&cluster).await;
    replay_all(&cluster, &names).await;
    let from_epsilon = five(4).await;
    replay_all(&from_epsilon, &["raw-auth-not-needed"]).await;
}

#[tokio::test]
async fn a_monitor_tells_of_changed_tags_as_recorded() {
    for version in VERSIONS {
        let cluster = five(0).await;
        // Let the events of the start pass: the recordings do not have them.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Talk::load(version, "cli-tags").replay(cluster.rpc()).await;
        Talk::load(version, "cli-monitor").replay(cluster.rpc()).await;
    }
}

#[tokio::test]
async fn streams_go_as_recorded() {
    for version in VERSIONS {
        let cluster = five(0).await;
        // Let the events of the start pass: the recordings do not have them.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Talk::load(version, "raw-stream").replay(cluster.rpc()).await;
        Talk::load(version, "raw-two-streams").replay(cluster.rpc()).await;
        let responder = Talk::load(version, "raw-query-responder");
        let asker = Talk::load(version, "raw-query-asker");
        let rpc = cluster.rpc();
        let ask = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            asker.replay(rpc).await;
        };
        tokio::join!(responder.replay(rpc), ask);
    }
}

#[tokio::test]
async fn a_stream_tells_who_joins_and_leaves_as_recorded() {
    for version in VERSIONS {
        let first = cluster(&[Spec::new("ev1", &[])]).await;
        let talk = Talk::load(version, "raw-stream-member-events");
        let rpc = first.rpc();
        let second = async {
            // The first agent's own join is told before the second one comes.
            tokio::time::sleep(Duration::from_millis(1500)).await;
            let second = agent(&Spec::new("ev2", &[])).await;
            second.control().join(vec![first.gossip(0).to_string()], false).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1500)).await;
            second.control().leave().await.unwrap();
            second.shutdown(true).await;
        };
        tokio::join!(talk.replay(rpc), second);
    }
}

#[tokio::test]
async fn talks_with_a_lone_agent_go_as_recorded() {
    let lone = cluster(&[Spec::new("enc", &[])]).await;
    let names = [
        "raw-array-structs",
        "raw-body-where-none",
        "raw-nils",
        "raw-seq-max",
        "raw-seq-negative",
        "raw-seq-reuse",
    ];
    replay_all(&lone, &names).await;
}

#[tokio::test]
async fn talks_about_authentication_go_as_recorded() {
    let spec = Spec { json: Some(r#"{"rpc_auth": "s3cret"}"#), ..Spec::new("authy", &[]) };
    let authy = cluster(&[spec]).await;
    let names =
        ["cli-auth-missing-event", "cli-auth-missing", "cli-auth-ok", "cli-auth-wrong", "raw-auth-sequence"];
    replay_all(&authy, &names).await;
}

#[tokio::test]
async fn talks_about_keys_go_as_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let keys =
        "[\"QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=\",\"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\"]";
    let flag = |name: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, keys).unwrap();
        format!("-keyring-file={}", path.display())
    };
    let specs = [Spec::new("enc1", &[&flag("1.json")]), Spec::new("enc2", &[&flag("2.json")])];
    let pair = cluster(&specs).await;
    replay_all(&pair, &["cli-keys-install-fail", "cli-keys-list"]).await;
}

#[tokio::test]
async fn a_member_with_an_ipv6_address_is_listed_as_recorded() {
    let six = cluster(&[Spec::new("six", &["-bind=[::1]:0"])]).await;
    replay_all(&six, &["cli-members-ipv6"]).await;
}

#[tokio::test]
async fn a_leave_is_answered_before_the_agent_ends_as_recorded() {
    for version in VERSIONS {
        for name in ["cli-leave", "raw-leave"] {
            let mut pair = cluster(&[Spec::new("delta", &[]), Spec::new("epsilon", &[])]).await;
            let leaving = pair.agents.pop().unwrap();
            let rpc = leaving.server().local_addr();
            let end = async {
                leaving.server().left().await;
                leaving.shutdown(true).await;
            };
            let talk = Talk::load(version, name);
            tokio::join!(talk.replay(rpc), end);
        }
    }
}

/// Every recorded talk is replayed by one of the tests above.
#[test]
fn no_talk_is_forgotten() {
    let this = include_str!("rpc.rs");
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../client/tests/vectors/rpc");
    for version in VERSIONS {
        for entry in std::fs::read_dir(format!("{vectors}/{version}")).unwrap() {
            let name = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
            assert!(this.contains(&format!("\"{name}\"")), "{version}/{name}");
        }
    }
}
