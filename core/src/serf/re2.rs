//! Expressions in Go's syntax (RE2), told to the `regex` crate.
//!
//! Both are of one family; where they read the same text differently, the text is rewritten:
//!
//! | Go | `regex` | written as |
//! |---|---|---|
//! | `\d \s \w \b` and their opposites are ASCII | Unicode | classes, `(?-u:\b)` |
//! | `\Q...\E` quotes | unknown | escaped characters |
//! | `\<` is `<` | start of a word | `<` |
//! | `{` that starts no repetition is itself | an error | `\{` |
//! | `[`, `&`, `~`, second `-` in a class are themselves | operators | escaped |
//!
//! What both refuse is left as it is, for the compiler to explain.

use alloc::string::String;

/// Rewrites an expression in Go's syntax for `regex::bytes`.
pub(crate) fn translate(expression: &str) -> String {
    let mut out = String::with_capacity(expression.len() + 16);
    let mut rest = expression;
    while let Some(c) = rest.chars().next() {
        rest = match c {
            '\\' => escape(rest, false, &mut out),
            '[' => class(rest, &mut out),
            '{' => brace(rest, &mut out),
            _ => copy(rest, c.len_utf8(), &mut out),
        };
    }
    out
}

/// Copies `len` bytes and returns what follows.
fn copy<'a>(rest: &'a str, len: usize, out: &mut String) -> &'a str {
    let (head, tail) = rest.split_at(len);
    out.push_str(head);
    tail
}

/// Rewrites what a backslash starts.
fn escape<'a>(rest: &'a str, in_class: bool, out: &mut String) -> &'a str {
    let Some(c) = rest[1..].chars().next() else { return copy(rest, 1, out) };
    let tail = &rest[1 + c.len_utf8()..];
    let written = match c {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => r"[\t\n\f\r ]",
        'S' => r"[^\t\n\f\r ]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        '<' => "<",
        '>' => ">",
        'b' if !in_class => r"(?-u:\b)",
        'B' if !in_class => r"(?-u:\B)",
        'Q' if !in_class => return quoted(tail, out),
        'p' | 'P' | 'x' if tail.starts_with('{') => {
            let len = rest.find('}').map_or(rest.len(), |end| end + 1);
            return copy(rest, len, out);
        }
        _ => return copy(rest, 1 + c.len_utf8(), out),
    };
    out.push_str(written);
    tail
}

/// Rewrites quoted text, which ends at `\E` or with the expression.
fn quoted<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let (text, tail) = rest.split_once(r"\E").unwrap_or((rest, ""));
    out.push_str(&regex::escape(text));
    tail
}

/// Rewrites a class, from its `[` to its `]`.
fn class<'a>(rest: &'a str, out: &mut String) -> &'a str {
    // A closing bracket at the start is a member.
    let head = ["[^]", "[]", "[^", "["].iter().find(|head| rest.starts_with(**head)).map_or(0, |h| h.len());
    let mut rest = copy(rest, head, out);
    let mut after_dash = false;
    while let Some(c) = rest.chars().next() {
        let dash = c == '-' && !after_dash;
        rest = match c {
            ']' => return copy(rest, 1, out),
            '\\' => escape(rest, true, out),
            '[' if rest.starts_with("[:") && rest.contains(":]") => {
                copy(rest, rest.find(":]").map_or(1, |end| end + 2), out)
            }
            '[' | '&' | '~' => {
                out.push('\\');
                copy(rest, 1, out)
            }
            '-' if after_dash => {
                out.push('\\');
                copy(rest, 1, out)
            }
            _ => copy(rest, c.len_utf8(), out),
        };
        after_dash = dash;
    }
    rest
}

/// Rewrites an opening brace: part of a repetition, or itself.
fn brace<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let repetition = rest[1..].split_once('}').is_some_and(|(inside, _)| match inside.split_once(',') {
        Some((min, max)) => digits(min) && (max.is_empty() || digits(max)),
        None => digits(inside),
    });
    if !repetition {
        out.push('\\');
    }
    copy(rest, 1, out)
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use quickcheck_macros::quickcheck;
    use regex::bytes::Regex;

    use super::translate;

    fn matches(expression: &str, text: &str) -> bool {
        Regex::new(&translate(expression)).is_ok_and(|regex| regex.is_match(text.as_bytes()))
    }

    #[test]
    fn expressions_match_what_they_match_in_go() {
        for (expression, yes, no) in [
            (r"^\d+$", "42", "\u{664}\u{662}"),
            (r"^\D$", "\u{664}", "4"),
            (r"^\w+$", "web_1", "w\u{e9}b"),
            (r"^[\w-]+$", "web-1", "w\u{e9}b"),
            (r"^[^\d\s]+$", "ab", "a b"),
            (r"\bweb\b", "a web b", "webs"),
            (r"^\s$", "\t", "\u{a0}"),
            (r"^\Qa.b*\E+$", "a.b***", "axb"),
            (r"^\Qa.b", "a.b", "axb"),
            (r"^\<a\>$", "<a>", "a"),
            (r"^a{,2}$", "a{,2}", "aa"),
            (r"^a{2}$", "aa", "a{2}"),
            (r"^a{1,}$", "aaa", "a{1,}"),
            (r"^{$", "{", ""),
            (r"^x}$", "x}", "x"),
            (r"^[a&&b]+$", "a&b", "c"),
            (r"^[[a]$", "[", "]"),
            (r"^[]a]$", "]", "["),
            (r"^[^]a]$", "b", "]"),
            (r"^[[:digit:]x]+$", "1x", "y"),
            (r"^[+--]+$", "+,-", "."),
            (r"^\p{L}\x{41}$", "\u{e9}A", "1A"),
            (r"^\p{Greek}$", "\u{3b1}", "a"),
            (r"(?i)^WEB$", "web", "wab"),
            (r"^a.c$", "a\u{e9}c", "a\nc"),
            (r"^$", "", "a"),
        ] {
            assert!(matches(expression, yes), "{expression} on {yes:?}");
            assert!(!matches(expression, no), "{expression} on {no:?}");
        }
    }

    #[test]
    fn broken_expressions_stay_broken() {
        for expression in ["(", "[a", "*", r"a\", "[z-a]", r"\p{Nothing}", "(?z)", r"\Q(\E("] {
            assert!(Regex::new(&translate(expression)).is_err(), "{expression}");
        }
    }

    #[quickcheck]
    fn any_text_is_rewritten_without_panic(expression: String) -> bool {
        translate(&expression).len() >= expression.len() / 4
    }

    #[quickcheck]
    fn quoted_text_matches_itself_alone(text: String) -> bool {
        let text = text.replace("\\E", "");
        matches(&std::format!(r"^\Q{text}\E$"), &text)
    }
}
