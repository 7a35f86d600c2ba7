//! The DNS interface (consul-dns): nodes and services by name, on UDP and TCP.
//!
//! What is answered is a function of the catalog and of the question; sockets only carry it. While a
//! question is looked up, nothing waits for the network, and only questions for others wait at all.
//!
//! | file | purpose |
//! |---|---|
//! | `name` | names as they stand in messages |
//! | `record` | records and replies |
//! | `request` | from bytes to a question |
//! | `zone`, `question` | whose names these are, and what they ask for |
//! | `answer` | what is answered to a question |
//! | `fit`, `encode` | as much of it as there is room for, as bytes |
//! | `recursor` | other name servers, for names of others |
//! | `respond` | from bytes to bytes |
//! | `server` | sockets |
//! | `counts` | how many questions came |
//! | `fuzz` | what the fuzz target does |

mod answer;
mod counts;
mod encode;
mod fit;
pub(crate) mod fuzz;
mod name;
mod question;
mod record;
mod recursor;
mod request;
mod respond;
mod server;
mod zone;

pub use self::counts::Counts;
pub use self::fit::Truncation;
pub use self::server::{Limits, Server, Setup, Sockets};

/// Hashed quickly, and not so that peers could foresee it: names come from the network.
type Map<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
type Set<T> = std::collections::HashSet<T, foldhash::fast::RandomState>;
