//! A place that keeps files by name: a folder, or a bucket. Both do the same: a file is there whole or not at all.

mod folder;
mod found;
mod s3;

pub use found::Listed;
pub use s3::S3;

use crate::fault::{Error, Fault};
use folder::Folder;
use found::Read;
use std::path::Path;

/// See the module's sentence. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Store {
    /// A folder of this machine.
    Folder(Folder),
    /// A bucket, or what begins with a prefix in one.
    S3(S3),
}

impl Store {
    /// A folder of this machine. It need not be there.
    pub fn folder(path: &Path) -> Self {
        Self::Folder(Folder::new(path))
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        match self {
            Store::Folder(folder) => folder.place(),
            Store::S3(s3) => s3.place(),
        }
    }

    /// A file; `None`: there is none of this name.
    pub async fn read(&self, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, Error> {
        let read = match self {
            Store::Folder(folder) => folder.read(name, bytes_max).await,
            Store::S3(s3) => s3.read(name, bytes_max).await,
        };
        match read {
            Ok(Read::Whole(bytes)) => Ok(Some(bytes)),
            Ok(Read::Absent) => Ok(None),
            Ok(Read::TooLarge { bytes }) => {
                let fault = Fault::TooLarge { bytes, limit: bytes_max };
                Err(Error::Bad { name: name.to_owned(), place: self.place(), fault })
            }
            Err(cause) => Err(Error::Unreadable { name: self.path(name), cause }),
        }
    }

    /// Writes a file, in the place of one of its name: once this has returned it is there whatever happens.
    pub async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let written = match self {
            Store::Folder(folder) => folder.write(name, bytes).await,
            Store::S3(s3) => s3.write(name, bytes).await,
        };
        written.map_err(|cause| Error::Unwritable { name: self.path(name), cause })
    }

    /// The files of a folder of it, by name; of the store itself (an empty name) also the folders in it.
    pub async fn list(&self, folder: &str) -> Result<Vec<Listed>, Error> {
        let listed = match self {
            Store::Folder(store) => store.list(folder).await,
            Store::S3(store) => store.list(folder).await,
        };
        let mut listed = listed.map_err(|cause| Error::Unreadable { name: self.path(folder), cause })?;
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// Removes a file; it need not be there.
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        let removed = match self {
            Store::Folder(folder) => folder.remove(name).await,
            Store::S3(s3) => s3.remove(name).await,
        };
        removed.map_err(|cause| Error::Unwritable { name: self.path(name), cause })
    }

    fn path(&self, name: &str) -> String {
        if name.is_empty() { self.place() } else { format!("{}/{name}", self.place()) }
    }
}
