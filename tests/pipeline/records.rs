//! Operators that work on one record at a time.

use crate::{INTEGERS, KEY_VALUE, SPLIT, once};

#[test]
fn text_becomes_text() {
    let lines = ["To be", " or\tnot ", ""];
    assert_eq!(once(&lines, SPLIT), ["To", "be", "not", "or"]);
    assert_eq!(
        once(&["a,b,,c"], r#"{ op = "split", on = "," }"#),
        ["", "a", "b", "c"]
    );
    assert_eq!(
        once(&lines, r#"{ op = "flat_map", function = "split" }"#),
        ["To", "be", "not", "or"]
    );
    assert_eq!(
        once(&lines, r#"{ op = "map", function = "trim" }"#),
        ["", "To be", "or\tnot"]
    );
    assert_eq!(
        once(&["Ab"], r#"{ op = "map", function = "lowercase" }"#),
        ["ab"]
    );
    assert_eq!(
        once(&["Ab"], r#"{ op = "map", function = "uppercase" }"#),
        ["AB"]
    );
    assert_eq!(
        once(&["Ab"], r#"{ op = "map", function = "identity" }"#),
        ["Ab"]
    );
    assert_eq!(
        once(&["äb"], r#"{ op = "map", function = "length" }"#),
        ["2"]
    );
    let regex = r#"{ op = "map", regex = "user=([a-z]+)" }"#;
    assert_eq!(once(&["x user=eve y", "nobody"], regex), ["eve"]);
    let whole = r#"{ op = "map", regex = "[0-9]+" }"#;
    assert_eq!(once(&["a12b"], whole), ["12"]);
}

#[test]
fn records_that_do_not_fit_are_left_out() {
    let ints = r#"{ op = "map", function = "parse_int" }"#;
    assert_eq!(once(&["1", "abc", " 2 "], ints), ["1", "2"]);
    assert_eq!(
        once(&["1", "x"], r#"{ op = "map", function = "parse_float" }"#),
        ["1.0"]
    );
    assert_eq!(once(&["a=1", "b"], KEY_VALUE), ["(a,1)"]);
    assert_eq!(once(&["a=1", "b=x"], INTEGERS), ["(a,1)"]);
}

#[test]
fn json_documents_are_taken_apart() {
    let lines = [
        r#"{"u":{"n":"eve"},"k":[1,2.5,null],"b":7}"#,
        "no json",
        r#"{"u":{}}"#,
    ];
    assert_eq!(once(&lines, r#"{ op = "map", json = "/u/n" }"#), ["eve"]);
    assert_eq!(
        once(&lines, r#"{ op = "map", json = "/k" }"#),
        ["[1, 2.5, null]"]
    );
    assert_eq!(
        once(&lines, r#"{ op = "map", json_pair = ["/u/n", "/b"] }"#),
        ["(eve,7)"]
    );
    let nested = r#"{ op = "map", json = "/u" }, { op = "map", json = "/n" }"#;
    assert_eq!(once(&lines, nested), ["eve"]);
    let split = r#"{ op = "map", json = "/u/n" }, { op = "split", on = "v" }"#;
    assert_eq!(once(&lines, split), ["e", "e"]);
    let upper = r#"{ op = "map", json = "/u/n" }, { op = "map", function = "uppercase" }"#;
    assert_eq!(once(&lines, upper), ["EVE"]);
    let numbers = r#"{ op = "map", json = "/b" }, { op = "map", function = "parse_float" }"#;
    assert_eq!(once(&lines, numbers), ["7.0"]);
}

#[test]
fn pairs_are_taken_apart() {
    let lines = ["a=1", "b=2 3"];
    assert_eq!(
        once(
            &lines,
            &format!(r#"{KEY_VALUE}, {{ op = "map", function = "key" }}"#)
        ),
        ["a", "b"]
    );
    assert_eq!(
        once(
            &lines,
            &format!(r#"{KEY_VALUE}, {{ op = "map", function = "swap" }}"#)
        ),
        ["(1,a)", "(2 3,b)"]
    );
    assert_eq!(
        once(
            &lines,
            &format!(r#"{KEY_VALUE}, {{ op = "map", function = "value" }}, {SPLIT}"#)
        ),
        ["1", "2", "3"]
    );
    assert_eq!(
        once(
            &lines,
            &format!(r#"{KEY_VALUE}, {{ op = "flat_map_values" }}"#)
        ),
        ["(a,1)", "(b,2)", "(b,3)"]
    );
    let counts = format!(r#"{SPLIT}, {{ op = "count_by_value" }}"#);
    let words = ["x y x"];
    assert_eq!(
        once(
            &words,
            &format!(r#"{counts}, {{ op = "map", function = "key" }}"#)
        ),
        ["x", "y"]
    );
    assert_eq!(
        once(
            &words,
            &format!(r#"{counts}, {{ op = "map", function = "value" }}"#)
        ),
        ["1", "2"]
    );
    assert_eq!(
        once(
            &words,
            &format!(r#"{counts}, {{ op = "map", function = "swap" }}"#)
        ),
        ["(1,y)", "(2,x)"]
    );
}

#[test]
fn filters_keep_what_fits() {
    let lines = ["GET /a", "POST /b", "GET /bc"];
    let keeps = |test: &str| once(&lines, &format!(r#"{{ op = "filter", {test} }}"#));
    assert_eq!(keeps(r#"starts_with = "GET""#), ["GET /a", "GET /bc"]);
    assert_eq!(keeps(r#"ends_with = "b""#), ["POST /b"]);
    assert_eq!(keeps(r#"contains = "/b""#), ["GET /bc", "POST /b"]);
    assert_eq!(keeps(r#"contains = "/b", not = true"#), ["GET /a"]);
    assert_eq!(keeps(r#"equals = "GET /a""#), ["GET /a"]);
    assert_eq!(keeps(r#"matches = "/[a-z]$""#), ["GET /a", "POST /b"]);
    assert_eq!(keeps("min_length = 7"), ["GET /bc", "POST /b"]);

    let numbers = r#"{ op = "map", function = "parse_int" }, { op = "filter", min = 2, max = 3 }"#;
    assert_eq!(once(&["1", "2", "3", "4"], numbers), ["2", "3"]);
    let pairs = |test: &str| {
        once(
            &["a=1", "b=2"],
            &format!(r#"{INTEGERS}, {{ op = "filter", {test} }}"#),
        )
    };
    assert_eq!(pairs(r#"equals = "a""#), ["(a,1)"]);
    assert_eq!(pairs(r#"on = "value", equals = 2"#), ["(b,2)"]);
    let counts = |test: &str| {
        let ops = format!(r#"{SPLIT}, {{ op = "count_by_value" }}, {{ op = "filter", {test} }}"#);
        once(&["x y x"], &ops)
    };
    assert_eq!(counts(r#"starts_with = "y""#), ["(y,1)"]);
    assert_eq!(counts(r#"on = "value", min = 2"#), ["(x,2)"]);
}
