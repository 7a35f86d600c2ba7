//! What can be selected on each endpoint (consul-http, section 9). Indexes, check definitions and
//! free-form proxy settings are left out on purpose: there they are no selectors either.

use super::schema::Kind::{Bool, Map, Number, Object, Objects, Text, Texts};
use super::schema::{Fields, field};

/// Health of a service: nodes, each with the service and its checks.
pub const HEALTH_SERVICE: Fields =
    &[field("Node", Object(NODE)), field("Service", Object(SERVICE)), field("Checks", Objects(CHECK))];

/// A node in the catalog.
pub const NODE: Fields = &[
    field("ID", Text),
    field("Node", Text),
    field("Address", Text),
    field("Datacenter", Text),
    field("TaggedAddresses", Map(&Text)),
    field("Meta", Map(&Text)),
];

/// A service of an agent or of a node in the catalog.
pub const SERVICE: Fields = &[
    field("Kind", Text),
    field("ID", Text),
    field("Service", Text),
    field("Tags", Texts),
    field("Meta", Map(&Text)),
    field("Port", Number),
    field("Address", Text),
    field("TaggedAddresses", SERVICE_ADDRESSES),
    field("Weights", Object(WEIGHTS)),
    field("EnableTagOverride", Bool),
    field("Proxy", Object(PROXY)),
    field("Connect", Object(CONNECT)),
];

/// A check, of an agent or in the catalog.
pub const CHECK: Fields = &[
    field("Node", Text),
    field("CheckID", Text),
    field("Name", Text),
    field("Status", Text),
    field("Notes", Text),
    field("Output", Text),
    field("ServiceID", Text),
    field("ServiceName", Text),
    field("ServiceTags", Texts),
];

/// A service in the catalog, with its node beside it.
pub const CATALOG_SERVICE: Fields = &[
    field("ID", Text),
    field("Node", Text),
    field("Address", Text),
    field("Datacenter", Text),
    field("TaggedAddresses", Map(&Text)),
    field("NodeMeta", Map(&Text)),
    field("ServiceKind", Text),
    field("ServiceID", Text),
    field("ServiceName", Text),
    field("ServiceTags", Texts),
    field("ServiceAddress", Text),
    field("ServiceTaggedAddresses", SERVICE_ADDRESSES),
    field("ServiceWeights", Object(WEIGHTS)),
    field("ServiceMeta", Map(&Text)),
    field("ServicePort", Number),
    field("ServiceEnableTagOverride", Bool),
    field("ServiceProxy", Object(PROXY)),
    field("ServiceConnect", Object(CONNECT)),
];

const SERVICE_ADDRESSES: super::schema::Kind = Map(&Object(&[field("Address", Text), field("Port", Number)]));

const WEIGHTS: Fields = &[field("Passing", Number), field("Warning", Number)];

const CONNECT: Fields = &[field("Native", Bool)];

const PROXY: Fields = &[
    field("DestinationServiceName", Text),
    field("DestinationServiceID", Text),
    field("LocalServiceAddress", Text),
    field("LocalServicePort", Number),
    field("Upstreams", Objects(UPSTREAM)),
    field("MeshGateway", Object(MESH_GATEWAY)),
    field("Expose", Object(EXPOSE)),
];

const UPSTREAM: Fields = &[
    field("DestinationType", Text),
    field("DestinationNamespace", Text),
    field("DestinationName", Text),
    field("Datacenter", Text),
    field("LocalBindAddress", Text),
    field("LocalBindPort", Number),
    field("MeshGateway", Object(MESH_GATEWAY)),
];

const MESH_GATEWAY: Fields = &[field("Mode", Text)];

const EXPOSE: Fields = &[
    field("Checks", Bool),
    field(
        "Paths",
        Objects(&[
            field("Path", Text),
            field("ListenerPort", Number),
            field("LocalPathPort", Number),
            field("Protocol", Text),
        ]),
    ),
];
