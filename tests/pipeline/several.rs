//! Several streams made into one: unions, joins and cogroups.

use crate::{Batches, KEY_VALUE, SPLIT, run, some};

#[test]
fn unions_hold_the_records_of_all() {
    let streams = format!(
        "[streams.words]\nfrom = \"lines\"\nops = [{SPLIT}]\n\
         [streams.out]\nfrom = [\"lines\", \"words\"]\nops = []"
    );
    assert_eq!(run(&[&["a b"]], &streams, 1), [some(&["a", "a b", "b"])]);
    let streams = format!(
        "[streams.lengths]\nfrom = \"lines\"\nops = [{{ op = \"map\", function = \"length\" }}]\n\
         [streams.out]\nfrom = \"lines\"\nops = [{SPLIT}, {{ op = \"union\", with = \"lengths\" }}]"
    );
    assert_eq!(run(&[&["a b"]], &streams, 1), [some(&["3", "a", "b"])]);
    let streams = format!(
        "[streams.pairs]\nfrom = \"lines\"\nops = [{KEY_VALUE}]\n\
         [streams.out]\nfrom = \"lines\"\nops = [{{ op = \"count_by_value\" }}, {{ op = \"union\", with = \"pairs\" }}]"
    );
    assert_eq!(run(&[&["a=2"]], &streams, 1), [some(&["(a,2)", "(a=2,1)"])]);
}

#[test]
fn joins_pair_the_values_of_two_streams() {
    let join = |how: &str| {
        format!(
            "[streams.sides]\nfrom = \"lines\"\nops = [{KEY_VALUE}]\n\
             [streams.others]\nfrom = \"sides\"\nops = [{{ op = \"filter\", starts_with = \"r\", on = \"value\" }}]\n\
             [streams.out]\nfrom = \"sides\"\nops = [{{ op = \"filter\", starts_with = \"l\", on = \"value\" }}, \
             {{ op = \"join\", with = \"others\"{how} }}]"
        )
    };
    let batches: Batches<'_> = &[&["a=l1", "a=l2", "b=l3", "a=r1", "c=r2"], &["b=r3"]];
    let rows = |how: &str| run(batches, &join(how), 2);
    let both = ["(a,(l1,r1))", "(a,(l2,r1))"];
    let with = |more: &[&str]| some(&[&both[..], more].concat());
    assert_eq!(rows(""), [with(&[]), some(&[])]);
    assert_eq!(rows(", how = \"inner\", partitions = 3"), rows(""));
    assert_eq!(
        rows(", how = \"left\""),
        [with(&["(b,(l3,null))"]), some(&[])]
    );
    let right = [with(&["(c,(null,r2))"]), some(&["(b,(null,r3))"])];
    assert_eq!(rows(", how = \"right\""), right);
    let full = [
        with(&["(b,(l3,null))", "(c,(null,r2))"]),
        some(&["(b,(null,r3))"]),
    ];
    assert_eq!(rows(", how = \"full\""), full);
    // Counted words are pairs of other types; a stream can be joined with itself.
    let itself = format!(
        "[streams.counts]\nfrom = \"lines\"\nops = [{SPLIT}, {{ op = \"count_by_value\" }}]\n\
         [streams.out]\nfrom = \"counts\"\nops = [{{ op = \"join\", with = \"counts\" }}]"
    );
    assert_eq!(
        run(&[&["a b a"]], &itself, 1),
        [some(&["(a,(2,2))", "(b,(1,1))"])]
    );
}

/// Two streams of pairs, `sides` and `others`, and `out` of these operators on `sides`.
fn two_sides(ops: &str) -> String {
    let on = |start: &str| {
        format!("{KEY_VALUE}, {{ op = \"filter\", starts_with = \"{start}\", on = \"value\" }}")
    };
    format!(
        "[streams.sides]\nfrom = \"lines\"\nops = [{}]\n\
         [streams.others]\nfrom = \"lines\"\nops = [{}]\n\
         [streams.out]\nfrom = \"sides\"\nops = [{ops}]",
        on("l"),
        on("r")
    )
}

#[test]
fn joined_values_are_taken_apart() {
    let batches: Batches<'_> = &[&["a=l1", "b=l2", "a=r1", "a=r2"]];
    let join = |how: &str, rest: &str| {
        let ops = format!("{{ op = \"join\", with = \"others\", how = \"{how}\" }}, {rest}");
        run(batches, &two_sides(&ops), 1).remove(0).unwrap()
    };
    let pick = |pick: &str| join("left", &format!("{{ op = \"map\", pick = {pick} }}"));
    assert_eq!(pick("\"key\""), ["a", "a", "b"]);
    assert_eq!(pick("\"value.left\""), ["l1", "l1", "l2"]);
    assert_eq!(pick("\"value.right\""), ["null", "r1", "r2"]);
    assert_eq!(pick("\"value.1\""), pick("\"value.right\""));
    let swapped = ["(l2,null)", "(r1,l1)", "(r2,l1)"];
    assert_eq!(
        join(
            "inner",
            "{ op = \"map\", pick = [\"value.right\", \"value.left\"] }"
        ),
        swapped[1..]
    );
    // What isn't there is a record that doesn't fit, and null is there.
    assert_eq!(pick("\"value.right.left\""), [""; 0]);
    assert_eq!(
        join("left", "{ op = \"map_values\", pick = \"left\" }"),
        ["(a,l1)", "(a,l1)", "(b,l2)"]
    );
    // Picked values are values like any other.
    assert_eq!(
        join(
            "inner",
            "{ op = \"map\", pick = \"value.left\" }, { op = \"map\", function = \"uppercase\" }, \
             { op = \"count_by_value\" }"
        ),
        ["(L1,2)"]
    );
    // A join of a join.
    let twice = "{ op = \"join\", with = \"others\" }, { op = \"map\", pick = [\"value.left.right\", \"key\"] }";
    assert_eq!(
        join("inner", twice),
        ["(r1,a)", "(r1,a)", "(r2,a)", "(r2,a)"]
    );
}

#[test]
fn cogroups_pair_lists_that_can_be_taken_apart() {
    let batches: Batches<'_> = &[&["a=l2", "b=l3", "a=l1", "a=r1", "c=r2"], &[]];
    let cogroup = |rest: &str| {
        let ops = format!("{{ op = \"cogroup\", with = \"others\", partitions = 3 }}{rest}");
        run(batches, &two_sides(&ops), 2)
    };
    let groups = ["(a,([l2, l1],[r1]))", "(b,([l3],[]))", "(c,([],[r2]))"];
    assert_eq!(cogroup(""), [some(&groups), some(&[])]);
    let left = ", { op = \"map_values\", pick = \"left\" }, { op = \"flat_map_values\", function = \"items\" }";
    assert_eq!(cogroup(left)[0], some(&["(a,l1)", "(a,l2)", "(b,l3)"]));
    let items =
        ", { op = \"map\", pick = \"value.right\" }, { op = \"flat_map\", function = \"items\" }";
    assert_eq!(cogroup(items)[0], some(&["r1", "r2"]));
    let first = ", { op = \"map\", pick = \"value.left.0\" }";
    assert_eq!(cogroup(first)[0], some(&["l2", "l3"]));
}
