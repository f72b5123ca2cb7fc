//! A pipeline that keeps everything in a bucket of a real server.

// Each test binary uses a part of this.
#![allow(dead_code)]

use std::fs;
use std::process::Output;
use std::sync::Arc;

use bytes::Bytes;
use tidemill_storage::{Objects, RemoteOptions, open_objects_with};

use super::cli_support::{Daemon, Place};
use super::object_servers::{Bucket, Protocol, bucket};

pub struct Remote {
    pub place: Place,
    pub bucket: Bucket,
    /// What is below `app` in the bucket.
    pub objects: Arc<dyn Objects>,
}

impl Remote {
    /// The usual pipeline with checkpoint, logs and outputs in a fresh bucket, and changed.
    pub fn new(change: impl Fn(String) -> String) -> Self {
        let (place, bucket) = (Place::new(), bucket(Protocol::S3));
        let text = fs::read_to_string(place.path("p.toml")).unwrap();
        let text = text
            .replace(
                "sled:data/checkpoint",
                &format!("{}/app/checkpoint", bucket.url),
            )
            .replace("out/counts", &format!("{}/app/out/counts", bucket.url));
        fs::write(place.path("p.toml"), change(text)).unwrap();
        let options = RemoteOptions {
            variables: bucket.variables.clone(),
            ..RemoteOptions::default()
        };
        let url = format!("{}/app", bucket.url);
        let objects = open_objects_with(&url.parse().unwrap(), &options).unwrap();
        Self {
            place,
            bucket,
            objects,
        }
    }

    pub fn start(&self) -> Daemon {
        self.start_with(&[])
    }

    pub fn start_with(&self, more: &[&str]) -> Daemon {
        let mut command = self.place.command(&[&["run", "p.toml"], more].concat());
        command.envs(self.bucket.variables.clone());
        Daemon::spawn(command)
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, &[])
    }

    pub fn run_with(&self, arguments: &[&str], more: &[(&str, &str)]) -> Output {
        let mut command = self.place.command(arguments);
        command.envs(self.bucket.variables.clone());
        command.envs(more.iter().copied()).output().unwrap()
    }

    pub fn names(&self, folder: &str) -> Vec<String> {
        let listed = self.objects.list(folder).unwrap();
        listed.into_iter().map(|(name, _)| name).collect()
    }

    pub fn get(&self, name: &str) -> Bytes {
        self.objects.get(name).unwrap().expect(name)
    }

    pub fn flip(&self, name: &str, at: usize) {
        let mut bytes = self.get(name).to_vec();
        bytes[at] ^= 4;
        self.objects.put(name, bytes.into()).unwrap();
    }

    /// The lines of each batch that is in place, sorted, by its folder's name.
    pub fn batches(&self) -> Vec<(String, Vec<String>)> {
        let names = self.names("out");
        let folders = names
            .iter()
            .filter_map(|name| name.strip_suffix("/_SUCCESS"));
        let batch = |folder: &str| {
            let stem = format!("{folder}/part-");
            let mut lines = Vec::new();
            for part in names.iter().filter(|name| name.starts_with(&stem)) {
                let text = String::from_utf8(self.get(part).to_vec()).unwrap();
                lines.extend(text.lines().map(str::to_owned));
            }
            lines.sort();
            (folder.to_owned(), lines)
        };
        folders.map(batch).collect()
    }

    /// All lines of all batches.
    pub fn output_lines(&self) -> Vec<String> {
        let batches = self.batches().into_iter();
        let mut lines: Vec<String> = batches.flat_map(|(_, lines)| lines).collect();
        lines.sort();
        lines
    }

    /// All objects with their bytes.
    pub fn snapshot(&self) -> Vec<(String, Bytes)> {
        let names = self.names("").into_iter();
        names.map(|name| (name.clone(), self.get(&name))).collect()
    }

    /// Makes the objects those again.
    pub fn restore(&self, snapshot: &[(String, Bytes)]) {
        for name in self.names("") {
            if !snapshot.iter().any(|(kept, _)| *kept == name) {
                self.objects.delete(&name).unwrap();
            }
        }
        for (name, bytes) in snapshot {
            self.objects.put(name, bytes.clone()).unwrap();
        }
    }
}
