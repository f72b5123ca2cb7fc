//! Whole programs whose outputs lie in an object store.

use tidemill::pipeline;
use tidemill_config::Pipeline;
use tidemill_storage::{Objects, open_objects};

use super::records;
use super::requests::read_folder;
use super::support::{self, builder, clock_at, run_to};

/// The second before the first batch.
const START: u64 = 100;

fn store(location: &str) -> std::sync::Arc<dyn Objects> {
    open_objects(&location.parse().unwrap()).unwrap()
}

#[test]
fn a_pipeline_writes_to_a_store_and_goes_on_after_a_restart() {
    let text = r#"
        name = "test"
        batch_interval = "1s"
        checkpoint.url = "memory:"
        [sources.lines]
        type = "queue"
        lines = [["a b a"], ["c"], [], ["d d"], ["e"]]
        [streams.counts]
        from = "lines"
        ops = [{ op = "split" }, { op = "count_by_value" }]
        [sinks.files]
        from = "counts"
        type = "text_files"
        prefix = "memory:sink-engine/out/counts"
        suffix = "txt"
    "#;
    let pipeline = Pipeline::parse("test.toml", text, &[], std::iter::empty()).unwrap();
    let clock = clock_at(START);
    for seconds in [1..=2, 3..=5] {
        let context = builder("memory:sink-engine-checkpoint", &clock)
            .build()
            .unwrap();
        pipeline::build(&context, &pipeline).unwrap();
        context.start().unwrap();
        for second in seconds {
            run_to(&context, &clock, START + second);
        }
        context.stop(true).unwrap();
    }
    let objects = store("memory:sink-engine/out");
    let mut seen = Vec::new();
    for second in 1..=5 {
        let folder = format!("counts-{}000.txt", START + second);
        let mut lines = records(&read_folder(&*objects, &folder).unwrap().unwrap());
        lines.sort();
        seen.push(lines);
    }
    assert_eq!(
        seen,
        [
            vec!["(a,2)", "(b,1)"],
            vec!["(c,1)"],
            vec![],
            vec!["(d,2)"],
            vec!["(e,1)"]
        ]
    );
    let names = objects.list("").unwrap();
    let hidden = names.iter().filter(|(name, _)| name.starts_with('.'));
    assert_eq!(hidden.count(), 0, "{names:?}");
}

/// The mistake is told with all others, before anything is opened.
#[test]
fn a_prefix_that_is_no_place_is_refused_at_the_start() {
    let clock = clock_at(START);
    for (prefix, reason) in [
        ("memory:out", "needs a name behind the store's"),
        ("s4://bucket/out", "is no location"),
    ] {
        let context = builder("memory:", &clock).build().unwrap();
        let (_feed, fed) = support::feed();
        context
            .receiver_stream_with("lines", fed, Default::default())
            .save_as_text_files(prefix, None);
        let error = context.start().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        assert!(error.contains("engine.rs"), "no line: {error}");
    }
}
