//! JSON for people: indented by four, with an end of line (consul-http, section 1).

/// Indents JSON that was written without blanks. What is empty stays on its line.
pub(super) fn indent(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (place, &byte) in json.iter().enumerate() {
        if in_text {
            out.push(byte);
            (in_text, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
            continue;
        }
        match byte {
            b'{' | b'[' => {
                out.push(byte);
                if !matches!(json.get(place + 1), Some(b'}' | b']')) {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                if !matches!(place.checked_sub(1).map(|before| json[before]), Some(b'{' | b'[')) {
                    depth = depth.saturating_sub(1);
                    line(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => {
                in_text = byte == b'"';
                out.push(byte);
            }
        }
    }
    out.push(b'\n');
    out
}

fn line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.resize(out.len() + 4 * depth, b' ');
}

#[cfg(test)]
mod tests {
    use serde::Serialize as _;
    use serde_json::{Map, Value, json};

    use super::*;

    /// As a library indents.
    fn by_others(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, formatter)).unwrap();
        out.push(b'\n');
        out
    }

    #[test]
    fn it_is_indented_as_others_do() {
        fn check(texts: Vec<String>, numbers: Vec<i64>, depth: u8) -> bool {
            let map: Map<String, Value> = texts
                .iter()
                .zip(&numbers)
                .map(|(text, number)| (text.clone(), json!([number, {}])))
                .collect();
            let mut value = json!({ "": texts, "[\\\"{": map, "null": null, "numbers": numbers });
            for _ in 0..depth % 5 {
                value = json!([value, [], {}, { "a": false }]);
            }
            indent(&serde_json::to_vec(&value).unwrap()) == by_others(&value)
        }
        quickcheck::quickcheck(check as fn(Vec<String>, Vec<i64>, u8) -> bool);
        assert_eq!(indent(b"[]"), b"[]\n");
        assert_eq!(indent(br#"{"a":[1,{}]}"#), b"{\n    \"a\": [\n        1,\n        {}\n    ]\n}\n");
    }
}
