//! The HTTP interface (consul-http): registrations in, the catalog out.

mod decode;
mod params;
mod registration;
mod shape;
