//! State, over restarts, too.

use tempfile::TempDir;

use crate::support::{clock_at, run_to};
use crate::{Batches, INTEGERS, START, context, location, out, output, program, run, some};

#[test]
fn state_goes_on_after_a_restart() {
    let batches: Batches<'_> = &[&["a=1", "b=4"], &["a=2"], &["a=3"]];
    for (function, expected) in [
        ("sum", ["(a,6)", "(b,4)"]),
        ("min", ["(a,1)", "(b,4)"]),
        ("max", ["(a,3)", "(b,4)"]),
        ("count", ["(a,3)", "(b,1)"]),
        ("first", ["(a,1)", "(b,4)"]),
        ("last", ["(a,3)", "(b,4)"]),
    ] {
        let ops =
            format!(r#"{INTEGERS}, {{ op = "update_state_by_key", function = "{function}" }}"#);
        let folder = TempDir::new().unwrap();
        let (clock, url) = (clock_at(START), location());
        let pipeline = program(batches, &out(&ops), folder.path());
        for second in 1..=3 {
            let context = context(&url, &clock, &pipeline);
            context.start().unwrap();
            run_to(&context, &clock, START + second);
            context.stop(false).unwrap();
        }
        let mut last = output(folder.path(), 3).unwrap();
        last.sort();
        assert_eq!(last, expected, "{function}");
    }
}

#[test]
fn mapped_state_goes_on_after_a_restart() {
    let batches: Batches<'_> = &[&["a=1", "b=4"], &["a=2", "a=5"], &["c=7"], &["a=3", "b=1"]];
    for (function, expected) in [
        (
            "sum",
            [
                ["(a,1)", "(b,4)"].as_slice(),
                &["(a,8)"],
                &["(c,7)"],
                &["(a,11)", "(b,5)"],
            ],
        ),
        (
            "min",
            [
                &["(a,1)", "(b,4)"],
                &["(a,1)"],
                &["(c,7)"],
                &["(a,1)", "(b,1)"],
            ],
        ),
        (
            "max",
            [
                &["(a,1)", "(b,4)"],
                &["(a,5)"],
                &["(c,7)"],
                &["(a,5)", "(b,4)"],
            ],
        ),
        (
            "count",
            [
                &["(a,1)", "(b,1)"],
                &["(a,3)"],
                &["(c,1)"],
                &["(a,4)", "(b,2)"],
            ],
        ),
        (
            "first",
            [
                &["(a,1)", "(b,4)"],
                &["(a,1)"],
                &["(c,7)"],
                &["(a,1)", "(b,4)"],
            ],
        ),
        (
            "last",
            [
                &["(a,1)", "(b,4)"],
                &["(a,5)"],
                &["(c,7)"],
                &["(a,3)", "(b,1)"],
            ],
        ),
    ] {
        let ops = format!(r#"{INTEGERS}, {{ op = "map_with_state", function = "{function}" }}"#);
        // Only the keys of each batch are in its output, whatever was started in between.
        assert_eq!(restarted(batches, &ops), expected, "{function}");
    }
    // A key that doesn't come for longer than its time-out begins anew, though that passed over a restart.
    let ops =
        format!(r#"{INTEGERS}, {{ op = "map_with_state", function = "sum", timeout = "2s" }}"#);
    let batches: Batches<'_> = &[&["a=1", "b=4"], &[], &["a=2"], &[], &["a=3", "b=1"]];
    let expected = [
        ["(a,1)", "(b,4)"].as_slice(),
        &[],
        &["(a,3)"],
        &[],
        &["(a,6)", "(b,1)"],
    ];
    assert_eq!(restarted(batches, &ops), expected);
}

/// What each batch gave, sorted, of a program that is started anew for each.
fn restarted(batches: Batches<'_>, ops: &str) -> Vec<Vec<String>> {
    let folder = TempDir::new().unwrap();
    let (clock, url) = (clock_at(START), location());
    let pipeline = program(batches, &out(ops), folder.path());
    let seconds = 1..=batches.len() as u64;
    for second in seconds.clone() {
        let context = context(&url, &clock, &pipeline);
        context.start().unwrap();
        run_to(&context, &clock, START + second);
        context.stop(false).unwrap();
    }
    let sorted = |second| {
        let mut lines = output(folder.path(), second).unwrap();
        lines.sort();
        lines
    };
    seconds.map(sorted).collect()
}

#[test]
fn running_totals_of_words() {
    let ops = r#"{ op = "split" }, { op = "count_by_value" }, { op = "update_state_by_key", function = "sum" }"#;
    let batches: Batches<'_> = &[&["a b a"], &[], &["b"]];
    let expected = [
        some(&["(a,2)", "(b,1)"]),
        some(&["(a,2)", "(b,1)"]),
        some(&["(a,2)", "(b,2)"]),
    ];
    assert_eq!(run(batches, &out(ops), 3), expected);
}
