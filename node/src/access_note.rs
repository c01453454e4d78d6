//! What a member remembers of who may do what, in a file beside its database.
//!
//! Who may do what stands in the catalog, and the catalog in the database. A member that has lost its database, or has just
//! joined and waits for the catalog, must not take that for a cluster without access control: it would let in everyone who
//! reaches it, and could hand on their changes to the leader. So a note is kept: what the catalog said last, with its
//! epoch. It counts for as long as the member has no catalog of that epoch or a later one.
//!
//! ```text
//!   join ──> note (as the member says that let it in) ──> identity ──> catalog ──> note, whenever that has changed
//! ```
//!
//! A note that can't be read means that access control is on and no user is known, until a catalog is here.

use crate::views::Views;
use quorate_model::Epoch;
use quorate_ring::{Access, Catalog};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The file.
pub const FILE: &str = "access";

/// Bytes in front of the rest: the epoch.
const EPOCH_BYTES: usize = 8;

/// Bytes behind it: the checksum.
const CHECKSUM_BYTES: usize = 4;

/// Pause before it is tried again to write one.
const PAUSE: Duration = Duration::from_secs(5);

/// What a catalog says of who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessNote {
    /// Its epoch.
    pub epoch: Epoch,
    /// What it says.
    pub access: Arc<Access>,
}

impl AccessNote {
    /// Of a catalog; `None`: it has never known a user.
    pub fn of(catalog: &Catalog) -> Option<Self> {
        let access = catalog.access();
        (**access != Access::default()).then(|| Self { epoch: catalog.epoch(), access: Arc::clone(access) })
    }

    /// What is taken to hold where a note can't be read.
    fn closed() -> Self {
        Self { epoch: Epoch(1), access: Arc::new(Access::of(true, [], [])) }
    }

    /// The one in a folder; `None`: there is none.
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        let path = folder.join(FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(Self::decode(&bytes).unwrap_or_else(|| {
            tracing::error!(
                "{} is damaged: no user is known here until the catalog arrives; nothing else depends on it",
                path.display()
            );
            Self::closed()
        })))
    }

    /// Writes it, beside and renamed: durable when this returns.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        replace(folder, Some(&self.encode()))
    }

    /// As bytes: the epoch, users and roles, a checksum.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.epoch.0.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.access.encode());
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_be_bytes());
        bytes
    }

    /// Inverse of [`AccessNote::encode`]; `None`: it is none, or damaged.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (content, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
        if crc32fast::hash(content).to_be_bytes() != *checksum {
            return None;
        }
        let (epoch, access) = content.split_at_checked(EPOCH_BYTES)?;
        let epoch = Epoch(u64::from_be_bytes(epoch.try_into().ok()?));
        Some(Self { epoch, access: Arc::new(Access::decode(access).ok()?) })
    }
}

/// Replaces what a folder notes by what the member said that let this one join; `None`: nothing is noted.
pub fn replace(folder: &Path, note: Option<&[u8]>) -> io::Result<()> {
    let (path, beside) = (folder.join(FILE), folder.join(format!("{FILE}.new")));
    let Some(bytes) = note else {
        return match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        };
    };
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    File::open(folder)?.sync_all()
}

/// Notes what the catalog says, whenever that has changed, until the task is aborted.
pub async fn keep(views: Arc<Views>, folder: PathBuf, mut noted: Option<AccessNote>) {
    let mut epochs = views.news();
    loop {
        epochs.borrow_and_update();
        if let Some(note) = news(noted.as_ref(), views.current().catalog()) {
            let (writing, folder) = (note.clone(), folder.clone());
            let written = tokio::task::spawn_blocking(move || writing.write(&folder)).await;
            if let Ok(Ok(())) = written {
                noted = Some(note);
            } else {
                tracing::warn!("who may do what is not noted in the data folder yet: {written:?}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        }
        if epochs.changed().await.is_err() {
            return;
        }
    }
}

/// What is to be noted; `None`: it is noted already, or later.
fn news(noted: Option<&AccessNote>, catalog: &Catalog) -> Option<AccessNote> {
    let access = catalog.access();
    let is_noted = match noted {
        None => **access == Access::default(),
        Some(noted) => {
            catalog.epoch() < noted.epoch || Arc::ptr_eq(&noted.access, access) || noted.access == *access
        }
    };
    (!is_noted).then(|| AccessNote { epoch: catalog.epoch(), access: Arc::clone(access) })
}

/// Whether these bytes, with the checksum that they should have, are a note; for the tests of the decoders.
pub fn takes(bytes: &[u8]) -> bool {
    let Some(note) = AccessNote::decode(&quorate_model::decoder::resealed(bytes)) else { return false };
    assert_eq!(AccessNote::decode(&note.encode()), Some(note));
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::new_node;
    use quorate_model::{ClusterId, WallTime};
    use quorate_ring::catalog::access::{Token, TokenId};
    use quorate_ring::{Command, NewAdmin, SetAccess};

    fn guarded() -> Catalog {
        let catalog = Catalog::bootstrap("c", ClusterId(1), new_node(1)).expect("founded");
        let token = Token { id: TokenId(1), digest: [1; 32], created: WallTime(5), expires: None };
        let admin = Some(NewAdmin { user: "root".to_owned(), token });
        let command = Command::SetAccess(SetAccess { enabled: Some(true), admin });
        catalog.apply(&command).expect("accepted").catalog
    }

    #[test]
    fn a_note_is_read_back_and_one_that_is_damaged_lets_no_user_in() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(AccessNote::read(folder.path()).expect("readable"), None);
        let note = AccessNote::of(&guarded()).expect("a user is known");
        note.write(folder.path()).expect("written");
        assert_eq!(AccessNote::read(folder.path()).expect("readable").as_ref(), Some(&note));
        let bytes = note.encode();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            replace(folder.path(), Some(&damaged)).expect("written");
            let read = AccessNote::read(folder.path()).expect("readable").expect("there");
            assert!(read.access.is_on() && read.access.users().len() == 0, "byte {at}");
        }
        replace(folder.path(), None).expect("removed");
        replace(folder.path(), None).expect("it is gone");
        assert_eq!(AccessNote::read(folder.path()).expect("readable"), None);
    }

    #[test]
    fn only_what_has_changed_since_is_noted() {
        let open = Catalog::bootstrap("c", ClusterId(1), new_node(1)).expect("founded");
        assert_eq!(news(None, &open), None, "there is nothing to remember");
        let guarded = guarded();
        let note = news(None, &guarded).expect("news");
        assert_eq!(news(Some(&note), &guarded), None);
        assert_eq!(news(Some(&note), &open), None, "a catalog from before");
        let off = Command::SetAccess(SetAccess { enabled: Some(false), admin: None });
        let off = guarded.apply(&off).expect("accepted").catalog;
        assert!(!news(Some(&note), &off).expect("news").access.is_on());
    }
}
