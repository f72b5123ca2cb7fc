//! Text files in an object store, in which any request may fail, lose its answer, or be the last.

use std::sync::Arc;

use tidemill::rdd::BoxError;
use tidemill::sink::conformance::Harness;
use tidemill::sink::{BatchIdentity, Sink, TextFiles};
use tidemill_storage::{Objects, RemoteObjects};

use super::requests::{TROUBLES, Trouble, Watched, read_folder};
use super::{conforms, lines, unusual_lines};

struct Store {
    objects: Arc<dyn Objects>,
    watched: Watched,
    trouble: Trouble,
}

impl Harness for Store {
    type Record = String;

    fn open(&self) -> Result<Box<dyn Sink<String>>, BoxError> {
        let objects = Arc::new(self.watched.clone());
        Ok(Box::new(TextFiles::on_objects(
            "path/out",
            Some("txt"),
            objects,
        )))
    }

    fn record(&self, text: &str) -> String {
        text.to_owned()
    }

    fn committed(&self, batch: &BatchIdentity) -> Result<Option<Vec<String>>, BoxError> {
        let folder = format!("path/out-{}.txt", batch.time.as_millis());
        let parts = read_folder(&*self.objects, &folder)?;
        Ok(parts.map(|parts| lines(&parts.concat())))
    }

    fn unusual(&self) -> Vec<String> {
        unusual_lines()
    }

    fn interrupt(&self, operation: usize) -> bool {
        self.watched.fail(operation, self.trouble);
        true
    }

    fn restart(&self) -> bool {
        self.watched.clear()
    }
}

#[test]
fn text_files_in_an_object_store() {
    for trouble in TROUBLES {
        println!("{trouble:?}:");
        let objects: Arc<dyn Objects> = Arc::new(RemoteObjects::in_memory().unwrap());
        let store = Store {
            watched: Watched::new(Arc::clone(&objects)),
            objects,
            trouble,
        };
        conforms(&store, &[]);
        let names = store.objects.list("").unwrap();
        let hidden = names.iter().filter(|(name, _)| name.contains("/."));
        // Behind an interruption in the middle of tidying, only a repetition tidies; and there always was one.
        assert_eq!(hidden.count(), 0, "{names:?}");
    }
}
