//! Whom a query is for: filters by name and by tag (serf-wire, section 6.3).

use alloc::string::String;

use regex::bytes::{Regex, RegexBuilder};

use crate::error::Malformed;
use crate::serf::re2;
use crate::serf::tags::Tags;
use crate::wire::serf_message::Filter;

/// Bytes a compiled expression may take. Expressions come from peers; matching takes linear time
/// whatever they say, and this bounds the memory and the time of compiling them.
const COMPILED_BYTES_MAX: usize = 256 << 10;
/// Bytes of an expression's text; the default limit of a whole query.
const EXPRESSION_BYTES_MAX: usize = 1024;
/// Groups an expression may nest.
const NESTING_MAX: u32 = 64;

/// Whether a node passes a filter. One that is empty, of an unknown type or broken lets nobody
/// pass: only its author knows whom it would be for.
#[must_use]
pub fn passes(filter: Result<Filter<'_>, Malformed>, name: &str, tags: &Tags) -> bool {
    match filter {
        Ok(Filter::Nodes(mut names)) => names.any(|listed| listed == name),
        Ok(Filter::Tag { tag, expr }) => {
            // A tag that is not there has the empty value.
            let value = tags.get(tag).unwrap_or_default();
            compile(expr).is_ok_and(|expression| expression.is_match(value.as_bytes()))
        }
        Ok(Filter::Unknown(_)) | Err(_) => false,
    }
}

/// Checks an expression before it is sent.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check_expression(expression: &str) -> Result<(), String> {
    compile(expression).map(|_| ())
}

/// Compiles an expression in Go's syntax, within bounds that no peer or client can exceed.
///
/// # Errors
/// What is wrong with it, in words.
pub fn compile(expression: &str) -> Result<Regex, String> {
    if expression.len() > EXPRESSION_BYTES_MAX {
        return Err(alloc::format!("the expression is longer than {EXPRESSION_BYTES_MAX} bytes"));
    }
    RegexBuilder::new(&re2::translate(expression))
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(COMPILED_BYTES_MAX)
        .nest_limit(NESTING_MAX)
        .build()
        .map_err(|error| alloc::format!("{error}"))
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use quickcheck_macros::quickcheck;

    use super::{Tags, check_expression};
    use crate::wire::serf_message::{Filter, encode_filters};

    /// The one filter of a query for these nodes.
    fn encode_nodes(names: &[&str]) -> Vec<u8> {
        let mut filter = b"\x00".to_vec();
        crate::wire::msgpack::Writer::new(&mut filter, crate::wire::msgpack::Dialect::Gossip)
            .array(names.len());
        for name in names {
            filter.push(0xa0 | name.len() as u8);
            filter.extend_from_slice(name.as_bytes());
        }
        filter
    }

    /// The one filter of a query for nodes whose tag matches.
    fn encode_tag(tag: &str, expression: &str) -> Vec<u8> {
        let mut list = Vec::new();
        encode_filters(&[""; 0], &[(tag, expression)], &mut list);
        let mut reader = crate::wire::msgpack::Reader::new(&list);
        assert_eq!(reader.array_len(), Ok(1));
        reader.bytes().unwrap().to_vec()
    }

    fn passes(filter: &[u8], name: &str, tags: &Tags) -> bool {
        super::passes(Filter::decode(filter), name, tags)
    }

    fn web() -> Tags {
        [("role", "web"), ("dc", "fra1")].into_iter().collect()
    }

    #[test]
    fn filters_have_the_bytes_of_recorded_agents() {
        assert_eq!(*encode_tag("role", "w.*"), *b"\x01\x82\xa4Expr\xa3w.*\xa3Tag\xa4role");
        assert_eq!(*encode_tag("role", "^db$"), *b"\x01\x82\xa4Expr\xa4^db$\xa3Tag\xa4role");
        assert_eq!(*encode_nodes(&["beta"]), *b"\x00\x91\xa4beta");
        assert_eq!(*encode_nodes(&["beta", "gamma"]), *b"\x00\x92\xa4beta\xa5gamma");
    }

    #[test]
    fn a_list_of_nodes_lets_pass_whom_it_names() {
        assert!(passes(&encode_nodes(&["a", "b"]), "b", &web()));
        assert!(!passes(&encode_nodes(&["a", "b"]), "c", &web()));
        assert!(!passes(&encode_nodes(&[""; 0]), "c", &web()));
        assert!(!passes(b"\x00\x92\xa1b\x05", "b", &web()), "broken behind the name");
    }

    #[test]
    fn a_tag_passes_if_its_expression_matches_anywhere() {
        for (tag, expression, expected) in [
            ("role", "w.*", true),
            ("role", "e", true),
            ("role", "^e", false),
            ("dc", r"^fra\d$", true),
            ("dc", "^ber", false),
            ("rack", "^$", true),
            ("rack", ".", false),
            ("rack", "", true),
            ("role", "(", false),
            ("role", "(?:(?:(?:w{1000}){1000}){1000})?", false),
        ] {
            assert_eq!(passes(&encode_tag(tag, expression), "a", &web()), expected, "{tag}={expression}");
        }
    }

    #[test]
    fn what_cannot_be_read_lets_nobody_pass() {
        for filter in
            [&b""[..], b"\x00", b"\x01", b"\x02\x80", b"\xff", b"\x01\x05", b"\x00\x05", b"\x01\x82\xa4Expr"]
        {
            assert!(!passes(filter, "a", &web()), "{filter:x?}");
        }
    }

    #[test]
    fn an_empty_filter_body_reads_as_go_reads_it() {
        assert!(passes(b"\x01\x80", "a", &web()), "no tag, no expression: the empty one matches");
        assert!(!passes(b"\x00\xc0", "a", &web()), "nobody is listed");
    }

    #[test]
    fn expressions_are_checked_with_a_reason() {
        assert_eq!(check_expression("^w"), Ok(()));
        assert!(check_expression("(").is_err_and(|reason| reason.contains("unclosed group")));
        assert!(check_expression(&"a".repeat(5000)).is_err());
    }

    #[quickcheck]
    fn any_bytes_are_a_filter_that_passes_or_not(kind: bool, bytes: Vec<u8>) -> bool {
        let filter = [&[u8::from(kind)], &bytes[..]].concat();
        passes(&filter, "a", &web()) == passes(&filter, "a", &web())
    }

    #[quickcheck]
    fn any_expression_of_a_peer_is_taken_or_refused(expression: String) -> bool {
        let filter = encode_tag("role", &expression);
        check_expression(&expression).is_ok() || !passes(&filter, "a", &web())
    }
}
