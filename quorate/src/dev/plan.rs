//! What a development cluster is made of, and which nodes a folder has.

use quorate_storage::{Identity, IdentityError};
use std::io;
use std::path::{Path, PathBuf};

/// The highest number of a node of a development cluster: each has an engine, threads and ports of its own.
pub const NODES_MAX: usize = 9;

/// The file in the folder of a node that was removed from its cluster: it says so, and is all that is left.
const REMOVED: &str = "removed";

/// What to build.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The numbers of its nodes, 1 for n1, in ascending order; from 1 to [`NODES_MAX`].
    pub numbers: Vec<usize>,
    /// How many zones they are spread over, from 1 to the number of nodes.
    pub zones: usize,
    /// The first port; 0: whatever is free, for tests.
    pub port: u16,
    /// The folder that holds the nodes' folders.
    pub folder: PathBuf,
}

/// The nodes that a folder has and had, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    kept: Vec<usize>,
    removed: Vec<usize>,
}

impl Numbers {
    /// Those of this folder.
    pub fn of(folder: &Path) -> Result<Self, IdentityError> {
        let mut numbers = Self::default();
        for number in 1..=NODES_MAX {
            let folder = folder_of(folder, number);
            if folder.join(REMOVED).exists() {
                numbers.removed.push(number);
            } else if Identity::read(&folder)?.is_some() {
                numbers.kept.push(number);
            }
        }
        Ok(numbers)
    }

    /// Those that have data here, in ascending order.
    pub fn kept(&self) -> &[usize] {
        &self.kept
    }

    /// The first numbers of a cluster of so many nodes: one that was removed has none of them.
    pub fn first(&self, nodes: usize) -> Vec<usize> {
        self.open().take(nodes).collect()
    }

    /// How many nodes a cluster has at least, so that all that have data here are among them.
    pub fn least(&self) -> usize {
        let last = self.kept.last().copied().unwrap_or(0);
        self.open().take_while(|number| *number <= last).count()
    }

    /// How many nodes a cluster may have.
    pub fn most(&self) -> usize {
        self.open().count()
    }

    /// The number of a further node: ids are not given twice, and names go with them.
    pub fn next(&self, running: impl Iterator<Item = usize>) -> Option<usize> {
        let last = running.chain(self.removed.iter().copied()).max().unwrap_or(0);
        (last < NODES_MAX).then_some(last + 1)
    }

    fn open(&self) -> impl Iterator<Item = usize> {
        (1..=NODES_MAX).filter(|number| !self.removed.contains(number))
    }
}

/// Where a node keeps its data.
pub fn folder_of(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("n{number}"))
}

/// Deletes what a node held that is no member any more, and remembers that.
pub fn forget(folder: &Path) -> io::Result<()> {
    let marker = folder.join(REMOVED);
    // First, so that a stop in between leaves no node that would be started again.
    std::fs::write(&marker, "This node was removed from its cluster. Its data are at other nodes.\n")?;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path == marker {
            continue;
        }
        if path.is_dir() {
            std::fs::remove_dir_all(&path)?;
        } else {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_not_given_twice() {
        let numbers = Numbers { kept: vec![1, 2, 3, 5], removed: vec![4] };
        assert_eq!((numbers.least(), numbers.most()), (4, 8));
        assert_eq!(numbers.first(5), [1, 2, 3, 5, 6]);
        assert_eq!(numbers.next([1, 2, 3].into_iter()), Some(5), "n4 was removed");
        assert_eq!(numbers.next([1, 2, 9].into_iter()), None);
        let lost = Numbers { kept: vec![1, 3], removed: Vec::new() };
        assert_eq!((lost.least(), lost.first(3)), (3, vec![1, 2, 3]), "a lost folder is begun again");
    }

    #[test]
    fn a_node_that_was_removed_leaves_a_word() {
        let folder = tempfile::tempdir().expect("a folder");
        let node = folder_of(folder.path(), 4);
        std::fs::create_dir_all(node.join("db")).expect("made");
        std::fs::write(node.join("identity"), "x").expect("written");
        forget(&node).expect("forgotten");
        assert_eq!(std::fs::read_dir(&node).expect("readable").count(), 1);
        let numbers = Numbers::of(folder.path()).expect("readable");
        assert_eq!(numbers, Numbers { kept: Vec::new(), removed: vec![4] });
    }
}
