//! Lists of members, encoded once for each view.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use regex::bytes::Regex;
use tidings_client::protocol::{self, MembersFiltered, Message as _};
use tidings_core::serf::filter;
use tidings_core::wire::msgpack::{Dialect, Writer};
use tidings_core::{Member, View};

/// The last list of all members, to be sent again while nothing changes.
#[derive(Default)]
pub(super) struct MembersCache(Mutex<Option<(Arc<View>, Bytes)>>);

impl MembersCache {
    /// The body of a `members` response for this view.
    pub(super) fn encoded(&self, view: Arc<View>) -> Bytes {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, body)) = &*cached
            && (Arc::ptr_eq(known, &view) || known.same(&view))
        {
            return body.clone();
        }
        let body = Bytes::from(encode(view.len(), view.iter()));
        *cached = Some((view, body.clone()));
        body
    }
}

/// The body of a response that lists these members.
fn encode<'a>(count: usize, members: impl Iterator<Item = &'a Member>) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + count * 160);
    Writer::new(&mut out, Dialect::Rpc).map(1).str("Members").array(count);
    for member in members {
        to_protocol(member).encode(&mut out);
    }
    out
}

/// A member in the protocol's form.
pub(super) fn to_protocol(member: &Member) -> protocol::Member {
    let versions = member.identity().versions;
    protocol::Member {
        addr: member.addr().ip(),
        delegate_cur: versions.delegate_cur,
        delegate_max: versions.delegate_max,
        delegate_min: versions.delegate_min,
        name: member.name().to_owned(),
        port: member.addr().port(),
        protocol_cur: versions.protocol_cur,
        protocol_max: versions.protocol_max,
        protocol_min: versions.protocol_min,
        status: member.status().as_str().to_owned(),
        tags: member.tags().iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
    }
}

/// Compiled filters of `members-filtered`.
pub(super) struct Filter {
    status: Option<Regex>,
    name: Option<Regex>,
    tags: Vec<(String, Regex)>,
}

impl Filter {
    /// Compiles the expressions.
    ///
    /// # Errors
    /// The first that is none, and why.
    pub(super) fn new(request: &MembersFiltered) -> Result<Filter, String> {
        let optional = |text: &str| if text.is_empty() { Ok(None) } else { anchored(text).map(Some) };
        Ok(Filter {
            status: optional(&request.status)?,
            name: optional(&request.name)?,
            tags: request
                .tags
                .iter()
                .map(|(key, text)| Ok((key.clone(), anchored(text)?)))
                .collect::<Result<_, String>>()?,
        })
    }

    /// Whether everybody passes.
    pub(super) fn is_empty(&self) -> bool {
        self.status.is_none() && self.name.is_none() && self.tags.is_empty()
    }

    fn passes(&self, member: &Member) -> bool {
        let matches =
            |regex: &Option<Regex>, text: &str| regex.as_ref().is_none_or(|r| r.is_match(text.as_bytes()));
        if !matches(&self.status, member.status().as_str()) || !matches(&self.name, member.name()) {
            return false;
        }
        if self.tags.is_empty() {
            return true;
        }
        let tags = member.tags();
        self.tags.iter().all(|(key, regex)| regex.is_match(tags.get(key).unwrap_or_default().as_bytes()))
    }

    /// The body of the response.
    pub(super) fn encoded(&self, view: &View) -> Vec<u8> {
        let passing: Vec<&Member> = view.iter().filter(|member| self.passes(member)).collect();
        encode(passing.len(), passing.iter().copied())
    }
}

/// `^` + expression + `$`, **not** grouped: `x|b` means `^x` or `b$`, as clients of the original
/// know it.
fn anchored(expression: &str) -> Result<Regex, String> {
    filter::compile(&format!("^{expression}$")).map_err(|error| format!("Failed to compile regex: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_anchored_without_grouping() {
        let cases = [
            ("alph", "alpha", false),
            ("alpha", "alpha", true),
            ("(alpha|beta)", "beta", true),
            ("x|b", "web", true),
            ("w.*", "web", true),
            ("", "", true),
        ];
        for (expression, text, expected) in cases {
            assert_eq!(
                anchored(expression).unwrap().is_match(text.as_bytes()),
                expected,
                "{expression} on {text}"
            );
        }
    }

    #[test]
    fn a_wrong_or_huge_expression_is_refused() {
        assert!(anchored("(").is_err());
        assert!(anchored("(a{1000}){1000}{1000}").is_err());
    }
}
