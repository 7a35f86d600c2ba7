//! What fuzz targets do with the bytes they are given, and plain tests with bytes kept from earlier:
//! no input may panic, hang or be answered with more than there is room for. The bodies lie beside
//! what they test.
//!
//! Outside of the promises about versions: for this project's own `fuzz/` and tests.

pub use crate::config::fuzz::configuration;
pub use crate::dns::fuzz::question as dns;
pub use crate::http::fuzz::{body as http_body, query as http_query};
