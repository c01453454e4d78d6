//! Damaged files: a node that may heal sets them aside, and comes back as the next incarnation of itself on an empty store.
//!
//! What a damaged store still holds is no help to anyone: any key of it may read as missing. The node's id, its cluster and
//! the secret are not in the store, so that it knows who it is, and asks the leader as a machine does whose disk was lost
//! (`control/replace.rs`), before it serves anything: to the members it is gone until then.
//!
//! ```text
//!   damage while it runs ──> start again ──> damage at the start ──> asks by --join ──> identity: next incarnation
//!   fills itself <── a new store, all of it lossy <── files renamed into damaged-<seconds> <───────────┘
//! ```
//!
//! # Invariants
//!
//! - Nothing damaged is deleted: it is renamed, within its folder, and an operator removes it.
//! - Nothing is renamed before the catalog names the incarnation: a node that can't come back stays doubtful, and says why.
//! - A start that ends anywhere in between goes on with the next one.

use super::folder::Introduction;
use super::{NodeConfig, StartError};
use crate::clock;
use crate::control;
use crate::core::Core;
use crate::engine::Engine;
use quorate_storage::{Cause, Engine as _, Identity, Stage, identity};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long the leader is asked for before the node starts as a doubtful one.
const ASKED_FOR: Duration = Duration::from_secs(10);

/// How often a running node looks for damage.
const LOOK: Duration = Duration::from_secs(2);

/// The pause before a node that could not come back is started again, to ask once more.
const PAUSE: Duration = Duration::from_secs(30);

/// Whether what was opened is damaged, and the node may begin anew. One that had begun to was stopped in between.
pub fn may_begin_anew(config: &NodeConfig, identity: &Identity, engine: &Engine) -> bool {
    let is_damaged = engine.doubt().is_some_and(|doubt| doubt.cause == Cause::Damaged);
    let asks = config.heal && identity.stage == Stage::Member && !config.entry.addresses().is_empty();
    is_damaged && (asks || identity.stage == Stage::Replacing)
}

/// Has the catalog name the next incarnation of this node, and sets its damaged store aside; false: the node starts as a
/// doubtful one. The store must be closed.
pub async fn set_aside(
    introduction: &Introduction<'_>,
    identity: &mut Identity,
    doubt: &str,
) -> Result<bool, StartError> {
    let config = introduction.config;
    if identity.stage != Stage::Replacing {
        // Another member may have this one's id as its name.
        let member = format!("id:{}", identity.node);
        let (addresses, wanted) = (config.entry.addresses(), introduction.replacement(&member));
        let wanted =
            control::Replacement { only_if_filled: Some(true), cluster: Some(identity.cluster), ..wanted };
        tracing::warn!(
            "this node's files are damaged ({doubt}): it asks to come back and fill itself from other owners"
        );
        let asked = control::replace(addresses, &config.secret, &wanted);
        let came = match tokio::time::timeout(ASKED_FOR, asked).await {
            Ok(Ok(came)) => came,
            Ok(Err(error)) => {
                tracing::error!("{error}; the damaged files stay where they are");
                return Ok(false);
            }
            Err(_) => {
                tracing::error!(
                    "no member at --join has let it come back within {} s: the damaged files stay where they are, and it asks \
                     again later",
                    ASKED_FOR.as_secs()
                );
                return Ok(false);
            }
        };
        *identity = Identity {
            incarnation: came.incarnation,
            stage: Stage::Replacing,
            accepted: None,
            ..identity.clone()
        };
        identity.write(&config.data)?;
    }
    let folder = config.data.clone();
    let moved = tokio::task::spawn_blocking(move || rename_store(&folder));
    let moved = moved.await.map_err(|error| StartError::Runtime(error.to_string()))?;
    let (aside, bytes) = moved.map_err(|error| StartError::Folder { folder: config.data.clone(), error })?;
    tracing::warn!(
        "the damaged files, {bytes} bytes, were set aside in {}: nothing uses them any more; once this node holds everything \
         again, and you do not want to look at them, delete that folder",
        aside.display()
    );
    Ok(true)
}

/// Renames a store into a folder of its own beside it; that folder, and the bytes in it.
fn rename_store(folder: &Path) -> io::Result<(PathBuf, u64)> {
    let seconds = clock::wall().0 / 1_000;
    let names = (0..).map(|number| match number {
        0 => format!("damaged-{seconds}"),
        number => format!("damaged-{seconds}-{number}"),
    });
    let mut paths = names.map(|name| folder.join(name));
    let aside = paths
        .find(|path| !path.exists())
        .ok_or_else(|| io::Error::other("no name is free for the damaged files"))?;
    std::fs::create_dir(&aside)?;
    for name in identity::DATA {
        match std::fs::rename(folder.join(name), aside.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    std::fs::File::open(&aside)?.sync_all()?;
    std::fs::File::open(folder)?.sync_all()?;
    let bytes = bytes_in(&aside)?;
    Ok((aside, bytes))
}

fn bytes_in(folder: &Path) -> io::Result<u64> {
    std::fs::read_dir(folder)?.try_fold(0, |sum, entry| {
        let entry = entry?;
        let bytes =
            if entry.file_type()?.is_dir() { bytes_in(&entry.path())? } else { entry.metadata()?.len() };
        Ok(sum + bytes)
    })
}

/// Starts a node again that finds its files damaged: at once if that is new, later if it could not come back.
pub async fn watch(core: Arc<Core>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let doubt = core.local.replica().health().doubt;
        if doubt.is_none_or(|doubt| doubt.cause != Cause::Damaged) {
            continue;
        }
        if core.control.is_silent() {
            tokio::time::sleep(PAUSE).await;
        }
        tracing::warn!("this node's files are damaged: it starts again, to come back without them");
        core.restart.send_replace(true);
        return;
    }
}
