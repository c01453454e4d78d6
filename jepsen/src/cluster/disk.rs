//! A disk that can lose its power: ext4 in a file, mounted through a loop device.
//!
//! To cut the power of a whole machine is to forget what was handed to the operating system but not synced. A process
//! that is killed forgets nothing of the kind, so its file system must: ext4's shutdown, without writing out its log,
//! makes every later access fail and leaves on the "disk" only what was synced before. What is mounted afterwards is
//! what a machine would find when it has power again.
//!
//! The same disk fills up when all that is left of it is given to one large file.

use std::path::{Path, PathBuf};

use super::Error;
use crate::tool;

/// ext4's shutdown as the kernel numbers it: `_IOR('X', 125, __u32)`, with 2 for "do not write out the log". perl is on
/// every Debian, and a request to a device needs unsafe code in Rust.
const SHUT_DOWN: &str = r#"
    open(my $place, "<", $ARGV[0]) or die "open: $!\n";
    my $how = pack("L", 2);
    ioctl($place, 0x8004587d, $how) or die "shutdown: $!\n";
"#;

/// The file that takes all space that is left.
const FILLER: &str = "filler";

/// The file that shows that there is no space.
const TRIAL: &str = "trial-of-space";

/// How long that file is.
const TRIAL_BYTES: usize = 64 << 10;

/// The smallest piece of space.
const BLOCK_BYTES: u64 = 4_096;

/// How often a disk is filled again when its owner has just given something back.
const FILLINGS_MAX: u32 = 5;

/// A file system in a file, unmounted and deleted when this is dropped.
#[derive(Debug)]
pub struct Disk {
    image: PathBuf,
    place: PathBuf,
}

impl Disk {
    /// Makes one of this size and mounts it. The file's name begins with the run's prefix, so that it is found if the
    /// run crashes.
    pub fn make(image: PathBuf, place: &Path, bytes: u64) -> Result<Disk, Error> {
        let failed = |cause| Error::Host { what: format!("a disk in {}", image.display()), cause };
        std::fs::create_dir_all(place).map_err(failed)?;
        let file = std::fs::File::create(&image).map_err(failed)?;
        file.set_len(bytes).map_err(failed)?;
        // No blocks are kept back for the administrator: full is full.
        tool::run("mkfs.ext4", &["-q", "-F", "-m", "0", &image.display().to_string()])?;
        let disk = Disk { image, place: place.to_owned() };
        disk.mount()?;
        Ok(disk)
    }

    /// Forgets everything that was not synced. Processes with files open there get errors from now on.
    pub fn cut_power(&self) -> Result<(), Error> {
        tool::run("perl", &["-e", SHUT_DOWN, &self.place.display().to_string()])?;
        Ok(())
    }

    /// Mounts what is left after the power was cut, once no process has files open there.
    pub fn restore(&self) -> Result<(), Error> {
        tool::run("umount", &[&self.place.display().to_string()])?;
        self.mount()
    }

    /// Gives all space that is left to one file, until no process can write anything.
    pub fn fill(&self) -> Result<(), Error> {
        for _ in 0..FILLINGS_MAX {
            self.fill_once();
            if self.is_full()? {
                return Ok(());
            }
        }
        let cause = std::io::Error::other("something can still be written");
        Err(Error::Host { what: format!("fill the disk at {}", self.place.display()), cause })
    }

    fn fill_once(&self) {
        let filler = self.place.join(FILLER);
        let mut whole: u64 = std::fs::metadata(&filler).map_or(0, |facts| facts.len());
        let filler = filler.display().to_string();
        let mut bytes: u64 = 1 << 40;
        // The largest power of two first, then what is left, down to single blocks.
        while bytes >= BLOCK_BYTES {
            let (at, length) = (whole.to_string(), bytes.to_string());
            match tool::run("fallocate", &["--offset", &at, "--length", &length, &filler]) {
                Ok(_) => whole += bytes,
                Err(_) => bytes /= 2,
            }
        }
    }

    /// Whether not even a short file can be written. Single blocks may be left that the file system itself needs.
    fn is_full(&self) -> Result<bool, Error> {
        let trial = self.place.join(TRIAL);
        let written = std::fs::write(&trial, vec![1; TRIAL_BYTES]);
        let removed = std::fs::remove_file(&trial);
        match (written, removed) {
            (Err(cause), _) if cause.kind() == std::io::ErrorKind::StorageFull => Ok(true),
            (Ok(()), Ok(())) => Ok(false),
            (Err(cause), _) | (Ok(()), Err(cause)) => {
                Err(Error::Host { what: format!("a trial at {}", trial.display()), cause })
            }
        }
    }

    /// Gives the space back.
    pub fn empty(&self) -> Result<(), Error> {
        let filler = self.place.join(FILLER);
        match std::fs::remove_file(&filler) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::Host { what: format!("remove {}", filler.display()), cause })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn mount(&self) -> Result<(), Error> {
        let (image, place) = (self.image.display().to_string(), self.place.display().to_string());
        tool::run("mount", &["-o", "loop,noatime", &image, &place])?;
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that has just been killed may hold it for a moment longer.
        let _ = tool::run("umount", &["-l", &self.place.display().to_string()]);
        let _ = std::fs::remove_file(&self.image);
    }
}
