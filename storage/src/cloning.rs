//! Cloning: how copies of the folders of a stopped cluster become the folders of another one.
//!
//! Two clusters with one identity must never run: what one acknowledges, the other does not know, and a node of the one is
//! taken for its namesake of the other. So each copy is given another cluster's id and name before it is started. All that
//! depends on the id goes with it: the sums of chunks are made with it, and are counted anew.
//!
//! Each step may be repeated: a folder that was cloned half-way is still one of the old cluster.

use crate::doubt::Doubt;
use crate::engine::{Batch, Engine as _, EngineError, Family};
use crate::identity::{Identity, IdentityError, Stage};
use crate::keys;
use crate::rocks::{OpenError, OpenMode, RocksEngine, RocksOptions};
use quorate_model::{ClusterId, Durability};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a folder was not cloned. It is what it was.
#[derive(Debug, Error)]
pub enum CloneError {
    /// Nothing is there.
    #[error("the folder {} has no node's data: name a copy of the data folder of a stopped node", .0.display())]
    Empty(PathBuf),
    /// It has the name already that was given.
    #[error(
        "the folder {} belongs to cluster {name} already ({cluster}): give the clone a name of its own",
        folder.display()
    )]
    SameName {
        /// The folder.
        folder: PathBuf,
        /// The name.
        name: String,
        /// The cluster.
        cluster: ClusterId,
    },
    /// It has not joined, or come back, as a whole.
    #[error(
        "the node of the folder {} has not become a member yet: start it in its own cluster until it has, then copy it",
        .0.display()
    )]
    NotMember(PathBuf),
    /// It may have lost something.
    #[error("the folder {} is doubtful ({reason}): copy it once its node has healed", folder.display())]
    Doubtful {
        /// The folder.
        folder: PathBuf,
        /// Why.
        reason: String,
    },
    /// The identity.
    #[error("{0}")]
    Identity(#[from] IdentityError),
    /// The database: perhaps its node runs.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// Something in it.
    #[error("the folder can't be cloned: {0}")]
    Engine(#[from] EngineError),
}

/// Makes the folder of a stopped node one of another cluster: durable when it returns. A repetition changes nothing. The
/// identity that it had, and the one that it has.
pub fn clone_as(
    folder: &Path,
    cluster: ClusterId,
    name: &str,
    options: &RocksOptions,
) -> Result<(Identity, Identity), CloneError> {
    let before = Identity::read(folder)?.ok_or_else(|| CloneError::Empty(folder.into()))?;
    let identity = Identity { cluster, cluster_name: name.to_owned(), ..before.clone() };
    if identity == before {
        return Ok((before, identity));
    }
    if before.cluster_name == name {
        let (folder, cluster, name) = (folder.into(), before.cluster, before.cluster_name);
        return Err(CloneError::SameName { folder, name, cluster });
    }
    if before.stage != Stage::Member {
        return Err(CloneError::NotMember(folder.into()));
    }
    // Opened, it is this process's alone: a node that runs on it is not pulled away from its cluster.
    let engine = RocksEngine::open(folder, OpenMode::Existing, options)?;
    if let Some(Doubt { reason, .. }) = engine.doubt() {
        return Err(CloneError::Doubtful { folder: folder.into(), reason });
    }
    let mut batch = Batch::default();
    batch.delete_range(Family::Meta, keys::chunk_sums());
    engine.write(batch, Durability::Sync)?;
    identity.write(folder)?;
    drop(engine);
    Ok((before, identity))
}
