//! Reading the recorded and computed vectors.

use serde_json::Value;

/// All lines of a vector file.
pub(crate) fn lines(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

pub(crate) fn text<'v>(line: &'v Value, field: &str) -> &'v str {
    line[field].as_str().unwrap_or_else(|| panic!("no {field} in {line}"))
}

pub(crate) fn bytes(line: &Value, field: &str) -> Vec<u8> {
    unhex(text(line, field))
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    let digit = |c: u8| (c as char).to_digit(16).expect("hexadecimal digit") as u8;
    hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
