//! What a configuration file says of HTTP (`http_config`; consul-http, section 1): header lines on every
//! answer, paths that are closed, and from where anything may be changed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::answer::Answer;

/// What a configuration file says of HTTP. The empty set of rules allows all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Beginnings of paths.
    blocked: Vec<String>,
    /// Who may change something; empty: everybody.
    writers: Vec<Network>,
}

/// The addresses that begin with so many bits of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network(IpAddr, u8);

impl Rules {
    /// Header lines by name, beginnings of paths, and networks such as `10.0.0.0/8`.
    ///
    /// # Errors
    /// The first of them that is none, in words for the user.
    pub fn new(
        headers: &BTreeMap<String, String>,
        blocked: &[String],
        writers: &[String],
    ) -> Result<Rules, String> {
        let line = |(name, value): (&String, &String)| {
            let wrong = |what: &str| format!("Invalid http_config.response_headers: '{name}': {what}");
            let name = HeaderName::try_from(name).map_err(|_| wrong("this is no name of a header"))?;
            let value = HeaderValue::try_from(value).map_err(|_| wrong("its value cannot be sent"))?;
            Ok::<_, String>((name, value))
        };
        let network = |text: &String| {
            Network::parse(text).ok_or_else(|| {
                format!(
                    "Invalid http_config.allow_write_http_from: '{text}': it must be an address and the \
                     number of its bits that count, such as 10.0.0.0/8"
                )
            })
        };
        Ok(Rules {
            headers: headers.iter().map(line).collect::<Result<_, _>>()?,
            blocked: blocked.to_vec(),
            writers: writers.iter().map(network).collect::<Result<_, _>>()?,
        })
    }

    /// Header lines of every answer but that a path is unknown.
    pub(super) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// The refusal of a request, if it is refused.
    pub(super) fn refusal(&self, from: IpAddr, method: &Method, path: &str) -> Option<Answer> {
        let forbidden = |words: &str| Some(Answer::error(StatusCode::FORBIDDEN, words));
        if self.blocked.iter().any(|blocked| path.starts_with(blocked.as_str())) {
            return forbidden("Endpoint is blocked by agent configuration");
        }
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        if !reads && !self.writers.is_empty() && !self.writers.iter().any(|it| it.has(from)) {
            return forbidden("Access is restricted");
        }
        None
    }
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (addr, bits) = text.split_once('/')?;
        let (addr, bits): (IpAddr, u8) = (addr.parse().ok()?, bits.parse().ok()?);
        let all = if addr.is_ipv4() { 32 } else { 128 };
        (bits <= all).then_some(Network(addr, bits))
    }

    fn has(self, addr: IpAddr) -> bool {
        match (self.0, addr.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(addr)) => {
                (own.to_bits() ^ addr.to_bits()).checked_shr(32 - u32::from(self.1)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(addr)) => {
                (own.to_bits() ^ addr.to_bits()).checked_shr(128 - u32::from(self.1)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(blocked: &[&str], writers: &[&str]) -> Result<Rules, String> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Rules::new(&BTreeMap::new(), &owned(blocked), &owned(writers))
    }

    #[test]
    fn a_path_is_closed_by_its_beginning_and_changes_come_from_where_they_may() {
        let rules = rules(&["/v1/agent/leave"], &["10.0.0.0/8", "2001:db8::/32", "127.0.0.1/32"]).unwrap();
        let of = |from: &str, method: Method, path: &str| {
            rules.refusal(from.parse().unwrap(), &method, path).map(|answer| answer.status.as_u16())
        };
        for (from, method, path, expected) in [
            ("10.1.2.3", Method::PUT, "/v1/agent/join/x", None),
            ("11.1.2.3", Method::PUT, "/v1/agent/join/x", Some(403)),
            ("::ffff:10.1.2.3", Method::PUT, "/v1/agent/join/x", None),
            ("2001:db8:1::1", Method::POST, "/v1/query", None),
            ("2001:db9::1", Method::DELETE, "/v1/query/x", Some(403)),
            ("127.0.0.2", Method::PUT, "/", Some(403)),
            ("127.0.0.2", Method::GET, "/v1/agent/self", None),
            ("127.0.0.1", Method::GET, "/v1/agent/leave/x", Some(403)),
        ] {
            assert_eq!(of(from, method.clone(), path), expected, "{method} {path} from {from}");
        }
        assert!(Rules::default().refusal([10, 0, 0, 1].into(), &Method::PUT, "/").is_none());
    }

    #[test]
    fn what_is_no_rule_is_named() {
        for wrong in ["10.0.0.0", "10.0.0.0/33", "x/8", "::/129", ""] {
            assert!(rules(&[], &[wrong]).unwrap_err().contains("allow_write_http_from"), "{wrong}");
        }
        assert!(
            rules(&[], &["0.0.0.0/0", "::/0"])
                .is_ok_and(|rules| { rules.refusal([9, 9, 9, 9].into(), &Method::PUT, "/").is_none() })
        );
        let header =
            |name: &str, value: &str| Rules::new(&[(name.to_owned(), value.to_owned())].into(), &[], &[]);
        assert!(header("a b", "").unwrap_err().contains("no name of a header"));
        assert!(header("a", "\n").unwrap_err().contains("cannot be sent"));
        assert_eq!(header("Access-Control-Allow-Origin", "*").unwrap().headers().len(), 1);
    }
}
