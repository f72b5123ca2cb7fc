//! The store as objects: every record one immutable object under its [`Name`].

use std::sync::Arc;

use bytes::Bytes;
use tidemill_storage::{Objects, PutOutcome};

use super::{Backend, Folder, Name};
use crate::error::Result;
use crate::id::{CheckpointId, ChunkId};

/// Records in a folder or bucket.
#[derive(Debug)]
pub(crate) struct ObjectBackend {
    objects: Arc<dyn Objects>,
    location: String,
}

impl ObjectBackend {
    pub(crate) fn new(objects: Arc<dyn Objects>, location: String) -> Self {
        Self { objects, location }
    }
}

impl Backend for ObjectBackend {
    fn create(&self, name: Name, bytes: Bytes) -> Result<PutOutcome> {
        Ok(self.objects.put_new(&name.to_string(), bytes)?)
    }

    fn publish(
        &self,
        id: CheckpointId,
        manifest: Bytes,
        chunks: &[(ChunkId, Bytes)],
    ) -> Result<PutOutcome> {
        for (id, bytes) in chunks {
            self.put_chunk(Name::Chunk(*id), bytes.clone())?;
        }
        self.create(Name::Manifest(id), manifest)
    }

    fn put_chunk(&self, name: Name, bytes: Bytes) -> Result<()> {
        Ok(self.objects.put(&name.to_string(), bytes)?)
    }

    fn get(&self, name: Name) -> Result<Option<Bytes>> {
        Ok(self.objects.get(&name.to_string())?)
    }

    fn list(&self, folder: Folder) -> Result<Vec<Name>> {
        let names = self.objects.list(folder.as_str())?;
        Ok(names
            .iter()
            .filter_map(|(name, _)| Name::parse(name))
            .collect())
    }

    fn delete(&self, name: Name) -> Result<()> {
        Ok(self.objects.delete(&name.to_string())?)
    }

    fn place(&self, name: Name) -> String {
        format!("{}/{name}", self.location.trim_end_matches('/'))
    }
}
