//! Text files in an object store, in which any request may fail, lose its answer, or be the last.

use std::sync::Arc;

use tidemill::rdd::BoxError;
use tidemill::sink::conformance::Harness;
use tidemill::sink::{BatchIdentity, Sink};
use tidemill_storage::{Objects, RemoteObjects};

use super::conforms;
use super::forms::{FORMS, Form};
use super::requests::{TROUBLES, Trouble, Watched, read_parts};

struct Store {
    objects: Arc<dyn Objects>,
    watched: Watched,
    form: Form,
    trouble: Trouble,
}

impl Harness for Store {
    type Record = String;

    fn open(&self) -> Result<Box<dyn Sink<String>>, BoxError> {
        let objects = Arc::new(self.watched.clone());
        Ok(self.form.on_objects("path/out", objects))
    }

    fn record(&self, text: &str) -> String {
        text.to_owned()
    }

    fn committed(&self, batch: &BatchIdentity) -> Result<Option<Vec<String>>, BoxError> {
        let folder = format!("path/out-{}", batch.time.as_millis());
        let parts = read_parts(&*self.objects, &folder, self.form.extension())?;
        let records = |part: &bytes::Bytes| self.form.records(part);
        Ok(parts.map(|parts| parts.iter().flat_map(records).collect()))
    }

    fn unusual(&self) -> Vec<String> {
        self.form.unusual()
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
fn part_files_in_an_object_store() {
    let plain = TROUBLES.map(|trouble| (FORMS[0], trouble));
    let others = FORMS[1..].iter().map(|form| (*form, Trouble::AnswerIsLost));
    for (form, trouble) in plain.into_iter().chain(others) {
        println!("{form:?}, {trouble:?}:");
        let objects: Arc<dyn Objects> = Arc::new(RemoteObjects::in_memory().unwrap());
        let store = Store {
            watched: Watched::new(Arc::clone(&objects)),
            objects,
            form,
            trouble,
        };
        conforms(&store, &[]);
        let names = store.objects.list("").unwrap();
        let hidden = names.iter().filter(|(name, _)| name.contains("/."));
        // Behind an interruption in the middle of tidying, only a repetition tidies; and there always was one.
        assert_eq!(hidden.count(), 0, "{names:?}");
    }
}
