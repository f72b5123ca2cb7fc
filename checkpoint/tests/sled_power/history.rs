//! What a recorded process did to its folder: names, bytes, lengths, and which syncs covered them.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::record::REPORTS;
use crate::trace::Call;

/// A file or folder, by whatever name.
pub type Node = usize;
/// The recorded folder itself.
pub const ROOT: Node = 0;

/// A change and the lines between which it happened.
#[derive(Debug)]
pub struct Change<T> {
    pub time: RangeInclusive<u64>,
    pub what: T,
}

#[derive(Debug)]
pub enum Data {
    Write { at: u64, bytes: Vec<u8> },
    Length(u64),
}

/// Names of one folder that change together: what each stands for from then on.
pub type Names = Vec<(String, Option<Node>)>;

#[derive(Debug, Default)]
pub struct Inode {
    pub is_dir: bool,
    pub data: Vec<Change<Data>>,
    pub names: Vec<Change<Names>>,
    /// When each sync began and was over.
    pub syncs: Vec<RangeInclusive<u64>>,
    length: u64,
}

impl Inode {
    /// Whether a change was durable at `moment`: a sync that began after it was over by then.
    pub fn is_durable<T>(&self, change: &Change<T>, moment: u64) -> bool {
        let covers =
            |sync: &RangeInclusive<u64>| sync.start() > change.time.end() && *sync.end() <= moment;
        self.syncs.iter().any(covers)
    }
}

#[derive(Debug)]
pub struct History {
    pub inodes: Vec<Inode>,
    /// The checkpoints reported, and when.
    reports: Vec<(u64, u64)>,
    end: u64,
    calls: BTreeMap<String, u64>,
}

struct Reading<'a> {
    root: &'a Path,
    history: History,
    /// Names as the process sees them.
    tree: HashMap<(Node, String), Node>,
    /// Open files and the positions of sequential writes; `None` writes go to the end.
    open: HashMap<i64, (Node, Option<u64>)>,
}

impl History {
    /// From a recorded process's calls, those below `root`.
    pub fn of(calls: &[Call], root: &Path) -> Self {
        let folder = Inode {
            is_dir: true,
            ..Inode::default()
        };
        let history = Self {
            inodes: vec![folder],
            reports: Vec::new(),
            end: calls.last().map_or(0, |call| call.end + 1),
            calls: BTreeMap::new(),
        };
        let mut reading = Reading {
            root,
            history,
            tree: HashMap::new(),
            open: HashMap::new(),
        };
        for call in calls {
            reading.take(call);
        }
        let history = reading.history;
        assert!(!history.reports.is_empty(), "no checkpoint was reported");
        history
    }

    /// One behind the last moment.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// As if no sync had been called.
    pub fn forget_syncs(&mut self) {
        for inode in &mut self.inodes {
            inode.syncs.clear();
        }
    }

    /// When the first report came: before it the process only got ready.
    pub fn first_report(&self) -> u64 {
        self.reports[0].0
    }

    /// The last checkpoint that was reported before `moment`; 0 when there was none.
    pub fn reported(&self, moment: u64) -> u64 {
        let before = self.reports.iter().rev().find(|(at, _)| *at <= moment);
        before.map_or(0, |(_, time)| *time)
    }

    /// What a checkpoint costs: calls of each kind below the folder, for each one reported.
    pub fn summary(&self) -> String {
        let checkpoints = self.reports.len() as f64;
        let each = self.calls.iter();
        let each = each.map(|(name, count)| format!("{name} {:.1}", *count as f64 / checkpoints));
        format!(
            "for each of {checkpoints} checkpoints: {}",
            each.collect::<Vec<_>>().join(", ")
        )
    }
}

impl Reading<'_> {
    /// The folder's node and the last component; `None` outside of the recorded folder.
    fn place(&self, path: &Path) -> Option<(Node, String)> {
        let inside = path.strip_prefix(self.root).ok()?;
        let name = inside.file_name()?.to_str()?.to_owned();
        let folder = self.node(&self.root.join(inside.parent()?))?;
        Some((folder, name))
    }

    fn node(&self, path: &Path) -> Option<Node> {
        let inside = path.strip_prefix(self.root).ok()?;
        inside.components().try_fold(ROOT, |node, part| {
            self.tree
                .get(&(node, part.as_os_str().to_str()?.to_owned()))
                .copied()
        })
    }

    fn create(&mut self, call: &Call, path: &Path, is_dir: bool) -> Option<Node> {
        let (folder, name) = self.place(path)?;
        let node = self.history.inodes.len();
        self.history.inodes.push(Inode {
            is_dir,
            ..Inode::default()
        });
        self.name(call, folder, vec![(name, Some(node))]);
        Some(node)
    }

    fn name(&mut self, call: &Call, folder: Node, names: Names) {
        for (name, node) in &names {
            let key = (folder, name.clone());
            match node {
                Some(node) => self.tree.insert(key, *node),
                None => self.tree.remove(&key),
            };
        }
        let time = call.start..=call.end;
        self.history.inodes[folder]
            .names
            .push(Change { time, what: names });
    }

    fn data(&mut self, call: &Call, node: Node, what: Data) {
        let inode = &mut self.history.inodes[node];
        inode.length = match &what {
            Data::Write { at, bytes } => inode.length.max(at + bytes.len() as u64),
            Data::Length(length) => *length,
        };
        inode.data.push(Change {
            time: call.start..=call.end,
            what,
        });
    }

    fn write(&mut self, call: &Call, node: Node, at: u64) {
        let bytes = call.bytes(1)[..usize::try_from(call.result).unwrap()].to_vec();
        self.data(call, node, Data::Write { at, bytes });
    }

    fn take(&mut self, call: &Call) {
        if self.apply(call).is_some() {
            *self.history.calls.entry(call.name.clone()).or_default() += 1;
        }
    }

    /// `None` for calls that are about other files.
    fn apply(&mut self, call: &Call) -> Option<()> {
        match call.name.as_str() {
            "openat" => {
                let path = call.path(0);
                path.strip_prefix(self.root).ok()?;
                let flags = call.word(2);
                let node = match self.node(&path) {
                    Some(node) => node,
                    None => self.create(call, &path, false)?,
                };
                if flags.contains("O_TRUNC") {
                    self.data(call, node, Data::Length(0));
                }
                let position = (!flags.contains("O_APPEND")).then_some(0);
                self.open.insert(call.result, (node, position));
            }
            "close" => {
                self.open.remove(&call.descriptor(0).0)?;
            }
            "lseek" => {
                let (_, position) = self.open.get_mut(&call.descriptor(0).0)?;
                *position = position.and(u64::try_from(call.result).ok());
            }
            "write" | "writev" => {
                let (number, path) = call.descriptor(0);
                if *path == self.root.join(REPORTS) {
                    let line = String::from_utf8(call.bytes(1).to_vec()).unwrap();
                    self.history
                        .reports
                        .push((call.end, line.trim().parse().unwrap()));
                    return None;
                }
                let (node, position) = *self.open.get(&number)?;
                let at = position.unwrap_or(self.history.inodes[node].length);
                self.write(call, node, at);
                let after = position.map(|at| at + u64::try_from(call.result).unwrap());
                self.open.insert(number, (node, after));
            }
            "pwrite64" => {
                let (node, _) = *self.open.get(&call.descriptor(0).0)?;
                self.write(call, node, call.number(3));
            }
            "ftruncate" => {
                let (node, _) = *self.open.get(&call.descriptor(0).0)?;
                self.data(call, node, Data::Length(call.number(1)));
            }
            "fsync" | "fdatasync" => {
                let (node, _) = *self.open.get(&call.descriptor(0).0)?;
                self.history.inodes[node].syncs.push(call.start..=call.end);
            }
            // No sync: it leaves the disk's cache and the file's length alone.
            "sync_file_range" => {
                self.open.get(&call.descriptor(0).0)?;
            }
            "mkdir" => {
                self.create(call, &call.path(0), true)?;
            }
            "rename" => self.rename(call, &call.path(0), &call.path(1))?,
            "link" => self.link(call, &call.path(0), &call.path(1))?,
            "renameat" | "renameat2" => self.rename(call, &call.path(0), &call.path(2))?,
            "linkat" => self.link(call, &call.path(0), &call.path(2))?,
            "unlink" | "rmdir" | "unlinkat" => {
                let (folder, name) = self.place(&call.path(0))?;
                self.name(call, folder, vec![(name, None)]);
            }
            other => {
                let inside = |argument: &crate::trace::Argument| match argument {
                    crate::trace::Argument::Descriptor(_, path) => path.starts_with(self.root),
                    crate::trace::Argument::Bytes(bytes) => {
                        PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
                            .starts_with(self.root)
                    }
                    crate::trace::Argument::Word(_) => false,
                };
                assert!(
                    !call.arguments.iter().any(inside),
                    "{other} is not modelled: {call:?}"
                );
                return None;
            }
        }
        Some(())
    }

    fn link(&mut self, call: &Call, from: &Path, to: &Path) -> Option<()> {
        let (node, (folder, name)) = (self.node(from)?, self.place(to)?);
        self.name(call, folder, vec![(name, Some(node))]);
        Some(())
    }

    fn rename(&mut self, call: &Call, from: &Path, to: &Path) -> Option<()> {
        let node = self.node(from)?;
        let ((old, gone), (new, name)) = (self.place(from)?, self.place(to)?);
        if old == new {
            self.name(call, new, vec![(gone, None), (name, Some(node))]);
        } else {
            self.name(call, new, vec![(name, Some(node))]);
            self.name(call, old, vec![(gone, None)]);
        }
        Some(())
    }
}
