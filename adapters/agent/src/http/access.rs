//! Who may ask: a token, if one is set (consul-http, section 10).

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};

use super::answer::Answer;
use super::params::Params;

/// The refusal of a request that does not show the token, if one is set.
pub(crate) fn refusal(token: Option<&str>, headers: &HeaderMap, params: &Params) -> Option<Answer> {
    let token = token?;
    match shown(headers, params) {
        Some(shown) if equal(shown, token) => None,
        Some(_) => Some(Answer::error(StatusCode::FORBIDDEN, "ACL not found")),
        None => Some(Answer::error(StatusCode::FORBIDDEN, "Permission denied")),
    }
}

/// The token of a request: as a parameter, in a header of its own, or as a bearer's.
fn shown<'a>(headers: &'a HeaderMap, params: &'a Params) -> Option<&'a str> {
    let line = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let bearer = || {
        let (scheme, token) = line(AUTHORIZATION.as_str())?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    };
    params.get("token").or_else(|| line("x-consul-token")).or_else(bearer).filter(|token| !token.is_empty())
}

/// Whether two texts are equal, in a time that does not tell where they differ.
fn equal(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}
