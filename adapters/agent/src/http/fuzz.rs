//! What the fuzz targets of HTTP do: bodies as they are registered, and what stands behind the
//! question mark.

use serde_json::Value;

use super::decode::{self, Fields};
use super::params::{Params, argument};
use super::registration::{Allowed, lone_check, own_service};
use super::writing;
use crate::filter::{Filter, selectors};

/// The body of a request. The first byte says of which one.
pub fn body(bytes: &[u8]) {
    let Some((&call, body)) = bytes.split_first() else { return };
    let allowed = Allowed { scripts: call & 8 != 0, ..Allowed::default() };
    let fields = || Fields::of(decode::body(body)?, &[]);
    match call % 4 {
        0 => {
            if let Ok(Ok(registration)) = fields().map(|fields| own_service(fields, allowed)) {
                assert!(!registration.service.name.is_empty(), "a service without a name");
            }
        }
        1 => {
            if let Ok(Ok(spec)) = fields().map(|fields| lone_check(fields, allowed)) {
                assert!(!spec.id.is_empty() && !spec.name.is_empty(), "a check without a name");
            }
        }
        2 => {
            if let Ok(write) = writing::read_write(body) {
                assert!(!write.node.is_empty(), "a write about no node");
            }
        }
        _ => {
            if let Ok(erase) = writing::read_erase(body) {
                assert!(!erase.node.is_empty(), "no node is to be erased");
            }
        }
    }
}

/// A path and a query: parameters, what is waited for, and a filter tried on an object that has
/// nothing of what filters ask for, and on one in JSON behind a zero byte.
pub fn query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (text, object) = text.split_once('\0').unwrap_or((text, ""));
    let (path, query) = text.split_once('?').unwrap_or(("", text));
    let _ = argument(path);
    let params = Params::parse(query);
    let named = params.name("/v1");
    let again = Params::parse(named.strip_prefix("/v1?").unwrap_or_default());
    assert_eq!(again, params, "parameters are not read as they are written");
    let _ = (params.waiting(), params.consistency(), params.has("pretty"));
    let object = serde_json::from_str(object).unwrap_or(Value::Null);
    for fields in [selectors::HEALTH_SERVICE, selectors::NODE, selectors::SERVICE, selectors::CHECK] {
        for text in params.all("filter") {
            if let Ok(filter) = Filter::new(text, fields) {
                let _ = (filter.matches(&Value::Null), filter.matches(&object));
            }
        }
    }
}
