//! Text files on a real disk, and on one that fails at any operation and loses power.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidemill::rdd::BoxError;
use tidemill::sink::conformance::{Harness, Rule};
use tidemill::sink::{BatchIdentity, Sink, TextFiles};
use tidemill_storage::{Disk, DiskObjects, Fault, LocalDisk, SimDisk};

use super::forms::{FORMS, Form};
use super::requests::read_parts;
use super::{conforms, unusual_lines};

/// What a reader sees of the batch in a folder on a disk.
fn read_batch(disk: &dyn Disk, folder: &Path, form: Form) -> Result<Option<Vec<String>>, BoxError> {
    if disk.metadata(folder)?.is_none() {
        return Ok(None);
    }
    let mut names: Vec<_> = disk
        .read_dir(folder)?
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    names.sort();
    if names.first().map(String::as_str) != Some("_SUCCESS") {
        return Err(format!("not whole: {names:?}").into());
    }
    let mut records = Vec::new();
    for (part, name) in names.iter().skip(1).enumerate() {
        assert_eq!(*name, format!("part-{part:05}{}", form.extension()));
        records.extend(form.records(&disk.read(&folder.join(name))?));
    }
    Ok(Some(records))
}

struct LocalFolder(tempfile::TempDir);

impl LocalFolder {
    fn prefix(&self) -> String {
        self.0.path().join("new/out/counts").display().to_string()
    }
}

impl Harness for LocalFolder {
    type Record = str;

    fn open(&self) -> Result<Box<dyn Sink<str>>, BoxError> {
        Ok(Box::new(TextFiles::open(&self.prefix(), Some("txt"))?))
    }

    fn record(&self, text: &str) -> String {
        text.to_owned()
    }

    fn committed(&self, batch: &BatchIdentity) -> Result<Option<Vec<String>>, BoxError> {
        let folder = TextFiles::open(&self.prefix(), Some("txt"))?.folder(batch.time);
        read_batch(&LocalDisk, Path::new(&folder), Form::Text(None))
    }

    fn unusual(&self) -> Vec<String> {
        unusual_lines()
    }
}

#[test]
fn text_files_on_a_local_disk() {
    let folder = LocalFolder(tempfile::tempdir().unwrap());
    conforms(&folder, &[Rule::Interrupted]);
    // Nothing hidden stays behind.
    let names = LocalDisk
        .read_dir(&folder.0.path().join("new/out"))
        .unwrap();
    let hidden: Vec<_> = names
        .iter()
        .filter(|entry| entry.name.starts_with('.'))
        .collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

/// What an interruption is.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// One operation fails; everything written stays.
    Fails,
    /// From that operation on nothing works, and what wasn't synced is gone.
    PowerCut,
}

/// Text files on a simulated disk, as folders or through the store of objects that a disk can be.
struct Simulated {
    disk: SimDisk,
    form: Form,
    trouble: Trouble,
    as_objects: bool,
    reached: Arc<AtomicBool>,
}

impl Simulated {
    fn new(form: Form, trouble: Trouble, as_objects: bool) -> Self {
        Self {
            disk: SimDisk::new(),
            form,
            trouble,
            as_objects,
            reached: Arc::default(),
        }
    }

    fn objects(&self) -> Arc<DiskObjects> {
        Arc::new(DiskObjects::new(Arc::new(self.disk.clone()), "/store"))
    }
}

impl Harness for Simulated {
    type Record = String;

    fn open(&self) -> Result<Box<dyn Sink<String>>, BoxError> {
        Ok(if self.as_objects {
            self.form.on_objects("out", self.objects())
        } else {
            self.form.on_disk("/new/out", Arc::new(self.disk.clone()))
        })
    }

    fn record(&self, text: &str) -> String {
        text.to_owned()
    }

    fn committed(&self, batch: &BatchIdentity) -> Result<Option<Vec<String>>, BoxError> {
        let name = format!("out-{}", batch.time.as_millis());
        if !self.as_objects {
            return read_batch(&self.disk, &Path::new("/new").join(name), self.form);
        }
        let parts = read_parts(&*self.objects(), &name, self.form.extension())?;
        let records = |part: &bytes::Bytes| self.form.records(part);
        Ok(parts.map(|parts| parts.iter().flat_map(records).collect()))
    }

    fn unusual(&self) -> Vec<String> {
        self.form.unusual()
    }

    fn interrupt(&self, operation: usize) -> bool {
        let (trouble, reached) = (self.trouble, Arc::clone(&self.reached));
        let at = self.disk.operations() + operation as u64;
        self.disk.set_faults(move |operation| {
            let fails = match trouble {
                Trouble::Fails => operation.number == at,
                Trouble::PowerCut => operation.number >= at,
            };
            if fails {
                reached.store(true, Ordering::SeqCst);
            }
            fails.then_some(Fault::Errno(5))
        });
        true
    }

    fn restart(&self) -> bool {
        self.disk.clear_faults();
        if matches!(self.trouble, Trouble::PowerCut) {
            self.disk.power_cut();
        }
        self.reached.swap(false, Ordering::SeqCst)
    }
}

fn part_files(forms: &[Form], trouble: Trouble, as_objects: bool) {
    for form in forms {
        println!("{form:?}:");
        conforms(&Simulated::new(*form, trouble, as_objects), &[]);
    }
}

#[test]
fn part_files_on_a_disk_that_fails() {
    part_files(&FORMS[..1], Trouble::Fails, false);
}

#[test]
fn part_files_on_a_disk_that_loses_power() {
    part_files(FORMS, Trouble::PowerCut, false);
}

#[test]
fn part_files_as_objects_on_a_disk_that_fails() {
    part_files(&FORMS[..1], Trouble::Fails, true);
}

#[test]
fn part_files_as_objects_on_a_disk_that_loses_power() {
    part_files(&FORMS[..1], Trouble::PowerCut, true);
}
