//! Operators that work on a batch as a whole: counts, folds, groups, the greatest.

use crate::{INTEGERS, KEY_VALUE, once, once_in_order, out, run, some};

#[test]
fn batches_are_counted_and_folded() {
    assert_eq!(once(&["a", "b"], r#"{ op = "count" }"#), ["2"]);
    assert_eq!(
        run(&[&["a"]], &out(r#"{ op = "count" }"#), 2),
        [some(&["1"]), some(&["0"])]
    );
    let folds = |function: &str| {
        let ops = format!(
            r#"{{ op = "map", function = "parse_int" }}, {{ op = "repartition", partitions = 3 }},
               {{ op = "reduce", function = "{function}" }}"#
        );
        once(&["5", "-2", "9", "4"], &ops.replace('\n', " "))
    };
    assert_eq!(folds("sum"), ["16"]);
    assert_eq!(folds("min"), ["-2"]);
    assert_eq!(folds("max"), ["9"]);
    assert_eq!(folds("count"), ["4"]);
    assert_eq!(
        once(&["b", "c", "a"], r#"{ op = "reduce", function = "first" }"#),
        ["b"]
    );
    assert_eq!(
        once(&["b", "c", "a"], r#"{ op = "reduce", function = "last" }"#),
        ["a"]
    );
    assert_eq!(
        once(&["b", "c", "a"], r#"{ op = "reduce", function = "max" }"#),
        ["c"]
    );
    assert!(once(&[], r#"{ op = "reduce", function = "max" }"#).is_empty());
}

#[test]
fn keys_are_grouped_and_folded() {
    let lines = ["a=3", "b=1", "a=1", "a=2"];
    let folds = |function: &str| {
        once(
            &lines,
            &format!(r#"{INTEGERS}, {{ op = "reduce_by_key", function = "{function}" }}"#),
        )
    };
    assert_eq!(folds("sum"), ["(a,6)", "(b,1)"]);
    assert_eq!(folds("min"), ["(a,1)", "(b,1)"]);
    assert_eq!(folds("max"), ["(a,3)", "(b,1)"]);
    assert_eq!(folds("count"), ["(a,3)", "(b,1)"]);
    assert_eq!(folds("first"), ["(a,3)", "(b,1)"]);
    assert_eq!(folds("last"), ["(a,2)", "(b,1)"]);
    let combines = |function: &str| {
        once(
            &lines,
            &format!(r#"{INTEGERS}, {{ op = "combine_by_key", function = "{function}" }}"#),
        )
    };
    assert_eq!(combines("list"), ["(a,[3, 1, 2])", "(b,[1])"]);
    assert_eq!(combines("set"), ["(a,[1, 2, 3])", "(b,[1])"]);
    assert_eq!(combines("avg"), ["(a,2.0)", "(b,1.0)"]);
    assert_eq!(combines("sum"), ["(a,6)", "(b,1)"]);
    assert_eq!(combines("count"), ["(a,3)", "(b,1)"]);
    assert_eq!(combines("min"), ["(a,1)", "(b,1)"]);
    assert_eq!(combines("max"), ["(a,3)", "(b,1)"]);
    assert_eq!(
        once(
            &lines,
            &format!(r#"{KEY_VALUE}, {{ op = "group_by_key", partitions = 3 }}"#)
        ),
        ["(a,[3, 1, 2])", "(b,[1])"]
    );
    let counts = r#"{ op = "split" }, { op = "count_by_value" }, { op = "reduce_by_key", function = "sum" }"#;
    assert_eq!(once(&["x y x"], counts), ["(x,2)", "(y,1)"]);
}

#[test]
fn records_of_any_kind_are_counted_by_value() {
    assert_eq!(
        once(
            &["a=1", "a=1", "b=1"],
            &format!(r#"{KEY_VALUE}, {{ op = "count_by_value" }}"#)
        ),
        ["((a,1),2)", "((b,1),1)"]
    );
    let lengths = r#"{ op = "map", function = "length" }, { op = "count_by_value" }"#;
    assert_eq!(once(&["ab", "cd", "e"], lengths), ["(1,1)", "(2,2)"]);
}

#[test]
fn partitions_are_worked_on_as_a_whole() {
    let one = r#"{ op = "repartition", partitions = 1 }"#;
    let works = |function: &str| {
        let ops = format!(r#"{one}, {{ op = "map_partitions", function = "{function}" }}"#);
        once_in_order(&["b", "a", "b"], &ops)
    };
    assert_eq!(works("sort"), ["a", "b", "b"]);
    assert_eq!(works("distinct"), ["b", "a"]);
    let pairs = format!(r#"{INTEGERS}, {one}, {{ op = "map_partitions", function = "sort" }}"#);
    assert_eq!(
        once_in_order(&["b=1", "a=10", "a=9"], &pairs),
        ["(a,9)", "(a,10)", "(b,1)"]
    );
    assert_eq!(
        once(&["b", "a"], &format!(r#"{one}, {{ op = "glom" }}"#)),
        ["[b, a]"]
    );
    let pairs = format!(r#"{KEY_VALUE}, {one}, {{ op = "glom" }}"#);
    assert_eq!(once(&["b=1", "a=2"], &pairs), ["[(b,1), (a,2)]"]);
}

#[test]
fn the_greatest_come_first() {
    let top = |ops: &str, lines: &[&str]| once_in_order(lines, ops);
    assert_eq!(
        top(r#"{ op = "top", n = 2 }"#, &["b", "c", "a"]),
        ["c", "b"]
    );
    let numbers = r#"{ op = "map", function = "parse_int" }, { op = "top", n = 2 }"#;
    assert_eq!(top(numbers, &["9", "10", "-1"]), ["10", "9"]);
    let counts = r#"{ op = "split" }, { op = "count_by_value" }, { op = "top", n = 3 }"#;
    assert_eq!(top(counts, &["x y z z y z a"]), ["(z,3)", "(y,2)", "(a,1)"]);
    let keys = r#"{ op = "split" }, { op = "count_by_value" }, { op = "top", n = 1, by = "key" }"#;
    assert_eq!(top(keys, &["x y z z"]), ["(z,2)"]);
    let pairs = format!(r#"{INTEGERS}, {{ op = "top", n = 2 }}"#);
    assert_eq!(top(&pairs, &["a=5", "b=7", "c=6"]), ["(b,7)", "(c,6)"]);
    let lines: Vec<String> = (0..5000).map(|n| n.to_string()).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(top(numbers, &lines), ["4999", "4998"]);
}
