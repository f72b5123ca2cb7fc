//! Windows, by batches and by keys.

use crate::{Batches, INTEGERS, SPLIT, out, run, some};

#[test]
fn windows_come_out_as_they_should() {
    let batches: Batches<'_> = &[&["a=1"], &["a=2", "b=5"], &[], &["b=7"]];
    let window = r#"length = "2s", slide = "1s""#;
    let ops = |op: &str| out(&format!(r#"{INTEGERS}, {{ op = "{op}, {window} }}"#));

    let sums = [
        some(&["(a,1)"]),
        some(&["(a,3)", "(b,5)"]),
        some(&["(a,2)", "(b,5)"]),
        some(&["(b,7)"]),
        some(&["(b,7)"]),
        some(&[]),
    ];
    for inverse in ["true", "false"] {
        let ops = ops(&format!(
            r#"reduce_by_key_and_window", function = "sum", inverse = {inverse}"#
        ));
        assert_eq!(run(batches, &ops, 6), sums, "inverse = {inverse}");
    }
    let last = ops(r#"reduce_by_key_and_window", function = "last""#);
    assert_eq!(
        run(batches, &last, 2),
        [some(&["(a,1)"]), some(&["(a,2)", "(b,5)"])]
    );
    let groups = [
        some(&["(a,[1])"]),
        some(&["(a,[1, 2])", "(b,[5])"]),
        some(&["(a,[2])", "(b,[5])"]),
    ];
    assert_eq!(run(batches, &ops(r#"group_by_key_and_window""#), 3), groups);
    let counts = [
        some(&["1"]),
        some(&["3"]),
        some(&["2"]),
        some(&["1"]),
        some(&["1"]),
        some(&["0"]),
    ];
    assert_eq!(run(batches, &ops(r#"count_by_window""#), 6), counts);
    let all = [
        some(&["(a,1)"]),
        some(&["(a,1)", "(a,2)", "(b,5)"]),
        some(&["(a,2)", "(b,5)"]),
    ];
    assert_eq!(run(batches, &ops(r#"window""#), 3), all);
}

#[test]
fn windows_of_single_records() {
    let batches: Batches<'_> = &[&["1"], &["2", "-2"], &[], &["4"]];
    let ops = |inverse: &str| {
        out(&format!(
            r#"{{ op = "map", function = "parse_int" }}, {{ op = "reduce_by_window", function = "sum", length = "2s", slide = "1s", inverse = {inverse} }}"#
        ))
    };
    // A sum of zero is a result; no records give none.
    let sums = [
        some(&["1"]),
        some(&["1"]),
        some(&["0"]),
        some(&["4"]),
        some(&["4"]),
        some(&[]),
    ];
    for inverse in ["true", "false"] {
        assert_eq!(run(batches, &ops(inverse), 6), sums, "inverse = {inverse}");
    }
    let first = out(r#"{ op = "reduce_by_window", function = "first", length = "2s" }"#);
    assert_eq!(
        run(batches, &first, 3),
        [some(&["1"]), some(&["1"]), some(&["2"])]
    );

    let words: Batches<'_> = &[&["x y"], &["x"]];
    let counts = out(&format!(
        r#"{SPLIT}, {{ op = "count_by_value_and_window", length = "2s", slide = "1s" }}"#
    ));
    let expected = [
        some(&["(x,1)", "(y,1)"]),
        some(&["(x,2)", "(y,1)"]),
        some(&["(x,1)"]),
        some(&[]),
    ];
    assert_eq!(run(words, &counts, 4), expected);
    let lengths = out(
        r#"{ op = "map", function = "length" }, { op = "count_by_value_and_window", length = "2s" }"#,
    );
    assert_eq!(
        run(words, &lengths, 2),
        [some(&["(3,1)"]), some(&["(1,1)", "(3,1)"])]
    );
}

#[test]
fn a_window_slides_in_steps_of_its_own() {
    let ops = format!(
        r#"{SPLIT}, {{ op = "count_by_value" }},
           {{ op = "reduce_by_key_and_window", function = "sum", length = "4s", slide = "2s" }}"#
    );
    let batches: Batches<'_> = &[&["a"], &["a b"], &["b"], &["c"], &[], &[]];
    let expected = [
        None,
        some(&["(a,2)", "(b,1)"]),
        None,
        some(&["(a,2)", "(b,2)", "(c,1)"]),
        None,
        some(&["(b,1)", "(c,1)"]),
    ];
    assert_eq!(run(batches, &out(&ops.replace('\n', " ")), 6), expected);
}
