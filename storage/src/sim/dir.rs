//! [`DirNode`]: the names a folder shows, those that are durable, and how the ones became the others.

use std::collections::BTreeMap;

use super::change::{ChangeId, NodeId};
use super::tear::Tear;

/// A folder: the names it shows, and those that a power cut leaves.
#[derive(Debug, Clone, Default)]
pub(super) struct DirNode {
    names: BTreeMap<String, NodeId>,
    durable: BTreeMap<String, NodeId>,
    /// What was done since the last sync, in order.
    unsynced: Vec<Change>,
}

/// What a name was made to stand for; `None`: it was removed.
#[derive(Debug, Clone)]
struct Change {
    id: ChangeId,
    name: String,
    node: Option<NodeId>,
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, NodeId>) {
        match self.node {
            Some(node) => names.insert(self.name.clone(), node),
            None => names.remove(&self.name),
        };
    }
}

impl DirNode {
    pub(super) fn names(&self) -> &BTreeMap<String, NodeId> {
        &self.names
    }

    /// Makes a name stand for `node`, or for nothing.
    pub(super) fn set(&mut self, id: ChangeId, name: &str, node: Option<NodeId>) {
        let change = Change {
            id,
            name: name.to_owned(),
            node,
        };
        change.apply(&mut self.names);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        self.durable = self.names.clone();
        self.unsynced.clear();
    }

    /// Leaves what is durable, and of the rest what `tear` lets through.
    pub(super) fn power_cut(&mut self, tear: Option<&mut Tear>) {
        if let Some(tear) = tear {
            for change in &self.unsynced {
                if tear.keeps(change.id) {
                    change.apply(&mut self.durable);
                }
            }
        }
        self.names = self.durable.clone();
        self.unsynced.clear();
    }
}
