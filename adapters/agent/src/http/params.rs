//! The query part of a request: parameters, waiting, and what is asked of consistency (consul-http,
//! section 8).

use std::time::Duration;

use crate::duration;

/// Parameters in the order they were given, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Params(Vec<(String, String)>);

/// How long a client waits that does not say.
const WAIT: Duration = Duration::from_secs(5 * 60);
/// The longest anybody waits.
const WAIT_MAX: Duration = Duration::from_secs(10 * 60);

/// What a client waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// A count above this.
    Index(u64),
    /// Another content than this.
    Hash(String),
}

/// A request that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) since: Since,
    pub(super) wait: Duration,
}

impl Params {
    /// Reads what stands behind the question mark.
    pub(super) fn parse(query: &str) -> Self {
        Params(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The first value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// What tells a request for this path from others.
    pub(super) fn name(&self, path: &str) -> String {
        let mut name = form_urlencoded::Serializer::for_suffix(format!("{path}?"), path.len() + 1);
        name.extend_pairs(&self.0).finish()
    }

    /// The same without some parameters.
    pub(super) fn without(&self, names: &[&str]) -> Params {
        Params(self.0.iter().filter(|(key, _)| !names.contains(&key.as_str())).cloned().collect())
    }

    /// Whether a parameter is there, with whatever value.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// What the client waits for, if it does.
    ///
    /// # Errors
    /// The words for a parameter that makes no sense.
    pub(super) fn waiting(&self) -> Result<Option<Waiting>, String> {
        let wait = match self.get("wait").filter(|wait| !wait.is_empty()) {
            None => WAIT,
            Some(text) => {
                let nanos = duration::parse_nanos(text).map_err(|_| "Invalid wait time".to_owned())?;
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
            }
        };
        // No time given is the usual time.
        let wait = if wait.is_zero() { WAIT } else { wait.min(WAIT_MAX) };
        if let Some(hash) = self.get("hash").filter(|hash| !hash.is_empty()) {
            return Ok(Some(Waiting { since: Since::Hash(hash.to_owned()), wait }));
        }
        let index = match self.get("index").filter(|index| !index.is_empty()) {
            None => 0,
            Some(text) => text.parse().map_err(|_| "Invalid index".to_owned())?,
        };
        Ok((index > 0).then_some(Waiting { since: Since::Index(index), wait }))
    }

    /// The word for the consistency asked for. All reads are local, so that every kind is the same.
    ///
    /// # Errors
    /// The words for a contradiction.
    pub(super) fn consistency(&self) -> Result<&'static str, String> {
        let (stale, consistent, cached) = (self.has("stale"), self.has("consistent"), self.has("cached"));
        if stale && consistent {
            return Err("Cannot specify ?stale with ?consistent, conflicting semantics.".into());
        }
        if cached && consistent {
            return Err("Cannot specify ?cached with ?consistent, conflicting semantics.".into());
        }
        if let Some(text) = self.get("max_stale").filter(|text| !text.is_empty()) {
            duration::parse_nanos(text).map_err(|_| format!("Invalid max_stale value {text:?}"))?;
        }
        Ok(if consistent {
            "consistent"
        } else if stale {
            "stale"
        } else {
            "leader"
        })
    }
}

/// An argument in a path, without its percent signs. What makes no sense stays as it is.
pub(crate) fn argument(path: &str) -> String {
    percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_may_repeat() {
        let params = Params::parse("tag=a%20b&tag=c+d&passing&x=%zz&&y=1=2");
        assert_eq!(params.all("tag").collect::<Vec<_>>(), ["a b", "c d"]);
        assert_eq!(
            (params.get("passing"), params.get("x"), params.get("y")),
            (Some(""), Some("%zz"), Some("1=2"))
        );
        assert!(!params.has("Tag"));
        assert_eq!(argument("a%2Fb+c%20%zz"), "a/b+c %zz");
    }

    #[test]
    fn who_waits_says_for_what_and_how_long() {
        let index = |index, seconds| {
            Ok(Some(Waiting { since: Since::Index(index), wait: Duration::from_secs(seconds) }))
        };
        for (query, expected) in [
            ("", Ok(None)),
            ("index=0", Ok(None)),
            ("wait=1s", Ok(None)),
            ("index=7", index(7, 300)),
            ("index=7&wait=0s", index(7, 300)),
            ("index=7&wait=2s", index(7, 2)),
            ("index=7&wait=1h", index(7, 600)),
            ("index=7&wait=1", Err("Invalid wait time".to_owned())),
            ("index=zz", Err("Invalid index".to_owned())),
            ("index=-1", Err("Invalid index".to_owned())),
        ] {
            assert_eq!(Params::parse(query).waiting(), expected, "{query}");
        }
        let hash = Params::parse("hash=abc&wait=1s").waiting().unwrap().unwrap();
        assert_eq!(hash.since, Since::Hash("abc".into()));
    }

    #[test]
    fn contradictions_are_named() {
        for (query, expected) in [
            ("", Ok("leader")),
            ("stale", Ok("stale")),
            ("stale&max_stale=5s", Ok("stale")),
            ("consistent", Ok("consistent")),
            ("stale&consistent", Err("Cannot specify ?stale with ?consistent, conflicting semantics.")),
            ("cached&consistent", Err("Cannot specify ?cached with ?consistent, conflicting semantics.")),
            ("stale&max_stale=zz", Err("Invalid max_stale value \"zz\"")),
        ] {
            assert_eq!(Params::parse(query).consistency(), expected.map_err(str::to_owned), "{query}");
        }
    }
}
