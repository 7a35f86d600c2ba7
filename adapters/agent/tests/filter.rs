//! The filter language: what it reads, what it finds, and what it says when it cannot; against the
//! rules, and against what the original answered (recorded in `vectors/consul`).

use std::fs;
use std::path::Path;

use quickcheck::{Arbitrary, Gen, quickcheck};
use serde_json::{Value, json};
use tidings::filter::schema::{Field, Fields, Kind, field};
use tidings::filter::{EXPRESSION_BYTES_MAX, Filter, NESTING_MAX, PATTERNS_MAX, selectors};

const PREFIX: &str = "Failed to create boolean expression evaluator: ";

/// One field of each kind.
const FIELDS: &[Field] = &[
    field("Text", Kind::Text),
    field("Number", Kind::Number),
    field("Bool", Kind::Bool),
    field("Texts", Kind::Texts),
    field("Map", Kind::Map(&Kind::Text)),
    field("Objects", Kind::Objects(&[field("Name", Kind::Text), field("Tags", Kind::Texts)])),
    field("Object", Kind::Object(&[field("Number", Kind::Number)])),
    field("Places", Kind::Map(&Kind::Object(&[field("Port", Kind::Number)]))),
    field("not", Kind::Text),
    field("A", Kind::Bool),
    field("B", Kind::Bool),
    field("C", Kind::Bool),
];

fn object() -> Value {
    json!({
        "Text": "some text", "Number": 80, "Bool": true, "Texts": ["a", "b c"],
        "Map": { "key": "value", "odd key": "1", "empty": "" },
        "Objects": [{ "Name": "one", "Tags": ["x"] }, { "Name": "two", "Tags": [] }],
        "Object": { "Number": -3 },
        "Places": { "lan": { "Port": 1 } },
    })
}

fn matches(expression: &str, object: &Value) -> bool {
    match Filter::new(expression, FIELDS) {
        Ok(filter) => filter.matches(object),
        Err(error) => panic!("{expression}: {error}"),
    }
}

/// What is wrong with an expression, without the words that all errors start with.
fn error(expression: &str) -> String {
    let error = Filter::new(expression, FIELDS).expect_err(expression).to_string();
    error.strip_prefix(PREFIX).unwrap_or_else(|| panic!("{error}")).to_owned()
}

#[test]
fn every_operator_does_its_work_on_every_kind_that_has_it() {
    for (expression, expected) in [
        (r#"Text == "some text""#, true),
        (r#"Text == "some""#, false),
        (r#"Text != "some""#, true),
        ("some in Text", true),
        ("Some in Text", false),
        ("none not in Text", true),
        (r#"Text contains "e t""#, true),
        ("Text not contains text", false),
        ("Text matches `^some\\s`", true),
        ("Text matches ome", true),
        ("Text matches `^text`", false),
        ("Text not matches `^text`", true),
        ("Number == 80", true),
        (r#"Number == "80""#, true),
        (r#"Number == "0x50""#, true),
        ("Number != 80", false),
        ("Number == -80", false),
        ("Object.Number == -3", true),
        ("Bool == true", true),
        ("Bool == True", true),
        ("Bool == 1", true),
        ("Bool == t", true),
        ("Bool != false", true),
        ("a in Texts", true),
        ("b in Texts", false),
        (r#""b c" in Texts"#, true),
        ("b not in Texts", true),
        ("Texts contains a", true),
        ("Texts not contains a", false),
        ("Texts is empty", false),
        ("Texts is not empty", true),
        ("key in Map", true),
        ("value in Map", false),
        ("Map not contains other", true),
        ("Map is not empty", true),
        ("Map.key == value", true),
        (r#"Map["key"] == value"#, true),
        ("Map[ `odd key` ] == 1", true),
        ("Map.key matches `^v`", true),
        ("alu in Map.key", true),
        (r#"Map.empty == """#, true),
        ("Places.lan.Port == 1", true),
        (r#"Places["lan"].Port != 1"#, false),
        ("Objects is empty", false),
        (r#"Object["Number"] == -3"#, true),
    ] {
        assert_eq!(matches(expression, &object()), expected, "{expression}");
    }
}

#[test]
fn any_element_of_a_list_of_objects_will_do() {
    for (expression, expected) in [
        ("Objects.Name == one", true),
        ("Objects.Name == two", true),
        ("Objects.Name == three", false),
        ("Objects.Name != one", true),
        ("not Objects.Name == one", false),
        ("Objects.Name not matches `^o`", true),
        ("x in Objects.Tags", true),
        ("x not in Objects.Tags", true),
        ("Objects.Tags is empty", true),
        ("Objects.Tags is not empty", true),
    ] {
        assert_eq!(matches(expression, &object()), expected, "{expression}");
    }
    // Without elements there is none that will do, whatever it is.
    for expression in ["Objects.Name == one", "Objects.Name != one", "Objects.Tags is empty"] {
        assert!(!matches(expression, &json!({ "Objects": [] })), "{expression}");
        assert!(!matches(expression, &json!({})), "{expression}");
    }
}

#[test]
fn what_is_not_there_is_empty_and_a_missing_key_equals_nothing() {
    for (expression, expected) in [
        (r#"Text == """#, true),
        ("Text matches `^$`", true),
        ("Number == 0", true),
        ("Bool == false", true),
        ("Texts is empty", true),
        ("a not in Texts", true),
        ("Map is empty", true),
        ("Object.Number == 0", true),
        ("Objects is empty", true),
        (r#"Map.key == """#, false),
        (r#"Map.key != """#, true),
        ("Map.key matches `.*`", false),
        ("Map.key not matches `.*`", true),
        ("v in Map.key", false),
        ("v not in Map.key", true),
        ("Places.lan.Port == 0", false),
        ("Places.lan.Port != 0", true),
    ] {
        assert_eq!(matches(expression, &json!({})), expected, "{expression}, nothing there");
        let null = json!({
            "Text": null, "Number": null, "Bool": null, "Texts": null, "Map": null, "Objects": null,
            "Object": null, "Places": null,
        });
        assert_eq!(matches(expression, &null), expected, "{expression}, all null");
        // Fields of other kinds than was said are no reason to fall over.
        let other = json!({
            "Text": 1, "Number": "x", "Bool": [], "Texts": {}, "Map": [], "Objects": {}, "Object": 7, "Places": 7,
        });
        assert_eq!(matches(expression, &other), expected, "{expression}, all of other kinds");
    }
}

/// Every combination of three truths, against Rust's own operators.
#[test]
fn and_binds_tighter_than_or_and_not_tighter_than_both() {
    type Rule = fn(bool, bool, bool) -> bool;
    let rules: [(&str, Rule); 10] = [
        ("A == true and B == true", |a, b, _| a && b),
        ("A == true or B == true and C == true", |a, b, c| a || b && c),
        ("A == true and B == true or C == true", |a, b, c| a && b || c),
        ("(A == true or B == true) and C == true", |a, b, c| (a || b) && c),
        ("A == true and (B == true or C == true)", |a, b, c| a && (b || c)),
        ("not A == true and B == true", |a, b, _| !a && b),
        ("not A == true or B == true", |a, b, _| !a || b),
        ("not (A == true or B == true) or C == true", |a, b, c| !(a || b) || c),
        ("not not A == true and not (B == true)", |a, b, _| a && !b),
        ("A == true or B == true and C == true and ((A != true)) or C != true", |a, b, c| a || b || !c),
    ];
    for (expression, rule) in rules {
        for bits in 0..8 {
            let [a, b, c] = [1, 2, 4].map(|bit| bits & bit > 0);
            let object = json!({ "A": a, "B": b, "C": c });
            assert_eq!(matches(expression, &object), rule(a, b, c), "{expression} on {object}");
        }
    }
}

#[test]
fn blanks_are_needed_around_words_alone() {
    for expression in [
        "Number==80",
        "Number !=81",
        "  Number  ==\t80\r\n",
        "(Number==80)",
        "( ( Number == 80 )\n)",
        "(Number==80) and (Number==80)",
        "Texts\ncontains\na",
        "z  not \t in\r\nTexts",
        "Map[\t\"key\" ] == value",
    ] {
        assert!(matches(expression, &object()), "{expression:?}");
    }
    for expression in
        ["(Number==80)and (Number==80)", "(Number==80) and(Number==80)", "not(Number==80)", "\"a\"in Texts"]
    {
        assert!(error(expression).contains("no match found"), "{expression:?}");
    }
}

#[test]
fn words_are_reserved_nowhere() {
    let object = json!({ "not": "in", "Texts": ["not", "is", "and"] });
    for expression in [
        "not == in",
        "not not == and",
        "not in Texts",
        "is in Texts",
        "and in Texts and and in Texts",
        "not not in Texts or not == in",
    ] {
        assert!(matches(expression, &object), "{expression}");
    }
}

#[test]
fn values_come_in_four_forms() {
    for (value, text) in [
        ("word", "word"),
        ("a.b.c", "a.b.c"),
        ("a/b_1", "a/b_1"),
        (r#"a["b c"]"#, "a.b c"),
        ("80", "80"),
        ("-0.25", "-0.25"),
        (r#""with 'quotes' and ``""#, "with 'quotes' and ``"),
        ("`with \"quotes\" and \\n`", "with \"quotes\" and \\n"),
        ("`two\nlines`", "two\nlines"),
        (r#""grüße""#, "grüße"),
        (r#""""#, ""),
    ] {
        assert!(matches(&format!("Text == {value}"), &json!({ "Text": text })), "{value}");
        assert!(matches(&format!("{value} in Texts"), &json!({ "Texts": [text] })), "{value}");
    }
}

#[test]
fn errors_of_syntax_say_where_and_what_would_have_been_right() {
    for (expression, expected) in [
        (
            " ",
            r#"1:2 (1): no match found, expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z]"#,
        ),
        ("Text == x y", r#"1:11 (10): no match found, expected: "and", "or", [ \t\r\n] or EOF"#),
        ("(Text == x", r#"1:11 (10): rule "grouping": Unmatched parentheses"#),
        ("(Text == x y)", r#"1:12 (11): rule "grouping": Unmatched parentheses"#),
        ("Text == x)", r#"1:10 (9): no match found, expected: ".", "[", [ \t\r\n], [a-zA-Z0-9_] or EOF"#),
        ("Text == 1.5.2", r#"1:12 (11): rule "number": Invalid number literal"#),
        ("Text == 5.", r#"1:10 (9): rule "number": Invalid number literal"#),
        ("Text == -x", r#"1:10 (9): no match found, expected: "0" or [1-9]"#),
        ("Map[x] == 1", r#"1:5 (4): rule "index": Invalid index"#),
        (r#"Map["x" == 1"#, r#"1:9 (8): rule "index": Unclosed index expression"#),
        (r#"Map["x == 1"#, r#"1:12 (11): rule "string": Unterminated string literal"#),
        ("Text == `x", r#"1:11 (10): rule "string": Unterminated string literal"#),
        (r#"Text == "a\nb""#, r#"1:9 (8): rule "string": invalid syntax"#),
        ("Text == \"a\nb\"", r#"1:9 (8): rule "string": invalid syntax"#),
        ("x in 5", r#"1:6 (5): rule "match": Invalid selector"#),
        ("Texts is full", r#"1:10 (9): no match found, expected: "empty", "not" or [ \t\r\n]"#),
        ("5", r#"1:2 (1): no match found, expected: ".", [ \t\r\n] or [0-9]"#),
        ("Text ==\n grüße", "2:4 (11): no match found"),
        ("Text == x\n\n!", "3:1 (11): no match found"),
        ("Text == \"ü\" !", "1:13 (13): no match found"),
    ] {
        let error = error(expression);
        assert!(error.starts_with(expected), "{expression:?}\n   gives {error}\nand not {expected}");
    }
}

#[test]
fn errors_of_meaning_are_found_before_any_object_is() {
    for (expression, expected) in [
        ("Nope == 1", r#"Selector "Nope" is not valid"#),
        ("text == 1", r#"Selector "text" is not valid"#),
        ("Object.Nope.More == 1", r#"Selector "Object.Nope" is not valid"#),
        ("Text.x == 1", r#"Selector "Text.x" is not valid"#),
        ("Texts.x == 1", r#"Selector "Texts.x" is not valid"#),
        ("Map.a.b == 1", r#"Selector "Map.a.b" is not valid"#),
        (r#"Map["a\b"] == 1"#, r#"1:5 (4): rule "string": invalid syntax"#),
        (r#"Objects["0"].Name == 1"#, r#"Selector "Objects.0" is not valid"#),
        ("Places.lan == 1", r#"Invalid match operator "Equal" for selector "Places.lan""#),
        ("Text is empty", r#"Invalid match operator "Is Empty" for selector "Text""#),
        ("Text is not empty", r#"Invalid match operator "Is Not Empty" for selector "Text""#),
        ("Number contains 1", r#"Invalid match operator "In" for selector "Number""#),
        ("1 not in Number", r#"Invalid match operator "Not In" for selector "Number""#),
        ("Number matches 1", r#"Invalid match operator "Matches" for selector "Number""#),
        ("Bool is empty", r#"Invalid match operator "Is Empty" for selector "Bool""#),
        ("Texts == a", r#"Invalid match operator "Equal" for selector "Texts""#),
        ("Texts not matches a", r#"Invalid match operator "Not Matches" for selector "Texts""#),
        ("Map != a", r#"Invalid match operator "Not Equal" for selector "Map""#),
        ("a in Objects", r#"Invalid match operator "In" for selector "Objects""#),
        ("Object is empty", r#"Invalid match operator "Is Empty" for selector "Object""#),
        (
            "Number == 1.5",
            r#"Failed to coerce value "1.5" for selector "Number": strconv.ParseInt: parsing "1.5": invalid syntax"#,
        ),
        (
            "Number == 9223372036854775808",
            "Failed to coerce value \"9223372036854775808\" for selector \"Number\": \
             strconv.ParseInt: parsing \"9223372036854775808\": value out of range",
        ),
        (
            "Bool != yes",
            r#"Failed to coerce value "yes" for selector "Bool": strconv.ParseBool: parsing "yes": invalid syntax"#,
        ),
        (
            "Text matches `a)`",
            r#"Failed to compile regular expression "a)": error parsing regexp: unexpected ): `a)`"#,
        ),
        // The first error counts, also where the rest would decide without it.
        ("Number == 80 or Nope == 1 or Text is empty", r#"Selector "Nope" is not valid"#),
    ] {
        assert_eq!(error(expression), expected, "{expression}");
    }
}

#[test]
fn expressions_beyond_the_bounds_are_refused() {
    let long = format!("Text == {}", "x".repeat(EXPRESSION_BYTES_MAX));
    assert_eq!(error(&long), format!("the expression has {} bytes, and 8192 are allowed", long.len()));

    let nested = |open: &str, close: &str, depth: usize| {
        format!("{}Number == 80{}", open.repeat(depth), close.repeat(depth))
    };
    for (open, close) in [("(", ")"), ("not ", ""), ("not (", ")")] {
        let each = if open == "not (" { 2 } else { 1 };
        assert!(Filter::new(&nested(open, close, NESTING_MAX / each), FIELDS).is_ok(), "{open}");
        assert!(error(&nested(open, close, NESTING_MAX / each + 1)).contains("nests too deeply"), "{open}");
        assert!(
            error(&open.repeat(EXPRESSION_BYTES_MAX / open.len())).contains("nests too deeply"),
            "{open}"
        );
    }

    let patterns = |count| vec!["Text matches x"; count].join(" or ");
    assert!(Filter::new(&patterns(PATTERNS_MAX), FIELDS).is_ok());
    assert_eq!(error(&patterns(PATTERNS_MAX + 1)), "the expression has more than 16 regular expressions");
    for pattern in ["(a{1000}){1000}", &"(".repeat(1_000), &"a".repeat(2_000)] {
        assert!(error(&format!("Text matches `{pattern}`")).contains("Failed to compile"), "{pattern:.20}");
    }
}

#[test]
fn long_chains_are_no_nesting() {
    for word in ["and", "or"] {
        let chain = vec!["A==t"; 800].join(&format!(" {word} "));
        assert!(matches(&chain, &json!({ "A": true })), "{word}");
    }
}

#[test]
fn any_text_is_refused_with_a_reason_or_made_a_filter() {
    const PIECES: [&str; 26] = [
        "(", ")", " ", " ", " ", "not", "and", "or", "in", "is", "empty", "contains", "matches", "==", "!=",
        "Text", "Texts", "Map", ".key", "[", "\"x\"", "]", "80", "`", "\n", "ü",
    ];
    /// The same answer twice, or a reason.
    fn is_read(text: &str) -> bool {
        match Filter::new(text, FIELDS) {
            Ok(filter) => filter.matches(&object()) == filter.clone().matches(&object()),
            Err(error) => error.to_string().len() > PREFIX.len(),
        }
    }
    fn any_text(text: String) -> bool {
        is_read(&text)
    }
    fn any_pieces(pieces: Vec<usize>) -> bool {
        is_read(&pieces.iter().map(|piece| PIECES[piece % PIECES.len()]).collect::<String>())
    }
    quickcheck(any_text as fn(String) -> bool);
    quickcheck(any_pieces as fn(Vec<usize>) -> bool);
}

/// What an expression can be made of, to be written down and to be worked out by hand.
#[derive(Clone, Debug)]
enum Formula {
    Field(usize),
    Not(Box<Formula>),
    And(Box<[Formula; 2]>),
    Or(Box<[Formula; 2]>),
}

impl Formula {
    fn of_depth(g: &mut Gen, depth: usize) -> Formula {
        let kind = if depth == 0 { 0 } else { u8::arbitrary(g) % 5 };
        let mut part = || Formula::of_depth(g, depth.saturating_sub(1));
        match kind {
            1 => Formula::Not(Box::new(part())),
            2 | 3 => Formula::And(Box::new([part(), part()])),
            4 => Formula::Or(Box::new([part(), part()])),
            _ => Formula::Field(usize::arbitrary(g) % 3),
        }
    }

    /// Writes it without needless parentheses: `around` is how tightly the operator around it binds.
    fn write(&self, around: u8) -> String {
        let (binds, text) = match self {
            Formula::Field(i) => (3, format!("{} == true", ["A", "B", "C"][*i])),
            Formula::Not(term) => (2, format!("not {}", term.write(2))),
            Formula::And(terms) => (1, terms.each_ref().map(|term| term.write(1)).join(" and ")),
            Formula::Or(terms) => (0, terms.each_ref().map(|term| term.write(0)).join(" or ")),
        };
        if binds < around { format!("({text})") } else { text }
    }

    fn holds(&self, fields: &[bool; 3]) -> bool {
        match self {
            Formula::Field(i) => fields[*i],
            Formula::Not(term) => !term.holds(fields),
            Formula::And(terms) => terms.iter().all(|term| term.holds(fields)),
            Formula::Or(terms) => terms.iter().any(|term| term.holds(fields)),
        }
    }
}

impl Arbitrary for Formula {
    fn arbitrary(g: &mut Gen) -> Self {
        Formula::of_depth(g, 6)
    }
}

#[test]
fn any_formula_means_what_it_says() {
    fn law(formula: Formula, fields: (bool, bool, bool)) -> bool {
        let (a, b, c) = fields;
        matches(&formula.write(0), &json!({ "A": a, "B": b, "C": c })) == formula.holds(&[a, b, c])
    }
    quickcheck(law as fn(Formula, (bool, bool, bool)) -> bool);
}

/// The lines of a file of recordings.
fn recorded(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/consul").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// The body of a recorded answer.
fn body(file: &str, id: &str) -> Value {
    let line = recorded(file).into_iter().find(|line| line["id"] == id);
    line.unwrap_or_else(|| panic!("{file} has no {id}"))["body"].take()
}

/// What the endpoints answered without a filter, and what can be selected there.
fn endpoint(path: &str) -> Option<(Fields, Vec<Value>)> {
    let (fields, list) = match path {
        "/v1/health/service/api" => (selectors::HEALTH_SERVICE, body("health.jsonl", "service")),
        "/v1/health/state/any" => (selectors::CHECK, body("health.jsonl", "state-any")),
        "/v1/health/node/alpha" => (selectors::CHECK, body("health.jsonl", "node")),
        "/v1/health/checks/api" => (selectors::CHECK, body("health.jsonl", "checks")),
        "/v1/catalog/nodes" => (selectors::NODE, body("catalog.jsonl", "nodes")),
        "/v1/agent/services" => (selectors::SERVICE, body("catalog.jsonl", "node-alpha")["Services"].take()),
        _ => return None,
    };
    let list = match list {
        Value::Array(list) => list,
        Value::Object(map) => map.into_iter().map(|(_, value)| value).collect(),
        other => panic!("{path}: {other} is no list"),
    };
    Some((fields, list))
}

/// The texts at a place in each element of a list.
fn texts(list: &[&Value], pointer: &str) -> Vec<String> {
    list.iter()
        .map(|element| element.pointer(pointer).and_then(Value::as_str).expect("a text").to_owned())
        .collect()
}

#[test]
fn recorded_expressions_find_what_they_found_in_the_original() {
    let mut compared = 0;
    for line in recorded("filter.jsonl") {
        let (id, expression) = (&line["id"], line["filter"].as_str().expect("a text"));
        let Some((fields, list)) = endpoint(line["path"].as_str().expect("a text")) else { continue };
        let filter = Filter::new(expression, fields);
        if let Some(error) = line["body_text"].as_str() {
            assert_eq!(filter.expect_err("an error").to_string(), error, "{id}: {expression}");
            compared += 1;
            continue;
        }
        let filter = filter.unwrap_or_else(|error| panic!("{id}: {expression}: {error}"));
        let found: Vec<&Value> = list.iter().filter(|element| filter.matches(element)).collect();
        if let Some(count) = line["matched"].as_u64() {
            assert_eq!(found.len() as u64, count, "{id}: {expression}");
        } else if let Some(nodes) = line["matched_nodes"].as_array() {
            // A node that was there in the meantime is not in the list that was recorded.
            let nodes: Vec<&Value> = nodes.iter().filter(|node| *node != "ext1").collect();
            assert_eq!(json!(texts(&found, "/Node")), json!(nodes), "{id}: {expression}");
        } else {
            let pointer = if fields.len() == 3 { "/Service/ID" } else { "/ID" };
            assert_eq!(json!(texts(&found, pointer)), line["matched_service_ids"], "{id}: {expression}");
        }
        compared += 1;
    }
    assert!(compared >= 100, "only {compared} lines were compared");
}

/// Filters within recorded requests, against the same list without one.
#[test]
fn recorded_answers_hold_what_passes_their_filter() {
    for (file, all, id, fields, expression) in [
        ("health.jsonl", "node", "node-filter", selectors::CHECK, "Status == \"critical\""),
        (
            "health.jsonl",
            "service",
            "service-filter-meta",
            selectors::HEALTH_SERVICE,
            "Service.Meta.n == \"2\"",
        ),
        (
            "health.jsonl",
            "service",
            "service-filter-checks",
            selectors::HEALTH_SERVICE,
            "Checks.Status == \"critical\"",
        ),
        ("health.jsonl", "service", "service-filter-node", selectors::HEALTH_SERVICE, "Node.Node == bravo"),
        (
            "health.jsonl",
            "state-any",
            "state-any-filter",
            selectors::CHECK,
            "ServiceName == \"api\" and Status != passing",
        ),
        ("catalog.jsonl", "nodes", "nodes-filter", selectors::NODE, "Meta.rack == \"r2\""),
        (
            "catalog.jsonl",
            "service-web",
            "service-web-filter",
            selectors::CATALOG_SERVICE,
            "ServiceMeta.env == \"prod\"",
        ),
    ] {
        let filter = Filter::new(expression, fields).unwrap_or_else(|error| panic!("{id}: {error}"));
        let Value::Array(all) = body(file, all) else { panic!("{id}: no list") };
        let found: Vec<Value> = all.into_iter().filter(|element| filter.matches(element)).collect();
        assert_eq!(Value::Array(found), body(file, id), "{id}: {expression}");
    }
}
