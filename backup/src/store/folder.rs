//! A folder: each file is written beside its place, synced, renamed, and its folder synced. Only its owner may look.

use super::found::{Listed, Read};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// See the module's sentence.
#[derive(Clone, Debug)]
pub struct Folder(Arc<PathBuf>);

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self(Arc::new(path.to_owned()))
    }

    pub(super) fn place(&self) -> String {
        self.0.display().to_string()
    }

    pub(super) async fn read(&self, name: &str, bytes_max: u64) -> Result<Read, String> {
        let path = self.0.join(name);
        apart(move || {
            let mut file = match File::open(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Read::Absent),
                file => file?,
            };
            let bytes = file.metadata()?.len();
            if bytes > bytes_max {
                return Ok(Read::TooLarge { bytes });
            }
            let mut whole = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
            (&mut file).take(bytes_max).read_to_end(&mut whole)?;
            Ok(Read::Whole(whole))
        })
        .await
    }

    pub(super) async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), String> {
        let path = self.0.join(name);
        apart(move || write(&path, &bytes)).await
    }

    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Listed>, String> {
        let path = self.0.join(folder);
        apart(move || {
            let entries = match fs::read_dir(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                entries => entries?,
            };
            let mut listed = Vec::new();
            for entry in entries {
                let entry = entry?;
                let metadata = match entry.metadata() {
                    // Removed since.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    metadata => metadata?,
                };
                let name = entry.file_name().to_string_lossy().into_owned();
                listed.push(Listed { name, bytes: metadata.len(), written_at: metadata.modified()? });
            }
            Ok(listed)
        })
        .await
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), String> {
        let path = self.0.join(name);
        apart(move || match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        })
        .await
    }
}

/// Does something that a disk takes its time for.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| "the work on it panicked: a bug".to_owned())?.map_err(|error| error.to_string())
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut drawn = [0; 8];
    getrandom::fill(&mut drawn).map_err(|error| io::Error::other(error.to_string()))?;
    // One that is left behind by a process that was ended is no file of the repository: names of those begin otherwise.
    let beside = folder.join(format!(".{name}.{:016x}", u64::from_be_bytes(drawn)));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if let Err(error) = written {
        // Why it could not be written is the word that counts.
        drop(fs::remove_file(&beside));
        return Err(error);
    }
    sync(folder)
}

/// Makes a folder, and those above it, durably.
fn make(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().unwrap_or(Path::new(""));
    make(above)?;
    match fs::DirBuilder::new().mode(FOLDER_MODE).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| sync(above)),
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[tokio::test]
    async fn a_file_is_there_whole_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("a/b");
        let store = Store::folder(&root);
        assert_eq!(store.read("one", 10).await, Ok(None));
        assert_eq!(store.list("").await, Ok(Vec::new()));
        store.write("deep/one", b"first".to_vec()).await.expect("written");
        store.write("deep/one", b"second".to_vec()).await.expect("written again");
        store.write("two", Vec::new()).await.expect("written");
        assert_eq!(store.read("deep/one", 6).await, Ok(Some(b"second".to_vec())));
        let fault = store.read("deep/one", 5).await.expect_err("too large");
        assert_eq!(fault.fault(), Some(&crate::Fault::TooLarge { bytes: 6, limit: 5 }));
        let names = |listed: Vec<Listed>| listed.into_iter().map(|it| it.name).collect::<Vec<_>>();
        assert_eq!(names(store.list("").await.expect("listed")), ["deep", "two"]);
        assert_eq!(names(store.list("deep").await.expect("listed")), ["one"], "nothing is left beside it");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!([mode(&root), mode(&root.join("deep"))], [FOLDER_MODE; 2]);
        assert_eq!([mode(&root.join("two")), mode(&root.join("deep/one"))], [FILE_MODE; 2]);
        store.remove("two").await.expect("removed");
        store.remove("two").await.expect("gone");
        assert_eq!(store.read("two", 10).await, Ok(None));
        fs::write(root.join("blocked"), "a file").expect("written");
        assert!(matches!(store.write("blocked/one", Vec::new()).await, Err(crate::Error::Unwritable { .. })));
    }
}
