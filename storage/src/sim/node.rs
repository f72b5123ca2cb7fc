//! The nodes of a simulated disk, and the walk from names to them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::SystemTime;

use super::change::{ChangeId, NodeId};
use super::dir::DirNode;
use super::file::FileNode;
use super::tear::Tear;
use crate::disk::Metadata;

const ROOT: NodeId = NodeId(0);

#[derive(Debug, Clone)]
pub(super) enum Node {
    File(FileNode),
    Dir(DirNode),
}

impl Node {
    pub(super) fn empty_dir() -> Self {
        Self::Dir(DirNode::default())
    }
}

/// All nodes of a disk.
#[derive(Debug, Clone)]
pub(super) struct Nodes {
    nodes: BTreeMap<NodeId, Node>,
    next: u64,
    /// Counts the changes of names.
    changes: u64,
}

impl Default for Nodes {
    fn default() -> Self {
        Self {
            nodes: BTreeMap::from([(ROOT, Node::empty_dir())]),
            next: 1,
            changes: 0,
        }
    }
}

impl Nodes {
    pub(super) fn find(&self, parts: &[String]) -> Option<NodeId> {
        parts
            .iter()
            .try_fold(ROOT, |id, part| match self.nodes.get(&id)? {
                Node::Dir(dir) => dir.names().get(part).copied(),
                Node::File(_) => None,
            })
    }

    pub(super) fn file_mut(&mut self, id: NodeId) -> io::Result<&mut FileNode> {
        match self.nodes.get_mut(&id) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn dir_mut(&mut self, id: NodeId) -> io::Result<&mut DirNode> {
        match self.nodes.get_mut(&id) {
            Some(Node::Dir(dir)) => Ok(dir),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn metadata(&self, id: NodeId) -> Option<Metadata> {
        Some(match self.nodes.get(&id)? {
            Node::File(file) => Metadata {
                len: file.bytes().len() as u64,
                is_dir: false,
                modified: file.modified,
            },
            Node::Dir(_) => Metadata {
                len: 0,
                is_dir: true,
                modified: SystemTime::UNIX_EPOCH,
            },
        })
    }

    fn change(&mut self) -> ChangeId {
        self.changes += 1;
        ChangeId(self.changes)
    }

    /// The folder that holds the last part, and the last part.
    fn split<'a>(&mut self, parts: &'a [String]) -> io::Result<(&mut DirNode, &'a String)> {
        let (name, parents) = parts.split_last().ok_or(io::ErrorKind::InvalidInput)?;
        let id = self.find(parents).ok_or(io::ErrorKind::NotFound)?;
        Ok((self.dir_mut(id)?, name))
    }

    pub(super) fn link_new(&mut self, parts: &[String], id: NodeId) -> io::Result<()> {
        let change = self.change();
        let (dir, name) = self.split(parts)?;
        if dir.names().contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        dir.set(change, name, Some(id));
        Ok(())
    }

    pub(super) fn insert_new(&mut self, parts: &[String], node: Node) -> io::Result<NodeId> {
        let id = NodeId(self.next);
        self.link_new(parts, id)?;
        self.next += 1;
        self.nodes.insert(id, node);
        Ok(id)
    }

    pub(super) fn unlink(&mut self, parts: &[String]) -> io::Result<()> {
        let change = self.change();
        let (dir, name) = self.split(parts)?;
        dir.set(change, name, None);
        Ok(())
    }

    /// Removes a folder as the system has to: name by name from the bottom, so that a torn power cut
    /// can leave it half empty.
    pub(super) fn unlink_all(&mut self, parts: &[String]) -> io::Result<()> {
        if parts.is_empty() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let id = self.find(parts).ok_or(io::ErrorKind::NotFound)?;
        let names: Vec<_> = self.dir_mut(id)?.names().clone().into_iter().collect();
        for (name, id) in names {
            let below = [parts, &[name]].concat();
            match self.nodes.get(&id) {
                Some(Node::Dir(_)) => self.unlink_all(&below)?,
                _ => self.unlink(&below)?,
            }
        }
        self.unlink(parts)
    }

    pub(super) fn rename(&mut self, from: &[String], to: &[String]) -> io::Result<()> {
        let id = self.find(from).ok_or(io::ErrorKind::NotFound)?;
        let moves_dir = matches!(self.nodes.get(&id), Some(Node::Dir(_)));
        if moves_dir && to.starts_with(from) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        match self.find(to) {
            Some(found) if found == id => return Ok(()),
            Some(found) if moves_dir || self.dir_mut(found).is_ok() => {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            _ => {}
        }
        let change = self.change();
        let (dir, name) = self.split(to)?;
        dir.set(change, name, Some(id));
        let (dir, name) = self.split(from)?;
        dir.set(change, name, None);
        Ok(())
    }

    /// Bytes of all files that a name leads to.
    pub(super) fn used_bytes(&self) -> u64 {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![ROOT];
        let mut bytes = 0;
        while let Some(id) = waiting.pop() {
            if !seen.insert(id) {
                continue;
            }
            match self.nodes.get(&id) {
                Some(Node::Dir(dir)) => waiting.extend(dir.names().values().copied()),
                Some(Node::File(file)) => bytes += file.bytes().len() as u64,
                None => {}
            }
        }
        bytes
    }

    /// Leaves what is durable, what is let through of the rest if the cut is a torn one, and nothing that no
    /// name leads to then.
    pub(super) fn power_cut(&mut self, torn: Option<u64>) {
        let mut tear = torn.map(|seed| Tear::new(seed, self.stale_bytes(seed)));
        let mut kept = BTreeSet::new();
        let mut waiting = vec![ROOT];
        while let Some(id) = waiting.pop() {
            if !kept.insert(id) {
                continue;
            }
            if let Some(tear) = &mut tear {
                tear.turn_to(id);
            }
            match self.nodes.get_mut(&id) {
                Some(Node::Dir(dir)) => {
                    dir.power_cut(tear.as_mut());
                    waiting.extend(dir.names().values().copied());
                }
                Some(Node::File(file)) => file.power_cut(tear.as_mut()),
                None => {}
            }
        }
        self.nodes.retain(|id, _| kept.contains(id));
    }

    /// What some file, perhaps a removed one, has on the medium.
    fn stale_bytes(&self, seed: u64) -> Vec<u8> {
        let files: Vec<&FileNode> = self
            .nodes
            .values()
            .filter_map(|node| match node {
                Node::File(file) => Some(file),
                Node::Dir(_) => None,
            })
            .collect();
        files
            .get(Tear::stale_of(seed, files.len()))
            .map(|file| file.durable().to_vec())
            .unwrap_or_default()
    }
}
