//! Whose folder this is: a small file that a node writes once and compares at every start.
//!
//! A folder that belongs to another cluster, or to a newer version, must never be opened by accident, and one that
//! was founded once must not found a second cluster. The file is text that a person can read; its last line is a
//! checksum over the others:
//!
//! ```text
//! quorate data folder
//! format 1
//! cluster 0123456789abcdef0123456789abcdef
//! name production
//! node 3
//! incarnation 1
//! stage member
//! accepted 1764390000000        only if its data count although it lost something: since when, in ms
//! crc32 89abcdef
//! ```
//!
//! It is replaced as a whole: written beside, synced, renamed, and the folder synced. It comes first and goes last;
//! data without it mean that it was lost, never that the folder may be founded anew. Beside it lies `db/`, which is
//! RocksDB's, the `watermark` of what was durable, the `manifest-mark`, `life` (how the last run ended), `boots` (its boot ids), and after a doubt the file
//! `doubtful` that says why.

use crate::file;
use quorate_model::{ClusterId, NodeId, WallTime};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

#[cfg(test)]
mod tests;

/// The version of the folder's layout that this program writes.
pub const FORMAT: u32 = 1;

/// The name of its file.
pub const FILE: &str = "identity";
const FIRST_LINE: &str = "quorate data folder";

/// Who a folder belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The cluster's name, for people; one line.
    pub cluster_name: String,
    /// The node, as the catalog issued it.
    pub node: NodeId,
    /// The node's incarnation: a folder of an earlier one is refused by the cluster.
    pub incarnation: u64,
    /// How far the folder has come.
    pub stage: Stage,
    /// When this incarnation went on with what was left of its data, after a loss that an operator accepted; `None`: it
    /// lost nothing, or counts nothing of what was left.
    pub accepted: Option<WallTime>,
}

/// How far a folder has come, so that a crash during founding or joining is continued and never done twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// This node founds the cluster; its catalog may not be there yet.
    Founding,
    /// The catalog has issued this node's id; it may not have heard anything else yet.
    Joining,
    /// It came back as a member whose data are gone, and its database may not say so yet.
    Replacing,
    /// Founded or joined, once and for all.
    Member,
}

/// Why a folder can't be used. Nothing in it was changed.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// Another cluster's folder.
    #[error(
        "the folder {} belongs to cluster {found} ({name}), not to cluster {expected}; use another folder",
        folder.display()
    )]
    OtherCluster {
        /// The folder.
        folder: PathBuf,
        /// Its cluster.
        found: ClusterId,
        /// Its cluster's name.
        name: String,
        /// The cluster it should belong to.
        expected: ClusterId,
    },
    /// A newer version's folder.
    #[error(
        "the folder {} has format {found}, this version reads formats up to {FORMAT}; start the newer version again",
        folder.display()
    )]
    Newer {
        /// The folder.
        folder: PathBuf,
        /// Its format.
        found: u32,
    },
    /// A node's data, but no identity: the file was lost.
    #[error(
        "the folder {} holds a node's data ({found}) but its identity file is gone; restore that file, or let the node \
         come back with an empty folder (serve --join host:port --replace-self NODE)",
        folder.display()
    )]
    Lost {
        /// The folder.
        folder: PathBuf,
        /// What shows that it was a node's.
        found: &'static str,
    },
    /// Files, but no identity.
    #[error(
        "the folder {} holds files (such as {found}) but is no data folder of ours; use an empty folder",
        folder.display()
    )]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// One of the files.
        found: String,
    },
    /// The file is damaged.
    #[error(
        "the file {} is damaged ({reason}); the data can't be trusted: restore this one file if you know why it is \
         damaged, else let the node come back with an empty folder (serve --join host:port --replace-self NODE)",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The disk failed.
    #[error("the folder {} can't be used: {error}", folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
}

impl Identity {
    /// Reads the identity of a folder; `None` if there is no folder or nothing in it yet.
    pub fn read(folder: &Path) -> Result<Option<Self>, IdentityError> {
        let in_folder = |error| IdentityError::Io { folder: folder.into(), error };
        let path = folder.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => Self::decode(folder, &bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(found) = DATA.into_iter().find(|name| folder.join(name).exists()) {
                    return Err(IdentityError::Lost { folder: folder.into(), found });
                }
                match other_file(folder).map_err(in_folder)? {
                    Some(found) => Err(IdentityError::Foreign { folder: folder.into(), found }),
                    None => Ok(None),
                }
            }
            Err(error) => Err(in_folder(error)),
        }
    }

    /// Writes the identity durably, replacing the one before; makes the folder if need be.
    pub fn write(&self, folder: &Path) -> Result<(), IdentityError> {
        let in_folder = |error| IdentityError::Io { folder: folder.into(), error };
        assert!(!self.cluster_name.contains(['\n', '\r']), "a cluster's name is one line");
        file::create_folder(folder).map_err(in_folder)?;
        file::replace(folder, FILE, self.encode().as_bytes()).map_err(in_folder)
    }

    /// That the folder belongs to this cluster.
    pub fn check_cluster(&self, folder: &Path, expected: ClusterId) -> Result<(), IdentityError> {
        if self.cluster == expected {
            return Ok(());
        }
        Err(IdentityError::OtherCluster {
            folder: folder.into(),
            found: self.cluster,
            name: self.cluster_name.clone(),
            expected,
        })
    }

    /// The text of its file.
    pub fn encode(&self) -> String {
        let Self { cluster, cluster_name, node, incarnation, stage, accepted } = self;
        let mut text = format!(
            "{FIRST_LINE}\nformat {FORMAT}\ncluster {cluster}\nname {cluster_name}\nnode {}\nincarnation \
             {incarnation}\nstage {}\n",
            node.0,
            stage.as_str()
        );
        if let Some(WallTime(at)) = accepted {
            writeln!(text, "accepted {at}").expect("a string takes everything");
        }
        let checksum = crc32fast::hash(text.as_bytes());
        writeln!(text, "crc32 {checksum:08x}").expect("a string takes everything");
        text
    }

    /// Inverse of [`Identity::encode`]. Total; `folder` is for the errors.
    pub fn decode(folder: &Path, bytes: &[u8]) -> Result<Self, IdentityError> {
        let corrupt = |reason| IdentityError::Corrupt { path: folder.join(FILE), reason };
        let text = std::str::from_utf8(bytes).map_err(|_| corrupt("it is not text"))?;
        let end = text.find("crc32 ").ok_or_else(|| corrupt("its checksum is missing"))?;
        let (content, last) = text.split_at(end);
        let checksum = u32::from_str_radix(last["crc32 ".len()..].trim_end(), 16);
        if checksum != Ok(crc32fast::hash(content.as_bytes())) {
            return Err(corrupt("its checksum does not match"));
        }
        let mut lines = content.lines();
        if lines.next() != Some(FIRST_LINE) {
            return Err(corrupt("its first line is another"));
        }
        let mut value = |name: &str| {
            let line = lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.ok_or_else(|| corrupt("a line is missing"))
        };
        let malformed = || corrupt("a line is malformed");
        let format: u32 = value("format")?.parse().map_err(|_| malformed())?;
        if format > FORMAT {
            return Err(IdentityError::Newer { folder: folder.into(), found: format });
        }
        let mut identity = Self {
            cluster: value("cluster")?.parse().map_err(|_| malformed())?,
            cluster_name: value("name")?.to_owned(),
            node: NodeId(value("node")?.parse().map_err(|_| malformed())?),
            incarnation: value("incarnation")?.parse().map_err(|_| malformed())?,
            stage: Stage::parse(value("stage")?).ok_or_else(malformed)?,
            accepted: None,
        };
        // Whatever else follows is of a newer version.
        if let Some(at) = lines.next().and_then(|line| line.strip_prefix("accepted ")) {
            identity.accepted = Some(WallTime(at.parse().map_err(|_| malformed())?));
        }
        Ok(identity)
    }
}

impl Stage {
    const ALL: [Stage; 4] = [Stage::Founding, Stage::Joining, Stage::Replacing, Stage::Member];

    fn as_str(self) -> &'static str {
        match self {
            Stage::Founding => "founding",
            Stage::Joining => "joining",
            Stage::Replacing => "replacing",
            Stage::Member => "member",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text)
    }
}

/// What is never there before an identity is: the store, and the notes about it.
pub const DATA: [&str; 7] = ["db", "watermark", "manifest-mark", "doubtful", "life", "boots", "accepted"];

/// A file that has no business in an empty folder. What a file system puts into its root by itself, and what a
/// founding or joining that was cut short left behind, is no such file.
fn other_file(folder: &Path) -> io::Result<Option<String>> {
    const OURS: [&str; 6] = ["lost+found", "identity.new", "joining", "joining.new", "access", "access.new"];
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !OURS.contains(&name.as_str()) {
            return Ok(Some(name.escape_debug().to_string()));
        }
    }
    Ok(None)
}
