//! Small files that must survive a power cut: written beside, synced, renamed, and the folder synced.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// What the last line of a sealed text begins with.
const CHECKSUM: &str = "crc32 ";

/// Whether the operating system says only that it has no file, or no memory for one, now.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let of = |errno: Errno| error.raw_os_error() == Some(errno.raw_os_error());
    [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::MLINK].into_iter().any(of)
}

/// Replaces a file of a folder as a whole; after a crash there is the old or the new one.
pub(crate) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = folder.join(format!("{name}.new"));
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, folder.join(name))?;
    sync_folder(folder)
}

/// A short text with a checksum as its last line.
pub(crate) fn sealed(content: &str) -> String {
    format!("{content}{CHECKSUM}{:08x}\n", crc32fast::hash(content.as_bytes()))
}

/// Inverse of [`sealed`]; `None`: not one byte of it can be trusted.
pub(crate) fn unsealed(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (content, last) = text.split_at(text.rfind(CHECKSUM)?);
    (text == sealed(content) && last.len() == CHECKSUM.len() + 9).then_some(content)
}

/// Removes a file, durably; that it is gone already is fine.
pub(crate) fn remove(folder: &Path, name: &str) -> io::Result<()> {
    match fs::remove_file(folder.join(name)) {
        Ok(()) => sync_folder(folder),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes a folder and all above it, durably, for this user alone.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        create_folder(above)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    sync_folder(above.unwrap_or(Path::new(".")))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
