//! The files and folders of a simulated disk, each with what is visible and what is durable.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::time::SystemTime;

use crate::disk::Metadata;

/// Names a node, as an inode number does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(u64);

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

/// A folder: the names it shows, and those that a power cut leaves.
#[derive(Debug, Clone, Default)]
pub(super) struct DirNode {
    pub(super) names: BTreeMap<String, NodeId>,
    pub(super) durable: BTreeMap<String, NodeId>,
}

/// A file: the bytes it shows, and those that a power cut leaves.
#[derive(Debug, Clone)]
pub(super) struct FileNode {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// Both versions are the same up to here (but for `lost`), so that a sync costs what is new.
    common: usize,
    /// Visible bytes that a failed sync gave up: they read as zeros after a power cut.
    lost: Vec<Range<usize>>,
    pub(super) modified: SystemTime,
}

impl FileNode {
    pub(super) fn new(modified: SystemTime) -> Self {
        Self {
            bytes: Vec::new(),
            durable: Vec::new(),
            common: 0,
            lost: Vec::new(),
            modified,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn set_len(&mut self, len: usize) {
        self.bytes.resize(len, 0);
        self.common = self.common.min(len);
        for range in &mut self.lost {
            *range = range.start.min(len)..range.end.min(len);
        }
        self.lost.retain(|range| !range.is_empty());
    }

    pub(super) fn sync(&mut self) {
        self.durable.truncate(self.common);
        self.durable
            .extend_from_slice(self.bytes.get(self.common..).unwrap_or_default());
        for range in &self.lost {
            if let Some(bytes) = self.durable.get_mut(range.clone()) {
                bytes.fill(0);
            }
        }
        self.common = self.bytes.len();
    }

    /// A sync failed: the kernel has marked the pages clean, though they were never written.
    pub(super) fn lose_unsynced(&mut self) {
        if self.common < self.bytes.len() {
            self.lost.push(self.common..self.bytes.len());
        }
    }

    fn power_cut(&mut self) {
        self.bytes = self.durable.clone();
        self.common = self.bytes.len();
        self.lost.clear();
    }
}

/// All nodes of a disk, and the walk from names to them.
#[derive(Debug, Clone)]
pub(super) struct Nodes {
    nodes: BTreeMap<NodeId, Node>,
    next: u64,
}

impl Default for Nodes {
    fn default() -> Self {
        Self {
            nodes: BTreeMap::from([(ROOT, Node::empty_dir())]),
            next: 1,
        }
    }
}

impl Nodes {
    pub(super) fn find(&self, parts: &[String]) -> Option<NodeId> {
        parts
            .iter()
            .try_fold(ROOT, |id, part| match self.nodes.get(&id)? {
                Node::Dir(dir) => dir.names.get(part).copied(),
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
                len: file.bytes.len() as u64,
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

    /// The folder that holds the last part, and the last part.
    fn split<'a>(&mut self, parts: &'a [String]) -> io::Result<(&mut DirNode, &'a String)> {
        let (name, parents) = parts.split_last().ok_or(io::ErrorKind::InvalidInput)?;
        let id = self.find(parents).ok_or(io::ErrorKind::NotFound)?;
        Ok((self.dir_mut(id)?, name))
    }

    pub(super) fn link_new(&mut self, parts: &[String], id: NodeId) -> io::Result<()> {
        let (dir, name) = self.split(parts)?;
        if dir.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        dir.names.insert(name.clone(), id);
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
        let (dir, name) = self.split(parts)?;
        dir.names.remove(name);
        Ok(())
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
        let (dir, name) = self.split(to)?;
        dir.names.insert(name.clone(), id);
        self.unlink(from)
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
                Some(Node::Dir(dir)) => waiting.extend(dir.names.values().copied()),
                Some(Node::File(file)) => bytes += file.bytes.len() as u64,
                None => {}
            }
        }
        bytes
    }

    /// Leaves what is durable, and nothing that no durable name leads to.
    pub(super) fn power_cut(&mut self) {
        let mut kept = BTreeSet::new();
        let mut waiting = vec![ROOT];
        while let Some(id) = waiting.pop() {
            if !kept.insert(id) {
                continue;
            }
            match self.nodes.get_mut(&id) {
                Some(Node::Dir(dir)) => {
                    dir.names = dir.durable.clone();
                    waiting.extend(dir.names.values().copied());
                }
                Some(Node::File(file)) => file.power_cut(),
                None => {}
            }
        }
        self.nodes.retain(|id, _| kept.contains(id));
    }
}
