//! Encryption, keys, labels, and who is let in.

use bytes::Bytes;
use tidings_core::{Command, CommandError, Config, Event, KeyCommand, MemberEventKind, Persist, Refusal};

use crate::common::{Cluster, ms, secs, wire};

fn key(fill: u8, size: usize) -> Bytes {
    vec![fill; size].into()
}

/// Base64 as listings show keys; good for whole groups of three and the sizes of keys.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let n = group.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for i in 0..4 {
            let digit = DIGITS[(n >> (18 - 6 * i)) as usize & 63] as char;
            text.push(if i <= group.len() { digit } else { '=' });
        }
    }
    text
}

fn encrypted(n: usize) -> Cluster {
    Cluster::with(n, |_, config| config.security.keys = vec![key(1, 16)])
}

#[test]
fn an_encrypted_cluster_works_like_a_plain_one() {
    for size in [16, 24, 32] {
        let mut cluster = Cluster::with(4, |_, config| config.security.keys = vec![key(9, size)]).joined();
        cluster.net.tapped = true;
        cluster.event(1, "secret", b"attack at dawn");
        cluster.run(secs(5));
        for host in 0..4 {
            assert_eq!(cluster.user_events(host, "secret").len(), 1);
            assert!(cluster.hosts[host].node().stats().encrypted);
        }
        for packet in &cluster.net.tap {
            assert_eq!(packet.payload[0], 1, "version 1 is what is sent");
            assert!(!packet.payload.windows(6).any(|w| w == b"attack"));
        }
        let nonces: std::collections::HashSet<&[u8]> =
            cluster.net.tap.iter().map(|p| &p.payload[1..13]).collect();
        assert_eq!(nonces.len(), cluster.net.tap.len(), "no nonce is used twice");
        cluster.kill(3);
        cluster.run(secs(45));
        cluster.assert_heard_once(&[0, 1, 2], MemberEventKind::Failed, "n3");
    }
}

#[test]
fn keys_are_rotated_without_losing_anybody() {
    let mut cluster = encrypted(4).joined();
    let (old, new) = (key(1, 16), key(2, 32));
    let report = cluster.keys(0, KeyCommand::Install(new.clone())).unwrap();
    assert_eq!((report.nodes, report.responses, report.errors), (4, 4, 0));
    let report = cluster.keys(1, KeyCommand::List).unwrap();
    let mut keys = report.keys.clone();
    keys.sort();
    let mut expected = vec![(base64(&old), 4), (base64(&new), 4)];
    expected.sort();
    assert_eq!(keys, expected);
    assert_eq!(report.primary_keys, [(base64(&old), 4)]);

    cluster.keys(2, KeyCommand::Use(new.clone())).unwrap();
    let report = cluster.keys(3, KeyCommand::List).unwrap();
    assert_eq!(report.primary_keys, [(base64(&new), 4)]);
    cluster.keys(0, KeyCommand::Remove(old.clone())).unwrap();
    let report = cluster.keys(1, KeyCommand::List).unwrap();
    assert_eq!(report.keys, [(base64(&new), 4)]);

    cluster.event(3, "after", b"");
    cluster.run(secs(60));
    assert!((0..4).all(|h| cluster.user_events(h, "after").len() == 1));
    cluster.assert_nobody_heard(MemberEventKind::Failed);
    cluster.assert_converged();
}

#[test]
fn key_operations_that_cannot_work_say_why() {
    let mut cluster = encrypted(3).joined();
    for (what, command) in [
        ("a wrong size", KeyCommand::Install(key(2, 15))),
        ("an unknown key", KeyCommand::Use(key(3, 16))),
        ("the primary", KeyCommand::Remove(key(1, 16))),
    ] {
        let token = cluster.command(0, Command::Keys(command));
        match cluster.answer(0, token) {
            Err(CommandError::Keys(report)) => {
                assert_eq!((report.nodes, report.errors), (3, 3), "{what}: {report:?}");
                assert_eq!(report.messages.len(), 3, "{what}: {report:?}");
            }
            Err(_) => {}
            Ok(reply) => panic!("{what} was accepted: {reply:?}"),
        }
    }
    // Removing what is not there is no mistake.
    cluster.keys(0, KeyCommand::Remove(key(7, 16))).unwrap();
    let report = cluster.keys(0, KeyCommand::List).unwrap();
    assert_eq!(report.keys, [(base64(&key(1, 16)), 3)]);
}

#[test]
fn a_plain_cluster_has_no_keys() {
    let mut cluster = Cluster::lan(3).joined();
    for command in [KeyCommand::List, KeyCommand::Install(key(1, 16)), KeyCommand::Use(key(1, 16))] {
        let report = cluster.keys(0, command).unwrap_err();
        assert_eq!((report.nodes, report.errors), (3, 3));
        assert!(!cluster.hosts[0].node().stats().encrypted);
    }
}

#[test]
fn a_silent_member_makes_a_key_operation_incomplete() {
    let mut cluster = encrypted(4).joined();
    cluster.pause(3);
    let report = cluster.keys(0, KeyCommand::List).unwrap_err();
    assert_eq!((report.nodes, report.responses, report.errors), (4, 3, 0));
    assert_eq!(report.failure().unwrap(), "3/4 nodes reported success");
}

#[test]
fn keyrings_are_written_before_the_answer() {
    let mut cluster = Cluster::with(3, |_, config| {
        config.security.keys = vec![key(1, 16)];
        config.security.persist_keyring = true;
    })
    .joined();
    let new = key(2, 16);
    cluster.hosts[2].disk_error = Some("disk full".into());
    let report = cluster.keys(0, KeyCommand::Install(new.clone())).unwrap_err();
    assert_eq!((report.responses, report.errors), (3, 1));
    assert!(
        report.messages.iter().any(|(who, text)| who == "n2" && text.contains("disk full")),
        "{report:?}"
    );
    for host in 0..3 {
        let written: Vec<_> = cluster.hosts[host].persisted.iter().map(|(_, p)| p.clone()).collect();
        let [Persist::Keyring { keys, .. }] = &written[..] else { panic!("n{host} wrote {written:?}") };
        assert_eq!(**keys, [key(1, 16), new.clone()]);
    }
    cluster.keys(0, KeyCommand::Use(new.clone())).unwrap();
    let Some((_, Persist::Keyring { keys, .. })) = cluster.hosts[1].persisted.last() else { panic!() };
    assert_eq!(**keys, [new, key(1, 16)]);
}

/// Two nodes that differ; whether the second gets in, and who stays outside whose view.
fn meets(first: impl Fn(&mut Config), second: impl Fn(&mut Config)) -> (bool, Cluster) {
    let mut cluster = Cluster::with(2, |i, config| if i == 0 { first(config) } else { second(config) });
    let token = cluster.join(1, 0);
    let joined = cluster.answer(1, token).is_ok();
    cluster.run(secs(5));
    for host in 0..2 {
        let known = cluster.statuses(host).len();
        assert_eq!(known, if joined { 2 } else { 1 }, "n{host}");
    }
    (joined, cluster)
}

#[test]
fn only_equals_meet() {
    let plain = |_: &mut Config| {};
    let with_key = |fill| move |config: &mut Config| config.security.keys = vec![key(fill, 16)];
    let label = |label: &'static str| move |config: &mut Config| config.security.label = label.into();
    assert!(meets(plain, plain).0);
    assert!(meets(with_key(1), with_key(1)).0);
    assert!(!meets(with_key(1), with_key(2)).0, "different keys");
    assert!(!meets(with_key(1), plain).0, "plain to encrypted");
    assert!(!meets(plain, with_key(1)).0, "encrypted to plain");
    assert!(meets(label("blue"), label("blue")).0);
    assert!(!meets(label("blue"), label("green")).0, "different labels");
    assert!(!meets(label("blue"), plain).0, "no label to a labelled one");
    assert!(!meets(plain, label("blue")).0, "a label to an unlabelled one");
    let both = |config: &mut Config| {
        config.security.label = "blue".into();
        config.security.keys = vec![key(1, 32)];
    };
    assert!(meets(both, both).0);
    let other = |config: &mut Config| {
        config.security.label = "green".into();
        config.security.keys = vec![key(1, 32)];
    };
    assert!(!meets(both, other).0, "one key, different labels");
}

#[test]
fn datagrams_of_strangers_are_refused_with_a_reason() {
    let outsider = "10.3.3.3:7946".parse().unwrap();
    let mut cluster = Cluster::with(3, |i, config| match i {
        0 => config.security.keys = vec![key(1, 16)],
        1 => config.security.label = "blue".into(),
        _ => {}
    });
    let labelled = [&[244, 5][..], b"green", &wire::ping(1, "")].concat();
    for (host, packet, reason) in [
        (0, wire::ping(1, ""), Some(Refusal::Decrypt)),
        (1, wire::ping(1, ""), Some(Refusal::Label)),
        (1, labelled.clone(), Some(Refusal::Label)),
        (2, labelled, Some(Refusal::Label)),
        (2, vec![200, 1, 2], Some(Refusal::UnknownType(200))),
        (2, wire::ping(1, ""), None),
    ] {
        cluster.forget_events();
        let before = cluster.hosts[host].node().metrics().refused;
        cluster.inject(outsider, host, &packet);
        let refused = cluster.hosts[host].events.iter().filter_map(|(_, event)| match event {
            Event::Refused(refused) => Some((refused.source, refused.reason.clone())),
            _ => None,
        });
        let refused: Vec<_> = refused.collect();
        let counted = cluster.hosts[host].node().metrics().refused - before;
        match reason {
            // Without its version byte a plain packet may be called either.
            Some(Refusal::Decrypt) => {
                assert!(matches!(refused[..], [(_, Refusal::Decrypt | Refusal::Plaintext)]), "{refused:?}");
            }
            Some(reason) => assert_eq!(refused, [(outsider, reason)]),
            None => assert!(refused.is_empty()),
        }
        assert_eq!(counted, refused.len() as u64);
    }
}

#[test]
fn a_plain_cluster_moves_to_encryption_node_by_node() {
    let mut cluster = Cluster::lan(4).joined();
    let restart = |cluster: &mut Cluster, host: usize, edit: &dyn Fn(&mut Config)| {
        cluster.kill(host);
        edit(&mut cluster.hosts[host].config);
        cluster.start(host);
        cluster.join(host, (host + 1) % 4);
        cluster.until_converged(secs(90));
        cluster.run(secs(10));
    };
    let steps: [&dyn Fn(&mut Config); 3] = [
        &|c| {
            c.security.keys = vec![key(1, 16)];
            c.security.verify_incoming = false;
            c.security.verify_outgoing = false;
        },
        &|c| c.security.verify_outgoing = true,
        &|c| c.security.verify_incoming = true,
    ];
    for step in steps {
        for host in 0..4 {
            restart(&mut cluster, host, step);
        }
    }
    cluster.assert_nobody_heard(MemberEventKind::Failed);
    cluster.net.tapped = true;
    cluster.run(secs(10));
    assert!(cluster.net.tap.iter().all(|p| p.payload[0] == 1), "all is encrypted now");
}

#[test]
fn addresses_outside_the_allowed_networks_stay_out() {
    let mut cluster = Cluster::with(3, |i, config| {
        if i < 2 {
            config.security.allowed = vec![("10.0.0.0".parse().unwrap(), 24)];
        } else {
            config.advertise = "192.168.1.1:7946".parse().unwrap();
        }
    });
    cluster.join(1, 0);
    cluster.run(secs(1));
    cluster.join(2, 0);
    cluster.run(secs(10));
    for host in 0..2 {
        assert_eq!(cluster.statuses(host).len(), 2, "n{host} lets only its networks in");
    }
    let outsider = "10.3.3.3:7946".parse().unwrap();
    cluster.inject(outsider, 0, &wire::alive("ghost", Cluster::address(9), 1));
    cluster.inject(Cluster::address(1), 0, &wire::alive("ghost", outsider, 1));
    cluster.run(ms(10));
    assert_eq!(cluster.status(0, "ghost"), None);
}
