//! Tables of batches in and out, the ones that the original's basic operations are known by, as far as
//! they are not about state or windows.

use std::fmt::Debug;

use super::support::{Collected, SECOND, clock_at, run_to};
use tidemill::rdd::{Data, Rdd};
use tidemill::{DStream, StreamingContext};

/// In how many partitions a table's batches come.
const PARTITIONS: usize = 2;

/// Runs a program over the batches of two queues, one a second, and returns what each batch yielded,
/// sorted.
fn run2<A: Data, B: Data, U: Data + Ord>(
    left: Vec<Vec<A>>,
    right: Vec<Vec<B>>,
    program: impl FnOnce(&StreamingContext, &DStream<A>, &DStream<B>) -> DStream<U>,
) -> Vec<Vec<U>> {
    let clock = clock_at(100);
    let context = StreamingContext::builder("table", SECOND)
        .clock(clock.clone())
        .parallelism(2)
        .build()
        .unwrap();
    let (lefts, left_queue) = context.queue_stream::<A>();
    let (rights, right_queue) = context.queue_stream::<B>();
    let batches = left.len().max(right.len()) as u64;
    for batch in left {
        left_queue.push(context.parallelize_with(batch, PARTITIONS));
    }
    for batch in right {
        right_queue.push(context.parallelize_with(batch, PARTITIONS));
    }
    let seen = Collected::new();
    seen.collect(&program(&context, &lefts, &rights));
    context.start().unwrap();
    for number in 1..=batches {
        run_to(&context, &clock, 100 + number);
    }
    let yielded = (101..=100 + batches)
        .map(|second| seen.at(second))
        .collect();
    context.stop(false).unwrap();
    yielded
}

/// As [`run2`], for a program of one stream.
fn run<A: Data, U: Data + Ord>(
    batches: Vec<Vec<A>>,
    program: impl FnOnce(&DStream<A>) -> DStream<U>,
) -> Vec<Vec<U>> {
    run2(batches, Vec::<Vec<()>>::new(), |_, stream, _| {
        program(stream)
    })
}

/// 1 to 4, 5 to 8, 9 to 12.
fn numbers() -> Vec<Vec<i32>> {
    vec![(1..5).collect(), (5..9).collect(), (9..13).collect()]
}

fn words(batches: &[&[&'static str]]) -> Vec<Vec<&'static str>> {
    batches.iter().map(|batch| batch.to_vec()).collect()
}

fn table<T: Debug + PartialEq>(got: Vec<Vec<T>>, expected: Vec<Vec<T>>) {
    assert_eq!(got, expected);
}

#[test]
fn narrow_steps() {
    table(
        run(numbers(), |s| s.map(|n| -n)),
        vec![
            vec![-4, -3, -2, -1],
            vec![-8, -7, -6, -5],
            vec![-12, -11, -10, -9],
        ],
    );
    table(
        run(vec![vec![1, 2], vec![], vec![5]], |s| {
            s.flat_map::<i32>(|n, out| {
                out.emit(n);
                out.emit_owned(n * 10);
            })
        }),
        vec![vec![1, 2, 10, 20], vec![], vec![5, 50]],
    );
    table(
        run(numbers(), |s| s.filter(|n| n % 2 == 0)),
        vec![vec![2, 4], vec![6, 8], vec![10, 12]],
    );
}

#[test]
fn whole_partitions() {
    table(
        run(numbers(), DStream::glom),
        vec![
            vec![vec![1, 2], vec![3, 4]],
            vec![vec![5, 6], vec![7, 8]],
            vec![vec![9, 10], vec![11, 12]],
        ],
    );
    table(
        run(numbers(), |s| {
            s.map_partitions(|all| [all.iter().sum::<i32>()])
        }),
        vec![vec![3, 7], vec![11, 15], vec![19, 23]],
    );
}

#[test]
fn repartition_makes_exactly_so_many_and_keeps_all() {
    for partitions in [1, 2, 5, 7] {
        let hundreds = vec![(0..100).collect(), (100..200).collect(), vec![]];
        let got = run(hundreds, move |s| {
            s.repartition(partitions).map_partitions(|all| [all])
        });
        for (number, batch) in got.iter().enumerate() {
            assert_eq!(batch.len(), partitions);
            let mut all: Vec<i32> = batch.concat();
            all.sort_unstable();
            let from = number as i32 * 100;
            let expected = if number == 2 { 0 } else { 100 };
            assert_eq!(all, (from..from + expected).collect::<Vec<_>>());
            let sizes = batch.iter().map(Vec::len);
            let spread = sizes.clone().max().unwrap() - sizes.min().unwrap();
            assert!(spread <= PARTITIONS, "dealt out evenly: {spread}");
        }
    }
}

#[test]
fn whole_batches() {
    table(
        run(numbers(), |s| s.reduce(|a, b| a + b)),
        vec![vec![10], vec![26], vec![42]],
    );
    table(
        run(vec![vec![], vec![7], vec![]], |s| s.reduce(|a, b| a + b)),
        vec![vec![], vec![7], vec![]],
    );
    table(
        run(
            vec![vec![], vec![1], vec![1, 2], vec![1, 2, 3]],
            DStream::count,
        ),
        vec![vec![0], vec![1], vec![2], vec![3]],
    );
    table(
        run(
            vec![vec![1], vec![1, 1, 1], vec![1, 2], vec![1, 1, 2, 2]],
            |s| s.count_by_value(),
        ),
        vec![
            vec![(1, 1)],
            vec![(1, 3)],
            vec![(1, 1), (2, 1)],
            vec![(1, 2), (2, 2)],
        ],
    );
}

#[test]
fn by_key() {
    let input = || words(&[&["a", "a", "b"], &["", ""], &[]]);
    let ones = |s: &DStream<&'static str>| s.map(|word| (*word, 1));
    table(
        run(input(), move |s| ones(s).group_by_key()),
        vec![
            vec![("a", vec![1, 1]), ("b", vec![1])],
            vec![("", vec![1, 1])],
            vec![],
        ],
    );
    table(
        run(input(), move |s| ones(s).reduce_by_key(|a, b| a + b)),
        vec![vec![("a", 2), ("b", 1)], vec![("", 2)], vec![]],
    );
    table(
        run(input(), move |s| {
            ones(s).reduce_by_key(|a, b| a + b).map_values(|n| n + 10)
        }),
        vec![vec![("a", 12), ("b", 11)], vec![("", 12)], vec![]],
    );
    table(
        run(input(), move |s| {
            ones(s)
                .reduce_by_key(|a, b| a + b)
                .flat_map_values(|n| [*n, n + 10])
        }),
        vec![
            vec![("a", 2), ("a", 12), ("b", 1), ("b", 11)],
            vec![("", 2), ("", 12)],
            vec![],
        ],
    );
}

#[test]
fn unions_and_transforms() {
    let shifted = || vec![vec![1, 2, 11, 12, 21, 22], vec![31, 32, 41, 42, 51, 52]];
    let input = || vec![vec![1, 2], vec![31, 32]];
    let three = |s: &DStream<i32>| [s.clone(), s.map(|n| n + 10), s.map(|n| n + 20)];
    table(
        run(input(), |s| {
            let [a, b, c] = three(s);
            a.union(&b).union(&c)
        }),
        shifted(),
    );
    let nothing = Vec::<Vec<()>>::new;
    table(
        run2(input(), nothing(), |context, s, _| context.union(&three(s))),
        shifted(),
    );
    table(
        run2(input(), nothing(), |context, s, _| {
            context.transform(three(s), |rdds: &Vec<Rdd<i32>>, _| {
                Rdd::union_all(rdds, rdds[0].executor())
            })
        }),
        shifted(),
    );
    table(
        run2(input(), nothing(), |context, s, _| {
            let [a, b, c] = three(s);
            context.transform((&a, &b, &c), |(a, b, c), _| a.union(b).union(c))
        }),
        shifted(),
    );
    table(
        run(input(), |s| {
            s.transform(|rdd, time| {
                let second = time.as_millis() as i32 / 1000;
                rdd.map(move |n| n * 1000 + second)
            })
        }),
        vec![vec![1101, 2101], vec![31102, 32102]],
    );
    table(
        run2(
            words(&[&["a", "b"], &["a", ""], &[""], &[]]),
            words(&[&["a", "b"], &["b", ""], &[], &[""]]),
            |_, s, t| {
                let (s, t) = (s.map(|word| (*word, 1)), t.map(|word| (*word, "x")));
                s.transform_with(&t, |s, t, _| s.join(t, 3))
            },
        ),
        vec![
            vec![("a", (1, "x")), ("b", (1, "x"))],
            vec![("", (1, "x"))],
            vec![],
            vec![],
        ],
    );
}

#[test]
fn cogroups() {
    let got = run2(
        words(&[&["a", "a", "b"], &["a", ""], &[""], &[]]),
        words(&[&["a", "a", "b"], &["b", ""], &[], &[]]),
        |_, s, t| {
            s.map(|word| (*word, 1))
                .cogroup(&t.map(|word| (*word, "x")))
        },
    );
    table(
        got,
        vec![
            vec![
                ("a", (vec![1, 1], vec!["x", "x"])),
                ("b", (vec![1], vec!["x"])),
            ],
            vec![
                ("", (vec![1], vec!["x"])),
                ("a", (vec![1], vec![])),
                ("b", (vec![], vec!["x"])),
            ],
            vec![("", (vec![1], vec![]))],
            vec![],
        ],
    );
}

/// Runs a join of ones by word with texts by word.
fn join<U: Data + Ord>(
    program: impl FnOnce(
        &DStream<(&'static str, i32)>,
        &DStream<(&'static str, &'static str)>,
    ) -> DStream<U>,
) -> Vec<Vec<U>> {
    run2(
        words(&[&["a", "b"], &["a", ""], &[""], &[]]),
        words(&[&["a", "b"], &["b", ""], &[], &[""]]),
        |_, s, t| program(&s.map(|word| (*word, 1)), &t.map(|word| (*word, "x"))),
    )
}

#[test]
fn joins() {
    table(
        join(|s, t| s.join(t)),
        vec![
            vec![("a", (1, "x")), ("b", (1, "x"))],
            vec![("", (1, "x"))],
            vec![],
            vec![],
        ],
    );
    table(
        join(|s, t| s.left_outer_join(t)),
        vec![
            vec![("a", (1, Some("x"))), ("b", (1, Some("x")))],
            vec![("", (1, Some("x"))), ("a", (1, None))],
            vec![("", (1, None))],
            vec![],
        ],
    );
    table(
        join(|s, t| s.right_outer_join(t)),
        vec![
            vec![("a", (Some(1), "x")), ("b", (Some(1), "x"))],
            vec![("", (Some(1), "x")), ("b", (None, "x"))],
            vec![],
            vec![("", (None, "x"))],
        ],
    );
    table(
        join(|s, t| s.full_outer_join(t)),
        vec![
            vec![("a", (Some(1), Some("x"))), ("b", (Some(1), Some("x")))],
            vec![
                ("", (Some(1), Some("x"))),
                ("a", (Some(1), None)),
                ("b", (None, Some("x"))),
            ],
            vec![("", (Some(1), None))],
            vec![("", (None, Some("x")))],
        ],
    );
}
