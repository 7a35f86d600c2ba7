//! Addresses of apps: free texts, in paths as base64 in any of its forms, in the catalog as host and
//! port if they have them.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;
use tidings_core::registry::catalog::Instance;

/// Bytes of an address at most: it is kept as meta data, which may have no more.
pub(super) const ADDR_MAX: usize = 512;

/// Where an instance of the catalog keeps its app's address as it was given.
pub(super) const META: &str = "msd-addr";

/// Base64 for URLs, written without padding and read with or without.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The address in a path: base64 of the standard or the URL's alphabet, padded or not, with or
/// without percent signs; slashes of the standard alphabet are no separators. `None`: it is none, or
/// longer than any address.
pub(super) fn from_path(part: &str) -> Option<String> {
    // Each byte may be written as three, and four letters stand for three bytes.
    if part.len() > 3 * (ADDR_MAX.div_ceil(3) * 4) {
        return None;
    }
    let mut letters: Vec<u8> = percent_decode_str(part).collect();
    for letter in &mut letters {
        match letter {
            b'+' => *letter = b'-',
            b'/' => *letter = b'_',
            _ => {}
        }
    }
    let bytes = BASE64.decode(letters).ok().filter(|bytes| bytes.len() <= ADDR_MAX)?;
    String::from_utf8(bytes).ok()
}

/// Host and port of `scheme://host:port/...` or `host:port`; nothing for other texts.
pub(super) fn host_and_port(addr: &str) -> (&str, i64) {
    let (scheme, rest) = addr.split_once("://").unwrap_or(("", addr));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, behind)| behind);
    let usual = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => 80,
        "https" | "wss" => 443,
        _ => 0,
    };
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let port = match port {
        None if scheme.is_empty() => return ("", 0),
        None => Some(usual),
        Some(digits) => digits.parse::<u16>().ok().map(i64::from),
    };
    match port {
        Some(port) if host.chars().all(is_host) => (host, port),
        _ => ("", 0),
    }
}

/// The address by which consumers reach an instance: that of its app, or host and port.
pub(super) fn of_instance(instance: &Instance<'_>) -> String {
    let meta = &instance.service.meta;
    if let Ok(place) = meta.binary_search_by(|(key, _)| (**key).cmp(META)) {
        return meta[place].1.to_string();
    }
    let (host, port) = (instance.address(), instance.service.port);
    match port {
        0 => host,
        _ if host.contains(':') => format!("[{host}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};

    use super::*;

    #[test]
    fn every_form_of_base64_is_read() {
        // All remainders, and letters that the alphabets differ in.
        for addr in
            ["http://10.0.0.1:80", "http://10.0.0.1:8", "http://10.0.0.1:", "a?>b~~\u{ff}?>", "", "ÿÿÿ>>>???"]
        {
            let standard = STANDARD.encode(addr);
            let percent: String = standard.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let escaped = standard.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D");
            let forms = [
                &standard,
                &STANDARD_NO_PAD.encode(addr),
                &URL_SAFE.encode(addr),
                &BASE64.encode(addr),
                &percent,
                &escaped,
            ];
            for form in forms {
                assert_eq!(from_path(form).as_deref(), Some(addr), "{form}");
            }
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = STANDARD.encode("x".repeat(ADDR_MAX + 1));
        let longest = STANDARD.encode("x".repeat(ADDR_MAX));
        assert!(from_path(&longest).is_some());
        for part in ["*", "a", "YQ===", "YQ==YQ==", "Y Q", "/w==", "%ff", &long, &"A".repeat(1 << 20)] {
            assert_eq!(from_path(part), None, "{part:.20}");
        }
    }

    #[test]
    fn host_and_port_are_found_where_they_are() {
        let cases = [
            ("http://127.0.0.1:8081", ("127.0.0.1", 8081)),
            ("http://u:p@h.example:1/x:2?y=http://z:3", ("h.example", 1)),
            ("https://h/", ("h", 443)),
            ("HTTP://h", ("h", 80)),
            ("tcp://h", ("h", 0)),
            ("http://[::1]:80/", ("::1", 80)),
            ("10.0.0.1:9", ("10.0.0.1", 9)),
            ("[::1]:9", ("::1", 9)),
            ("h:99999", ("", 0)),
            ("some words", ("", 0)),
            ("a b:80", ("", 0)),
            ("", ("", 0)),
        ];
        for (addr, expected) in cases {
            assert_eq!(host_and_port(addr), expected, "{addr}");
        }
    }
}
