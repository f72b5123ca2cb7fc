//! What a letter says: the record, where it came from and why it couldn't be processed.

use tidemill::DStream;
use tidemill::dead_letters::DeadLetter;
use tidemill::rdd::ErrorPolicy;

use crate::support::{Collected, clock_at, run_to};
use crate::{letters, lines_of, with_letters};

#[test]
fn a_letter_says_what_failed_where_and_why() {
    let (clock, folder) = (clock_at(100), tempfile::tempdir().unwrap());
    let context = with_letters("memory:letters", &clock, folder.path())
        .build()
        .unwrap();
    let (lines, feed) = lines_of(&context);
    let words = lines.flat_map::<str>(|line, out| line.split(' ').for_each(|word| out.emit(word)));
    let numbers = words
        .try_map(|word| word.parse::<i64>())
        .uid("numbers")
        .on_error(ErrorPolicy::DeadLetters);
    // Behind a shuffle nobody knows where a pair came from.
    let halves = numbers
        .map(|number| (number % 10, *number))
        .reduce_by_key(|a, b| a + b)
        .try_map_values(|sum| match sum % 2 {
            0 => Ok(sum / 2),
            _ => Err("it is odd"),
        })
        .uid("halves")
        .on_error(ErrorPolicy::DeadLetters);
    let seen = Collected::new();
    seen.collect(&numbers);
    let seen_halves = Collected::new();
    seen_halves.collect(&halves);
    context.start().unwrap();
    feed.send(&clock, &["1 2", "3 x 4", "", "5 6 y"]);
    run_to(&context, &clock, 101);
    assert_eq!(seen.at(101), [1, 2, 3, 4, 5, 6]);
    assert_eq!(seen_halves.at(101), [(2, 1), (4, 2), (6, 3)]);
    let found = letters(folder.path());
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [101]);
    let of = |operator: &str| -> Vec<DeadLetter> {
        let mut of: Vec<DeadLetter> = found[&101].clone();
        of.retain(|letter| letter.operator.as_str() == operator);
        of
    };
    let numbers = of("numbers");
    assert_eq!(numbers.len(), 3);
    let block = numbers[0].block.clone().unwrap();
    for (letter, (record, offset, line)) in
        numbers
            .iter()
            .zip([("x", 1, "3 x 4"), ("", 2, ""), ("y", 3, "5 6 y")])
    {
        assert_eq!(letter.record, record);
        assert_eq!(letter.batch_time.as_millis(), 101_000);
        assert_eq!(letter.source.as_ref().unwrap().as_str(), "lines");
        assert_eq!(letter.block.as_ref(), Some(&block));
        assert_eq!(letter.offset, Some(offset));
        assert_eq!(letter.source_text.as_deref(), Some(line));
        assert_eq!(letter.source_bytes, None);
    }
    assert!(numbers[0].error.contains("invalid digit"), "{numbers:?}");
    let mut halves = of("halves");
    halves.sort_by_key(|letter| letter.record.to_string());
    let records: Vec<_> = halves.iter().map(|letter| letter.record.clone()).collect();
    assert_eq!(records, [1, 3, 5].map(|n| serde_json::json!([n, n])));
    assert!(
        halves
            .iter()
            .all(|letter| letter.source.is_none() && letter.offset.is_none())
    );
    assert_eq!(halves[0].error, "it is odd");
    // A batch without any leaves nothing.
    feed.send(&clock, &["8"]);
    run_to(&context, &clock, 102);
    assert_eq!(letters(folder.path()).len(), 1);
    context.stop(false).unwrap();
}

#[test]
fn the_position_is_known_through_caches_unions_and_direct_sources_and_not_through_whole_partitions()
{
    let (clock, folder) = (clock_at(100), tempfile::tempdir().unwrap());
    let context = with_letters("memory:positions", &clock, folder.path())
        .build()
        .unwrap();
    let (lines, feed) = lines_of(&context);
    let (queued, queue) = context.queue_stream::<u64>();
    let odd = |uid: &str, stream: &DStream<u64>| {
        stream
            .try_filter(|n| match n % 2 {
                0 => Ok(true),
                _ => Err("odd"),
            })
            .on_error(ErrorPolicy::DeadLetters)
            .uid(uid)
            .for_each_rdd(|rdd, _| rdd.count().map(drop));
    };
    let sizes = lines.map(|line| line.len() as u64).cache();
    odd("both", &sizes.union(&queued));
    odd(
        "listed",
        &lines.map_partitions(|lines| lines.into_iter().map(|line| line.len() as u64)),
    );
    context.start().unwrap();
    queue.push_vec(vec![2, 4, 7]);
    feed.send(&clock, &["ab", "abc"]);
    run_to(&context, &clock, 101);
    let all: Vec<DeadLetter> = letters(folder.path()).into_values().flatten().collect();
    let mut both: Vec<_> = all
        .iter()
        .filter(|letter| letter.operator.as_str() == "both")
        .map(|letter| {
            (
                letter.record.as_u64().unwrap(),
                letter
                    .source
                    .as_ref()
                    .map(|source| source.as_str().to_owned()),
                letter.offset,
                letter.source_text.clone(),
            )
        })
        .collect();
    both.sort();
    assert_eq!(
        both,
        [
            (3, Some("lines".to_owned()), Some(1), Some("abc".to_owned())),
            (7, Some("queue".to_owned()), Some(2), None),
        ]
    );
    let listed: Vec<_> = all
        .iter()
        .filter(|l| l.operator.as_str() == "listed")
        .collect();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].record.as_u64(), &listed[0].source),
        (Some(3), &None)
    );
    context.stop(false).unwrap();
}
