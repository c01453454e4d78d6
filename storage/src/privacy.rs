//! Whose eyes a data folder is for: the user's that runs the node, and no other user's of the machine.
//!
//! A folder is made 0700 and what is in it 0600. One that is found wider (an older version made it, or an operator with the
//! usual umask) is narrowed, if it is surely a node's own: empty, or begun as one. Any other is refused, since narrowing
//! `/tmp` or a shared mount would take it from every other user.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Rights of a folder.
const FOLDER: u32 = 0o700;

/// Rights of a file.
const FILE: u32 = 0o600;

/// What other users may do.
const OTHERS: u32 = 0o077;

/// What a folder for all users has, such as `/tmp`.
const STICKY: u32 = 0o1000;

/// Why a folder can't be kept private. Nothing in it was changed.
#[derive(Debug, Error)]
pub enum PrivacyError {
    /// Other users can read it, and it may be theirs too.
    #[error(
        "other users of this machine can read the folder {} (mode {mode:04o}), and {why}: name a folder of its own inside \
         it, such as {}, or keep it to this user (chmod 0700)",
        folder.display(), folder.join("quorate").display()
    )]
    Shared {
        /// The folder.
        folder: PathBuf,
        /// Its rights.
        mode: u32,
        /// Why it is not narrowed.
        why: String,
    },
    /// The operating system.
    #[error("the folder {} can't be kept to this user: {error}", folder.display())]
    Failed {
        /// The folder.
        folder: PathBuf,
        /// What it says.
        error: io::Error,
    },
}

/// Makes a folder that is this user's alone, or narrows one that is there. `is_ours` says of the name of an entry whether
/// it shows that the folder was begun by this program. Returns whether anything was wider.
pub fn keep_private(folder: &Path, is_ours: impl Fn(&str) -> bool) -> Result<bool, PrivacyError> {
    let failed = |error| PrivacyError::Failed { folder: folder.into(), error };
    let found = match fs::metadata(folder) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(FOLDER).create(folder).map_err(failed)?;
            fs::metadata(folder).map_err(failed)?
        }
        Err(error) => return Err(failed(error)),
    };
    let mode = found.mode() & 0o7777;
    if mode & OTHERS == 0 {
        return narrow_all(folder).map_err(failed);
    }
    let shared = |why: String| PrivacyError::Shared { folder: folder.into(), mode, why };
    if mode & STICKY != 0 {
        return Err(shared("it is one for all users".to_owned()));
    }
    let mut entries =
        fs::read_dir(folder).map_err(failed)?.collect::<io::Result<Vec<_>>>().map_err(failed)?.into_iter();
    let begun = |entry: fs::DirEntry| entry.file_name().to_str().is_some_and(&is_ours);
    if entries.len() > 0 && !entries.any(begun) {
        return Err(shared("what is in it is not a node's".to_owned()));
    }
    fs::set_permissions(folder, Permissions::from_mode(FOLDER)).map_err(|error| shared(error.to_string()))?;
    narrow_all(folder).map_err(failed)?;
    Ok(true)
}

/// Narrows everything below a folder that is narrow itself; says whether anything was wider.
fn narrow_all(folder: &Path) -> io::Result<bool> {
    let mut narrowed = false;
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            // What a symbolic link leads to is not ours to change; what has just gone needs no change.
            let Some(found) = there(fs::symlink_metadata(&path))?.filter(|found| !found.is_symlink()) else {
                continue;
            };
            let rights = if found.is_dir() { FOLDER } else { FILE };
            if found.mode() & OTHERS != 0 {
                narrowed |= there(fs::set_permissions(&path, Permissions::from_mode(rights)))?.is_some();
            }
            if found.is_dir() {
                open.push(path);
            }
        }
    }
    Ok(narrowed)
}

/// `None`: it is not there.
fn there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").mode() & 0o7777
    }

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
    }

    fn keep(folder: &Path) -> Result<bool, PrivacyError> {
        keep_private(folder, |name| name == "identity")
    }

    #[test]
    fn a_folder_is_made_for_this_user_alone() {
        let above = tempfile::tempdir().expect("a folder");
        let folder = above.path().join("a/b");
        keep(&folder).expect("made");
        assert_eq!(mode(&folder), FOLDER);
        assert!(!keep(&folder).expect("it is there"), "nothing was wider");
    }

    #[test]
    fn a_nodes_folder_that_is_wider_is_narrowed_with_all_that_is_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (identity, db) = (folder.path().join("identity"), folder.path().join("db"));
        let (table, outside) = (db.join("000001.sst"), tempfile::NamedTempFile::new().expect("a file"));
        fs::create_dir(&db).expect("made");
        for file in [&identity, &table] {
            fs::write(file, "x").expect("written");
            set(file, 0o644);
        }
        set(outside.path(), 0o644);
        std::os::unix::fs::symlink(outside.path(), db.join("link")).expect("linked");
        for wide in [0o755, 0o700, 0o2770] {
            set(folder.path(), wide);
            set(&table, 0o644);
            set(&db, 0o755);
            assert!(keep(folder.path()).expect("narrowed"), "{wide:o}");
            assert_eq!(mode(folder.path()), FOLDER);
            assert_eq!([mode(&identity), mode(&db), mode(&table)], [FILE, FOLDER, FILE], "{wide:o}");
        }
        assert_eq!(mode(outside.path()), 0o644, "what a link leads to is not ours");
    }

    #[test]
    fn a_folder_that_others_use_too_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("letters"), "x").expect("written");
        set(folder.path(), 0o755);
        let refused = keep(folder.path()).expect_err("not ours").to_string();
        assert!(refused.contains("0755") && refused.contains("/quorate"), "{refused}");
        assert_eq!(mode(folder.path()), 0o755);

        // Even if a node was begun there once.
        fs::write(folder.path().join("identity"), "x").expect("written");
        set(folder.path(), 0o1777);
        assert!(keep(folder.path()).expect_err("all users'").to_string().contains("all users"));
        assert_eq!(mode(folder.path()), 0o1777);
    }

    #[test]
    fn an_empty_folder_that_is_wider_is_narrowed() {
        let folder = tempfile::tempdir().expect("a folder");
        set(folder.path(), 0o755);
        assert!(keep(folder.path()).expect("narrowed"));
        assert_eq!(mode(folder.path()), FOLDER);
    }
}
