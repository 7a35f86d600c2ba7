//! Apps that register by REST: two agents see each other's, times run out, agents of the original are
//! understood, and bad requests are refused.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use support::web::{Answer, ask, get, put};
use support::{Cluster, Process, Spec, cluster};
use tidings_client::Client;
use tidings_core::{Event, QueryParams};
use tidings_tokio::{Events, Notice, QueryItem};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The longest anything is awaited.
const PATIENCE: Duration = Duration::from_secs(60);

const REST: &str = "-rest-addr=127.0.0.1:0";
const HTTP: &str = "-http-addr=127.0.0.1:0";

async fn two() -> Cluster {
    cluster(&[Spec::new("alpha", &[REST, HTTP]), Spec::new("bravo", &[REST, HTTP])]).await
}

fn rest(cluster: &Cluster, index: usize) -> SocketAddr {
    cluster.agents[index].rest().unwrap().addr()
}

fn http(cluster: &Cluster, index: usize) -> SocketAddr {
    cluster.agents[index].http().unwrap().addr()
}

async fn register(addr: SocketAddr, app: &str, providers: &[&str], consumers: &[&str]) {
    let body = json!({ "addr": app, "providers": providers, "consumers": consumers }).to_string();
    let answer = put(addr, "/msd/register", &body).await;
    assert_eq!((answer.status, answer.text().as_str()), (201, "null"));
}

async fn about(addr: SocketAddr, what: &str, app: &str) -> Answer {
    get(addr, &format!("/msd/{what}/{}", URL_SAFE.encode(app))).await
}

/// Whether an app is live, and its router checksum.
async fn fresh(addr: SocketAddr, app: &str) -> (bool, String) {
    let answer = about(addr, "fresh", app).await;
    assert_eq!(answer.status, 202);
    let value = answer.json();
    (value["isLive"].as_bool().unwrap(), value["routerCS"].as_str().unwrap().to_owned())
}

/// Reads a service at each change until it is as wanted.
async fn until(addr: SocketAddr, service: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let reading = async {
        let mut index: u64 = 0;
        loop {
            let answer = get(addr, &format!("/v1/health/service/{service}?index={index}&wait=10s")).await;
            let value = answer.json();
            if wanted(&value) {
                return value;
            }
            index = answer.headers["x-consul-index"].parse().unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("the change")
}

/// The addresses of a service as an agent routes to them, once there are so many.
async fn routed(cluster: &Cluster, index: usize, service: &str, count: usize) -> Vec<String> {
    let blued = cluster.agents[index].rest().unwrap().blued();
    for _ in 0..3000 {
        let routers = blued.routers();
        let router = routers.iter().find(|router| router.service == service);
        let addrs = router.map(|router| &router.addrs[..]).unwrap_or_default();
        if addrs.len() == count {
            return addrs.iter().map(|it| format!("{} {}", it.node, it.addr)).collect();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{service}: not {count} of {:?}", blued.routers());
}

#[tokio::test]
async fn what_one_agent_is_told_all_route_to() {
    let cluster = two().await;
    let (alpha, bravo) = (rest(&cluster, 0), rest(&cluster, 1));
    register(alpha, "http://10.0.0.1:80", &["x.c"], &["y.c", "none.c", "x.c"]).await;
    assert_eq!(about(alpha, "fetch", "unknown").await.text(), "null");
    // Both in the same second.
    register(bravo, "http://10.0.0.2:80/a", &["y.c", "z.c"], &[]).await;
    register(bravo, "free text", &["y.c"], &[]).await;
    assert_eq!(
        routed(&cluster, 0, "y.c", 2).await,
        ["bravo free text", "bravo http://10.0.0.2:80/a"],
        "no app is lost"
    );
    let (live, checksum) = fresh(alpha, "http://10.0.0.1:80").await;
    let fetched = about(alpha, "fetch", "http://10.0.0.1:80").await;
    // Sums of `md5sum` of the addresses, in base64 and digits.
    let expected = concat!(
        r#"{"routers":[{"service":"y.c","addrs":[{"node":"bravo","addr":"free text"},"#,
        r#"{"node":"bravo","addr":"http://10.0.0.2:80/a"}],"checksum":"xC0yjjFNZY6vhg72tqeduQ=="},"#,
        r#"{"service":"x.c","addrs":[{"node":"alpha","addr":"http://10.0.0.1:80"}],"checksum":"vuQOi8K/YL83i7OYhs+t7A=="}],"#,
        r#""checksum":"82114019f30cc54de611c18e3c764aa5"}"#
    );
    assert_eq!((fetched.status, fetched.text().as_str()), (200, expected));
    assert_eq!((live, checksum.as_str()), (true, "82114019f30cc54de611c18e3c764aa5"));
    let nothing = about(bravo, "fetch", "free text").await;
    assert_eq!(nothing.text(), r#"{"routers":null,"checksum":""}"#);
    assert_eq!(fresh(bravo, "free text").await, (true, "0".repeat(32)));

    register(bravo, "free text", &["z.c"], &[]).await;
    assert_eq!(routed(&cluster, 0, "y.c", 1).await, ["bravo http://10.0.0.2:80/a"]);
    assert_eq!(routed(&cluster, 0, "z.c", 2).await.len(), 2, "a registration replaces the one before");
    assert_ne!(fresh(alpha, "http://10.0.0.1:80").await, (true, checksum), "what it uses has changed");
}

#[tokio::test]
async fn apps_and_services_are_one_catalog() {
    let cluster = two().await;
    let (alpha, bravo) = (http(&cluster, 0), http(&cluster, 1));
    let app = "http://10.0.0.1:8081/";
    register(rest(&cluster, 0), app, &["x.c"], &["web"]).await;
    let found = until(bravo, "x.c", |found| found[0] != Value::Null).await;
    let service = &found[0]["Service"];
    assert_eq!((&service["Address"], &service["Port"]), (&json!("10.0.0.1"), &json!(8081)));
    assert_eq!(service["Meta"], json!({ "msd-addr": app }));
    assert_eq!(found[0]["Checks"][1]["Status"], json!("passing"));
    assert_eq!(found[0]["Checks"][1]["Type"], json!("ttl"));

    let web = r#"{"Name":"web","Port":80,"Address":"10.0.0.9","Check":{"CheckID":"c","TTL":"10m","Status":"passing"}}"#;
    assert_eq!(put(bravo, "/v1/agent/service/register", web).await.status, 200);
    assert_eq!(routed(&cluster, 0, "web", 1).await, ["bravo 10.0.0.9:80"]);
    let (_, checksum) = fresh(rest(&cluster, 0), app).await;
    assert_ne!(checksum, "0".repeat(32));
    assert_eq!(put(bravo, "/v1/agent/check/fail/c", "").await.status, 200);
    routed(&cluster, 0, "web", 0).await;
    assert_eq!(
        fresh(rest(&cluster, 0), app).await,
        (true, "0".repeat(32)),
        "what is critical is not routed to"
    );

    let id = service["ID"].as_str().unwrap();
    assert_eq!(put(alpha, &format!("/v1/agent/service/deregister/{id}"), "").await.status, 200);
    assert!(!fresh(rest(&cluster, 0), app).await.0, "who was removed otherwise has to register again");
    register(rest(&cluster, 0), app, &["x.c"], &[]).await;
    assert!(fresh(rest(&cluster, 0), app).await.0);
}

#[tokio::test]
async fn an_app_that_says_nothing_goes_and_one_that_does_stays() {
    let short = Spec { json: Some(r#"{"service_ttl":3}"#), ..Spec::new("alpha", &[REST, HTTP]) };
    let cluster = cluster(&[short, Spec::new("bravo", &[REST, HTTP])]).await;
    let alpha = rest(&cluster, 0);
    register(alpha, "quiet", &["q.c"], &[]).await;
    register(alpha, "loud", &["l.c"], &[]).await;
    register(alpha, "consumer", &[], &["l.c"]).await;
    until(http(&cluster, 1), "q.c", |found| found[0] != Value::Null).await;
    let loud = async {
        loop {
            assert!(fresh(alpha, "loud").await.0);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let gone = async {
        until(http(&cluster, 1), "q.c", |found| *found == json!([])).await;
        until(http(&cluster, 0), "q.c", |found| *found == json!([])).await;
    };
    tokio::select! {
        () = loud => {}
        () = gone => {}
    }
    for app in ["quiet", "consumer"] {
        assert_eq!(fresh(alpha, app).await, (false, "0".repeat(32)));
        assert_eq!(about(alpha, "fetch", app).await.text(), "null");
    }
    assert!(about(alpha, "refresh", "loud").await.json()["isLive"].as_bool().unwrap());
    assert_eq!(cluster.agents[0].rest().unwrap().blued().apps().len(), 1);
    register(alpha, "quiet", &["q.c"], &[]).await;
    until(http(&cluster, 1), "q.c", |found| found[0] != Value::Null).await;
}

#[tokio::test]
async fn an_address_is_found_in_every_form_of_base64() {
    let cluster = cluster(&[Spec::new("alpha", &[REST])]).await;
    let alpha = rest(&cluster, 0);
    // Its base64 has both letters that the alphabets differ in, and padding.
    let app = "http://ü?>~?~>>??x";
    register(alpha, app, &["x.c"], &[]).await;
    let standard = STANDARD.encode(app);
    assert!(standard.contains('/') && standard.contains('+') && standard.ends_with('='), "{standard}");
    let escaped = standard.replace('/', "%2F").replace('+', "%2B").replace('=', "%3d");
    for form in
        [standard, STANDARD_NO_PAD.encode(app), URL_SAFE.encode(app), URL_SAFE_NO_PAD.encode(app), escaped]
    {
        for call in ["fresh", "refresh"] {
            let answer = get(alpha, &format!("/msd/{call}/{form}")).await;
            assert_eq!((answer.status, &answer.json()["isLive"]), (202, &json!(true)), "{call} {form}");
        }
        let answer = get(alpha, &format!("/msd/fetch/{form}")).await;
        assert_eq!(answer.text(), r#"{"routers":null,"checksum":""}"#, "{form}");
    }
}

#[tokio::test]
async fn bad_requests_are_refused_and_leave_nothing_behind() {
    let cluster = cluster(&[Spec::new("alpha", &[REST, HTTP])]).await;
    let alpha = rest(&cluster, 0);
    let decoding = r#"{"error":"problem decoding body"}"#;
    let names = |count: usize| json!({ "addr": "a", "providers": (0..count).map(|n| n.to_string()).collect::<Vec<_>>() });
    for (body, status, words) in [
        ("", 400, decoding),
        ("{", 400, decoding),
        ("[]", 400, decoding),
        ("\"x\"", 400, decoding),
        (r#"{"addr":7}"#, 400, decoding),
        (r#"{"addr":"a","providers":"x"}"#, 400, decoding),
        (r#"{"addr":"a","providers":[1]}"#, 400, decoding),
        (r#"{"addr":"a"} x"#, 400, decoding),
        (&"[".repeat(100_000), 400, decoding),
        ("{}", 400, r#"{"error":"addr must not be empty"}"#),
        ("null", 400, r#"{"error":"addr must not be empty"}"#),
        (
            r#"{"addr":"a","providers":["x",""]}"#,
            400,
            r#"{"error":"providers has a service without a name"}"#,
        ),
        (
            &json!({ "addr": "a".repeat(513) }).to_string(),
            400,
            r#"{"error":"addr has 513 bytes; at most 512 are allowed"}"#,
        ),
        (&names(257).to_string(), 400, r#"{"error":"providers has 257 services; at most 256 are allowed"}"#),
        (
            &json!({ "addr": "a".repeat(1 << 20) }).to_string(),
            413,
            "Request body too large, max size: 524288 bytes",
        ),
    ] {
        let answer = put(alpha, "/msd/register", body).await;
        assert_eq!((answer.status, answer.text().as_str()), (status, words), "{body:.80}");
    }
    let long = STANDARD.encode("x".repeat(513));
    for (method, path, status, words) in [
        ("GET", "/msd/fresh/*", 400, r#"{"error":"error decoding addr"}"#),
        ("GET", "/msd/refresh/a", 400, r#"{"error":"error decoding addr"}"#),
        ("GET", "/msd/fetch/%ff%00", 400, r#"{"error":"error decoding addr"}"#),
        ("GET", "/msd/fetch/%2e%2e", 400, r#"{"error":"error decoding addr"}"#),
        ("GET", &format!("/msd/fetch/{long}"), 400, r#"{"error":"error decoding addr"}"#),
        ("POST", "/msd/register", 404, "404 page not found"),
        ("GET", "/msd/register", 404, "404 page not found"),
        ("PUT", "/msd/fresh/YQ==", 404, "404 page not found"),
        ("GET", "/msd/router/YQ==", 404, "404 page not found"),
        ("GET", "/", 404, "404 page not found"),
        ("GET", "/v1/agent/services", 404, "404 page not found"),
    ] {
        let answer = ask(alpha, method, path, &[], "").await;
        assert_eq!((answer.status, answer.text().as_str()), (status, words), "{method} {path:.80}");
    }
    assert_eq!(get(http(&cluster, 0), "/v1/agent/services").await.json(), json!({}));
    // What is left out is empty, in capital or small letters.
    assert_eq!(put(alpha, "/msd/register", r#"{"Addr":"a","providers":null,"other":1}"#).await.status, 201);
}

#[tokio::test]
async fn the_token_of_http_is_asked_for_here_too() {
    let cluster = cluster(&[Spec::new("alpha", &[REST, "-http-token=s3cret"])]).await;
    let alpha = rest(&cluster, 0);
    assert_eq!(get(alpha, "/msd/fetch/YQ==").await.status, 403);
    assert_eq!(get(alpha, "/msd/fetch/YQ==?token=wrong").await.status, 403);
    assert_eq!(get(alpha, "/msd/fetch/YQ==?token=s3cret").await.status, 200);
}

/// Waits for the next user event of one of these names.
async fn next_event(events: &mut Events, names: [&str; 2]) -> (String, Vec<u8>, bool) {
    let next = async {
        loop {
            if let Some(Notice::Event(event)) = events.next().await
                && let Event::User(event) = &*event
                && names.contains(&&*event.name)
            {
                return (event.name.to_string(), event.payload.to_vec(), event.coalesce);
            }
        }
    };
    tokio::time::timeout(PATIENCE, next).await.expect("the event")
}

#[tokio::test]
async fn agents_of_the_original_are_told_of_apps_by_events() {
    let short = [REST, "-service-ttl=3"];
    let cluster =
        cluster(&[Spec::new("alpha", &short), Spec::new("bravo", &[REST]), Spec::new("old", &[])]).await;
    let mut events = cluster.agents[2].control().node().subscribe();
    register(rest(&cluster, 0), "http://a", &["x.c", "y.c"], &["z.c"]).await;
    let rs = b"\x82\xa8NodeAddr\x82\xa4Addr\xa8http://a\xa4Node\xa5alpha\xa8Services\x92\xa3x.c\xa3y.c";
    assert_eq!(next_event(&mut events, ["rs", "us"]).await, ("rs".to_owned(), rs.to_vec(), false));
    // It moves: what alpha withdraws is bravo's by now.
    register(rest(&cluster, 1), "http://a", &["y.c"], &[]).await;
    let rs = b"\x82\xa8NodeAddr\x82\xa4Addr\xa8http://a\xa4Node\xa5bravo\xa8Services\x91\xa3y.c";
    assert_eq!(next_event(&mut events, ["rs", "us"]).await, ("rs".to_owned(), rs.to_vec(), false));
    routed(&cluster, 0, "y.c", 2).await;
    assert_eq!(routed(&cluster, 0, "y.c", 1).await, ["bravo http://a"]);
    register(rest(&cluster, 0), "b", &[], &[]).await;
    let rs = b"\x82\xa8NodeAddr\x82\xa4Addr\xa1b\xa4Node\xa5alpha\xa8Services\x90";
    assert_eq!(next_event(&mut events, ["rs", "us"]).await, ("rs".to_owned(), rs.to_vec(), false));
    assert_eq!(next_event(&mut events, ["rs", "us"]).await, ("us".to_owned(), b"\xa1b".to_vec(), false));
}

/// An event `rs` as the original sends it.
fn announcement(node: &str, addr: &str, services: &[&str]) -> Vec<u8> {
    let map = |pairs: Vec<(&str, rmpv::Value)>| {
        rmpv::Value::Map(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
    };
    let services = services.iter().map(|service| rmpv::Value::from(*service)).collect();
    let value = map(vec![
        ("NodeAddr", map(vec![("Node", node.into()), ("Addr", addr.into())])),
        ("Services", rmpv::Value::Array(services)),
    ]);
    let mut out = Vec::new();
    rmpv::encode::write_value(&mut out, &value).unwrap();
    out
}

#[tokio::test]
async fn agents_of_the_original_are_understood_until_they_are_gone() {
    let cluster =
        cluster(&[Spec::new("alpha", &[REST]), Spec::new("bravo", &[REST]), Spec::new("old", &[])]).await;
    let old = cluster.agents[2].control().node();
    // Within a second, and with folding allowed.
    for (addr, services) in [("a1", &["x.c"][..]), ("a2", &["x.c", "y.c"]), ("a3", &["x.c"])] {
        old.user_event("rs", announcement("old", addr, services), true).await.unwrap();
    }
    old.user_event("rs", "nonsense", true).await.unwrap();
    // An agent with a registry says there what holds.
    old.user_event("rs", announcement("bravo", "a4", &["x.c"]), true).await.unwrap();
    for index in [0, 1] {
        assert_eq!(routed(&cluster, index, "x.c", 3).await, ["old a1", "old a2", "old a3"]);
    }
    old.user_event("us", &b"\xa2a1"[..], true).await.unwrap();
    assert_eq!(routed(&cluster, 0, "x.c", 2).await, ["old a2", "old a3"]);
    assert_eq!(routed(&cluster, 1, "y.c", 1).await, ["old a2"]);
    old.leave().await.unwrap();
    for index in [0, 1] {
        routed(&cluster, index, "x.c", 0).await;
        routed(&cluster, index, "y.c", 0).await;
    }
}

#[tokio::test]
async fn whoever_asks_is_told_where_the_rpc_is() {
    let cluster = cluster(&[Spec::new("alpha", &[REST]), Spec::new("old", &[])]).await;
    let params = QueryParams { name: "qr".into(), ..QueryParams::default() };
    let mut answers = cluster.agents[1].control().node().query(params).await.unwrap();
    let first = async {
        loop {
            if let QueryItem::Response { from, payload } = answers.next().await.expect("an answer") {
                return (from.to_string(), String::from_utf8(payload.to_vec()).unwrap());
            }
        }
    };
    let expected = ("alpha".to_owned(), cluster.rpc().to_string());
    assert_eq!(tokio::time::timeout(PATIENCE, first).await.unwrap(), expected);
}

/// Says all of it and reads as much as is expected.
async fn exchange(agent: SocketAddr, said: &[u8], expected: &[u8]) {
    let mut socket = TcpStream::connect(agent).await.unwrap();
    socket.write_all(said).await.unwrap();
    let mut heard = vec![0; expected.len()];
    let read = tokio::time::timeout(PATIENCE, socket.read_exact(&mut heard)).await;
    read.expect("the answer").unwrap();
    assert_eq!(heard.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

/// A request's header; the answer's.
fn asked(command: &str, seq: u8) -> Vec<u8> {
    let len = u8::try_from(command.len()).unwrap();
    [b"\x82\xa7Command", &[0xa0 | len][..], command.as_bytes(), b"\xa3Seq", &[seq]].concat()
}

fn answered(seq: u8) -> Vec<u8> {
    [&b"\x82\xa5Error\xa0\xa3Seq"[..], &[seq]].concat()
}

#[tokio::test]
async fn the_commands_of_rpc_have_the_names_of_go() {
    let cluster = cluster(&[Spec::new("alpha", &[REST])]).await;
    register(rest(&cluster, 0), "a", &["x.c"], &["y.c"]).await;
    let shaken = [&asked("handshake", 0)[..], b"\x81\xa7Version\x01"].concat();
    let router = |service: &[u8], node: &[u8], addr: &[u8], checksum: &[u8]| {
        let addrs = [b"\x91\x82\xa4Addr", addr, b"\xa4Node", node].concat();
        [b"\x83\xa5Addrs", &addrs[..], b"\xa8Checksum", checksum, b"\xa7Service", service].concat()
    };
    // `printf a | md5sum`, `printf b | md5sum`
    let a = b"\xc4\x10\x0c\xc1\x75\xb9\xc0\xf1\xb6\xa8\x31\xc3\x99\xe2\x69\x77\x26\x61";
    let b = b"\xc4\x10\x92\xeb\x5f\xfe\xe6\xae\x2f\xec\x3a\xd7\x1c\x77\x75\x31\x57\x8f";
    let own = router(b"\xa3x.c", b"\xa5alpha", b"\xa1a", a);
    let other = router(b"\xa3y.c", b"\xa3foo", b"\xa1b", b);
    let said = [
        &shaken,
        &asked("list-microapps", 1),
        &asked("update-routers", 2),
        &[b"\x91", &other[..]].concat(),
        &asked("list-routers", 3),
        &asked("update-routers", 4),
        &b"\x90".to_vec(),
        &asked("list-routers", 5),
    ]
    .map(Vec::as_slice)
    .concat();
    let apps = b"\x91\x83\xa4Addr\xa1a\xa9Consumers\x91\xa3y.c\xa9Providers\x91\xa3x.c";
    let expected = [
        &answered(0),
        &answered(1),
        &apps.to_vec(),
        &answered(2),
        &answered(3),
        &[b"\x92", &own[..], &other].concat(),
        &answered(4),
        &answered(5),
        &[b"\x91", &own[..]].concat(),
    ]
    .map(Vec::as_slice)
    .concat();
    exchange(cluster.rpc(), &said, &expected).await;
}

#[tokio::test]
async fn an_agent_without_rest_says_so_and_goes_on() {
    let cluster = cluster(&[Spec::new("alpha", &[])]).await;
    let client = Client::connect(&cluster.rpc().to_string(), None).await.unwrap();
    for error in [
        client.micro_apps().await.unwrap_err(),
        client.routers().await.unwrap_err(),
        client.update_routers(Vec::new()).await.unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "this agent serves no REST for apps; start it with -rest-addr");
    }
    assert_eq!(client.members().await.unwrap().len(), 1);
}

/// Runs a command against an agent; gives its exit status and what it says.
async fn run(words: &[&str], agent: SocketAddr) -> (Option<i32>, String) {
    let (command, rest) = words.split_first().unwrap();
    let rpc = format!("-rpc-addr={agent}");
    let words =
        [*command, &rpc].into_iter().chain(rest.iter().copied()).map(str::to_owned).collect::<Vec<_>>();
    let run = move || {
        let dir = tempfile::tempdir().unwrap();
        Process::start(dir.path(), &words).end()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test]
async fn apps_and_routers_are_shown_on_the_command_line() {
    let cluster = cluster(&[Spec::new("alpha", &[REST]), Spec::new("bravo", &[REST])]).await;
    let [alpha, bravo] = [0, 1].map(|index| cluster.agents[index].server().local_addr());
    assert_eq!(run(&["apps"], alpha).await, (Some(0), "[]\n".into()));
    assert_eq!(run(&["routers"], alpha).await, (Some(0), "[]\n".into()));
    register(rest(&cluster, 0), "a", &["x.c", "y.c"], &["z.c"]).await;
    register(rest(&cluster, 0), "bb", &[], &[]).await;
    let apps = r#"[
  {
    "addr": "a",
    "providers": [
      "x.c",
      "y.c"
    ],
    "consumers": [
      "z.c"
    ]
  },
  {
    "addr": "bb",
    "providers": [],
    "consumers": []
  }
]
"#;
    assert_eq!(run(&["apps"], alpha).await, (Some(0), apps.into()));
    let text = "a   provides: x.c,y.c  consumes: z.c\nbb  provides:          consumes:\n";
    assert_eq!(run(&["apps", "-format=text"], alpha).await, (Some(0), text.into()));
    assert_eq!(run(&["apps"], bravo).await.1, "[]\n", "apps are known where they registered");
    routed(&cluster, 1, "y.c", 1).await;
    let router = |service| {
        format!(
            "  {{\n    \"service\": \"{service}\",\n    \"addrs\": [\n      {{\n        \"node\": \"alpha\",\n        \
             \"addr\": \"a\"\n      }}\n    ],\n    \"checksum\": \"DMF1ucDxtqgxw5niaXcmYQ==\"\n  }}"
        )
    };
    let routers = format!("[\n{},\n{}\n]\n", router("x.c"), router("y.c"));
    assert_eq!(run(&["routers"], bravo).await, (Some(0), routers));
    let text = "x.c  alpha  a\ny.c  alpha  a\n";
    assert_eq!(run(&["routers", "-format=text"], bravo).await, (Some(0), text.into()));
    assert_eq!(run(&["routers", "-format=yaml"], alpha).await.0, Some(1));
}

#[tokio::test]
async fn routers_are_taken_over_from_the_command_line() {
    let cluster =
        cluster(&[Spec::new("alpha", &[REST]), Spec::new("bravo", &[REST]), Spec::new("old", &[])]).await;
    let [alpha, bravo, old] = [0, 1, 2].map(|index| cluster.agents[index].server().local_addr());
    register(rest(&cluster, 0), "a", &["x.c"], &[]).await;
    routed(&cluster, 1, "x.c", 1).await;
    // Only bravo is told: by another who has heard of it.
    let client = Client::connect(&bravo.to_string(), None).await.unwrap();
    let mut told = client.routers().await.unwrap();
    told[0].service = "w.c".into();
    told[0].addrs[0].node = "old".into();
    client.update_routers(told).await.unwrap();
    let said = format!("Successfully sync router table from {bravo}\n");
    assert_eq!(run(&["sync", "nobody", "bravo"], alpha).await, (Some(0), said));
    let text = "w.c  old    a\nx.c  alpha  a\n";
    assert_eq!(run(&["routers", "-format=text"], alpha).await, (Some(0), text.into()));

    assert_eq!(run(&["sync", "nobody"], alpha).await, (Some(0), "No router table is sync\n".into()));
    let (status, said) = run(&["sync"], alpha).await;
    assert_eq!(status, Some(1));
    assert!(
        said.starts_with("At least one member to sync must be specified.\n\nUsage: tidings sync"),
        "{said}"
    );
    let (status, said) = run(&["apps"], old).await;
    let expected = "Error retrieving apps: this agent serves no REST for apps; start it with -rest-addr\n";
    assert_eq!((status, said.as_str()), (Some(1), expected));
}
