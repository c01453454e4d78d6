//! Where a development cluster keeps its data.

use quorate_cli::output::Output;
use quorate_cli::{Exit, Failure};
use quorate_storage::keep_private;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// The log, in the folder of the nodes' folders.
pub const LOG: &str = "dev.log";

/// So many names of a temporary folder are tried.
const TEMPORARY_NAMES_MAX: usize = 64;

/// Where the nodes' folders are.
pub struct Folder {
    /// The folder above them.
    pub path: PathBuf,
    /// Whether it is deleted at the end.
    pub is_temporary: bool,
}

impl Folder {
    /// The folder of this path, or the usual one; a temporary one is new. What other users could read is kept from
    /// them.
    pub fn open(path: Option<&Path>, is_temporary: bool, output: &Output) -> Result<Self, Failure> {
        if is_temporary {
            return Ok(Self { path: temporary_folder()?, is_temporary });
        }
        let path = match path {
            Some(path) => path.to_owned(),
            None => default_folder()?,
        };
        let is_ours = |name: &str| name == LOG || name == "n1";
        let narrowed =
            keep_private(&path, is_ours).map_err(|error| Failure::new(Exit::Other, error.to_string()))?;
        if narrowed {
            output.note(&format!(
                "other users of this machine could read {}: it is kept to this user now",
                path.display()
            ));
        }
        Ok(Self { path, is_temporary })
    }

    /// What is said of it at the end.
    pub fn farewell(&self) -> String {
        if self.is_temporary {
            "stopped; the data is deleted".to_owned()
        } else {
            format!("stopped; the data is kept in {}", self.path.display())
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_temporary {
            // It is in the folder for temporary things: what cannot be deleted now, the system deletes.
            let _left = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// A new folder for temporary things, under a name that is not taken.
fn temporary_folder() -> Result<PathBuf, Failure> {
    let above = std::env::temp_dir();
    for attempt in 0..TEMPORARY_NAMES_MAX {
        let path = above.join(format!("quorate-dev-{}-{attempt}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            // Another user's, perhaps: it is left alone.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                let sentence = format!("{} cannot be made: {error}", path.display());
                return Err(Failure::new(Exit::Other, sentence).next("set TMPDIR, or say --data DIR"));
            }
        }
    }
    let sentence = format!("every name for a temporary folder in {} is taken", above.display());
    Err(Failure::new(Exit::Other, sentence).next("set TMPDIR, or say --data DIR"))
}

/// Where programs keep a user's data.
fn default_folder() -> Result<PathBuf, Failure> {
    let of = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = of("XDG_DATA_HOME").or_else(|| Some(of("HOME")?.join(".local/share")));
    data.map(|data| data.join("quorate/dev")).ok_or_else(|| {
        Failure::new(Exit::Usage, "there is no HOME to keep the data in: say --data DIR or --ephemeral")
    })
}
