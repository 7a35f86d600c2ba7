//! Event handlers, tags file and keyring file of running agents (serf-agent, sections 3 and 4).

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use support::{Spec, agent, cluster};
use tidings::agent::Agent;
use tidings_core::{KeyCommand, QueryParams};
use tidings_tokio::QueryItem;

/// The longest anything is awaited.
const PATIENCE: Duration = Duration::from_secs(15);

/// Waits until a file holds what is wanted and gives its text.
async fn file_that(path: &Path, wanted: impl Fn(&str) -> bool) -> String {
    let start = Instant::now();
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if wanted(&text) {
            return text;
        }
        assert!(start.elapsed() < PATIENCE, "{} holds only:\n{text}", path.display());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Asks a query of half a second: acks and responses.
async fn ask(agent: &Agent, name: &str) -> (usize, Vec<Bytes>) {
    let params = QueryParams {
        name: name.into(),
        ack: true,
        timeout: Duration::from_millis(500),
        ..QueryParams::default()
    };
    let mut query = agent.control().query(params).await.unwrap();
    let (mut acks, mut responses) = (0, Vec::new());
    while let Some(item) = query.next().await {
        match item {
            QueryItem::Ack { .. } => acks += 1,
            QueryItem::Response { payload, .. } => responses.push(payload),
            _ => {}
        }
    }
    (acks, responses)
}

fn handler(filter: &str, script: &str) -> String {
    format!("-event-handler={filter}={script}")
}

#[tokio::test]
async fn only_a_script_that_succeeds_with_little_output_answers_a_query() {
    let spec = Spec::new(
        "alpha",
        &[
            &handler("query:greet", "echo hello"),
            &handler("query:fail", "echo no; exit 3"),
            &handler("query:silent", "true"),
            &handler("query:big", "head -c 3000 /dev/zero | tr '\\0' x"),
            &handler("query:twice", "echo first"),
            &handler("query:twice", "echo second"),
        ],
    );
    let alpha = agent(&spec).await;
    assert_eq!(ask(&alpha, "greet").await, (1, vec!["hello\n".into()]));
    for name in ["fail", "silent", "big", "unknown"] {
        assert_eq!(ask(&alpha, name).await, (1, vec![]), "{name}");
    }
    assert_eq!(ask(&alpha, "twice").await, (1, vec!["first\n".into()]), "only the first answer counts");
}

#[tokio::test]
async fn scripts_get_environment_and_input_as_documented() {
    let dir = tempfile::tempdir().unwrap();
    let dump = dir.path().join("dump");
    let script = format!("{{ env | grep ^SERF_ | sort; cat; echo end; }} >> {}", dump.display());
    let flags = ["-tag=role=web", "-tag=my-tag=a\tb", &handler("member-join,user", &script)];
    let alpha = agent(&Spec::new("alpha", &flags)).await;
    let text = file_that(&dump, |text| text.ends_with("end\n")).await;
    let expected = "SERF_EVENT=member-join\nSERF_SELF_NAME=alpha\nSERF_SELF_ROLE=web\nSERF_TAG_MY_TAG=a\tb\n\
                    SERF_TAG_ROLE=web\nalpha\t127.0.0.1\tweb\tmy-tag=a\\tb,role=web\nend\n";
    assert_eq!(text, expected);

    alpha.control().user_event("deploy".into(), "v1".into(), false).await.unwrap();
    let text = file_that(&dump, |text| text.matches("end\n").count() == 2).await;
    let expected = "SERF_EVENT=user\nSERF_SELF_NAME=alpha\nSERF_SELF_ROLE=web\nSERF_TAG_MY_TAG=a\tb\n\
                    SERF_TAG_ROLE=web\nSERF_USER_EVENT=deploy\nSERF_USER_LTIME=1\nv1\nend\n";
    assert!(text.ends_with(expected), "{text}");
}

#[tokio::test]
async fn events_that_allow_it_are_folded_and_others_overtake_them() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let script = format!("echo \"$SERF_USER_EVENT $SERF_USER_LTIME $(cat)\" >> {}", log.display());
    let alpha = agent(&Spec::new("alpha", &[&handler("user", &script)])).await;
    for n in 0..5 {
        alpha.control().user_event("burst".into(), format!("c{n}").into(), true).await.unwrap();
    }
    for n in 0..3 {
        alpha.control().user_event("nb".into(), format!("n{n}").into(), false).await.unwrap();
    }
    let text = file_that(&log, |text| text.contains("burst")).await;
    assert_eq!(text, "nb 6 n0\nnb 7 n1\nnb 8 n2\nburst 5 c4\n");
}

#[tokio::test]
async fn a_hanging_script_delays_other_scripts_but_neither_node_nor_rpc() {
    let dir = tempfile::tempdir().unwrap();
    let (release, done) = (dir.path().join("release"), dir.path().join("done"));
    let hang = format!("while [ ! -e {} ]; do sleep 0.02; done", release.display());
    let after = format!("cat >> {}", done.display());
    let flags = [handler("user:hang", &hang), handler("user:after", &after)];
    let pair = cluster(&[Spec::new("alpha", &[&flags[0], &flags[1]]), Spec::new("beta", &[])]).await;
    let control = pair.agents[0].control();
    for name in ["hang", "after"] {
        control.user_event(name.into(), "x".into(), false).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(ask(&pair.agents[1], "ping").await.0, 2, "both members answer meanwhile");
    assert!(!done.exists(), "scripts run one after another");
    let lines = control.log().subscribe(tidings::log::Level::Warn, "test".into()).backlog;
    assert!(lines.iter().any(|line| line.text.ends_with("slow, execution exceeding 1s")));
    std::fs::write(&release, "").unwrap();
    file_that(&done, |text| text == "x\n").await;
}

#[tokio::test]
async fn changed_tags_are_written_and_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags.json");
    let flag = format!("-tags-file={}", path.display());
    let spec = Spec::new("alpha", &[&flag]);
    let alpha = agent(&spec).await;
    let set = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())];
    alpha.control().update_tags(&[], set.into()).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, "{\n  \"a\": \"1\",\n  \"b\": \"2\"\n}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let large = [("k".to_owned(), "x".repeat(600))];
    let error = alpha.control().update_tags(&[], large.into()).await.unwrap_err();
    assert_eq!(error, "Encoded length of tags exceeds limit of 512 bytes");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "refused tags are not written");
    alpha.shutdown(false).await;

    let again = agent(&spec).await;
    let view = again.control().node().view();
    let tags = view.get("alpha").unwrap().tags();
    assert_eq!(tags.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
}

#[tokio::test]
async fn changed_keys_are_written_before_the_change_is_confirmed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.json");
    std::fs::write(&path, "[\"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\"]").unwrap();
    let flag = format!("-keyring-file={}", path.display());
    let alpha = agent(&Spec::new("alpha", &[&flag])).await;
    let control = alpha.control();
    let new = || Bytes::from(vec![b'B'; 32]);
    for command in
        [KeyCommand::Install(new()), KeyCommand::Use(new()), KeyCommand::Install(vec![b'C'; 16].into())]
    {
        control.keys(command).await.unwrap();
    }
    control.keys(KeyCommand::Remove(vec![b'A'; 32].into())).await.unwrap();
    let expected =
        "[\n  \"QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=\",\n  \"Q0NDQ0NDQ0NDQ0NDQ0NDQw==\"\n]";
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    // Where nothing can be written, the change is not confirmed.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let error = control.keys(KeyCommand::Install(vec![b'D'; 16].into())).await.unwrap_err();
    assert_eq!(error.to_string(), "1/1 nodes reported failure");
}
