//! What a service does over its life, through client crates made for Consul.
//!
//! Arguments: the HTTP interfaces of two agents of one cluster, as `HOST:PORT`. What fails is told by
//! a panic and the exit status.

use std::time::Duration;

use batata_consul_client::api::agent::{AgentServiceCheck, AgentServiceRegistration};
use batata_consul_client::{Client, Config, QueryOptions};
use rs_consul::types::{
    DeregisterEntityPayload, GetServiceNodesRequest, QueryOptions as Query, RegisterEntityPayload,
    RegisterEntityService,
};
use rs_consul::{Config as OtherConfig, Consul};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() {
    let addresses: Vec<String> = std::env::args().skip(1).collect();
    let [alpha, bravo] = addresses.as_slice() else { panic!("two addresses are wanted: {addresses:?}") };
    let both = async {
        at_agents(&client(alpha), &client(bravo)).await;
        in_the_catalog(&other(alpha), &other(bravo)).await;
    };
    tokio::time::timeout(PATIENCE, both).await.expect("all of it within a minute");
    println!("done");
}

fn client(address: &str) -> Client {
    Client::new(Config { address: address.to_owned(), ..Config::default() }).unwrap()
}

/// A query that waits for a change since this index.
fn since(index: u64) -> QueryOptions {
    QueryOptions { wait_index: index, wait_time: Some(Duration::from_secs(10)), ..QueryOptions::default() }
}

async fn at_agents(alpha: &Client, bravo: &Client) {
    assert_eq!(alpha.agent().node_name().await.unwrap(), "alpha");
    assert_eq!(alpha.agent().self_info().await.unwrap().member.name, "alpha");
    let mut members: Vec<String> =
        alpha.agent().members(false).await.unwrap().into_iter().map(|it| it.name).collect();
    members.sort();
    assert_eq!(members, ["alpha", "bravo"]);

    let web = AgentServiceRegistration::new("web")
        .with_id("web-1")
        .with_port(8001)
        .with_tags(vec!["v1".into()])
        .with_meta("team", "a")
        .with_check(AgentServiceCheck::ttl("10m"));
    let (_, before) = bravo.health().service("web", None, false, None).await.unwrap();
    alpha.agent().service_register(&web).await.unwrap();
    let own = alpha.agent().service("web-1").await.unwrap();
    assert_eq!((own.service.as_str(), own.port, own.meta["team"].as_str()), ("web", 8001, "a"));
    assert_eq!(alpha.agent().checks().await.unwrap()["service:web-1"].status, "critical");

    let (mut found, mut meta) =
        bravo.health().service("web", None, false, Some(&since(before.last_index))).await.unwrap();
    while found.is_empty() {
        (found, meta) =
            bravo.health().service("web", None, false, Some(&since(meta.last_index))).await.unwrap();
    }
    assert!(meta.last_index > before.last_index && meta.known_leader);
    assert_eq!((found[0].node.node.as_str(), found[0].service.id.as_str()), ("alpha", "web-1"));
    assert!(bravo.health().service_healthy("web", None).await.unwrap().0.is_empty());

    alpha.agent().pass_ttl("service:web-1", Some("fine")).await.unwrap();
    let (mut healthy, mut meta) = bravo.health().service_healthy("web", None).await.unwrap();
    while healthy.is_empty() {
        (healthy, meta) = bravo.health().service_healthy("web", Some(&since(meta.last_index))).await.unwrap();
    }
    assert_eq!(healthy[0].service.port, 8001);
    let (checks, _) = bravo.health().checks("web", None).await.unwrap();
    assert_eq!(checks.iter().map(|it| it.output.as_str()).collect::<Vec<_>>(), ["fine"]);
    assert!(!bravo.health().state_passing(None).await.unwrap().0.is_empty());
    assert!(!bravo.health().node("alpha", None).await.unwrap().0.is_empty());

    assert_eq!(bravo.catalog().datacenters().await.unwrap(), ["dc1"]);
    assert_eq!(bravo.catalog().nodes(None).await.unwrap().0.len(), 2);
    assert_eq!(bravo.catalog().services(None).await.unwrap().0["web"], ["v1"]);

    alpha.agent().enable_service_maintenance("web-1", Some("work")).await.unwrap();
    assert!(alpha.agent().checks().await.unwrap().contains_key("_service_maintenance:web-1"));
    alpha.agent().disable_service_maintenance("web-1").await.unwrap();
    alpha.agent().service_deregister("web-1").await.unwrap();
    assert!(alpha.agent().services().await.unwrap().is_empty());
}

fn other(address: &str) -> Consul {
    Consul::new(OtherConfig { address: format!("http://{address}"), ..OtherConfig::default() })
}

async fn in_the_catalog(alpha: &Consul, bravo: &Consul) {
    let service = RegisterEntityService {
        ID: Some("db-1".into()),
        Service: "db".into(),
        Tags: vec!["primary".into()],
        TaggedAddresses: Default::default(),
        Meta: Default::default(),
        Port: Some(5432),
        Namespace: None,
    };
    let payload = RegisterEntityPayload {
        ID: None,
        Node: "rack".into(),
        Address: "10.9.9.9".into(),
        Datacenter: None,
        TaggedAddresses: Default::default(),
        NodeMeta: Default::default(),
        Service: Some(service),
        Checks: Vec::new(),
        SkipNodeUpdate: None,
    };
    alpha.register_entity(&payload).await.unwrap();
    let look = async |index| {
        let request = GetServiceNodesRequest { service: "db", passing: true, ..Default::default() };
        let query =
            Query { index, wait: Some(Duration::from_secs(10)), timeout: Some(PATIENCE), ..Query::default() };
        bravo.get_service_nodes(request, Some(query)).await.unwrap()
    };
    let mut found = look(None).await;
    while found.response.is_empty() {
        found = look(Some(found.index)).await;
    }
    let it = &found.response[0];
    assert_eq!(
        (it.node.node.as_str(), it.node.address.as_str(), it.service.port),
        ("rack", "10.9.9.9", 5432)
    );
    let names = bravo.get_all_registered_service_names(None).await.unwrap();
    assert!(names.response.contains(&"db".to_owned()), "{names:?}");

    let whole = DeregisterEntityPayload {
        Node: Some("rack".into()),
        Datacenter: None,
        CheckID: None,
        ServiceID: None,
        Namespace: None,
    };
    alpha.deregister_entity(&whole).await.unwrap();
    while !found.response.is_empty() {
        found = look(Some(found.index)).await;
    }
}
