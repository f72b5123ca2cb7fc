//! The pipelines in `config/examples`.

use std::path::Path;

use tidemill::{StreamingContext, pipeline};
use tidemill_config::Pipeline;

#[test]
fn the_examples_are_built() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let pipeline = Pipeline::load(&path, &[], std::iter::empty()).unwrap();
        let context = StreamingContext::builder(pipeline.name.as_str(), pipeline.batch_interval)
            .build()
            .unwrap();
        pipeline::build(&context, &pipeline).unwrap();
        let graph = serde_json::to_string(&context.graph()).unwrap();
        for uid in [
            "lines",
            "counts.split",
            "counts.count_by_value",
            "screen",
            "files",
        ] {
            assert!(
                graph.contains(&format!("\"{uid}\"")),
                "{}: {uid} in {graph}",
                path.display()
            );
        }
    }
}
