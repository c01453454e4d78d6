//! Files are damaged while their node is down: a bit flips, or the end is missing.
//!
//! Three kinds of files: the database's log, its tables, and the node's own. Whatever was hit, the node must not answer
//! wrongly afterwards, and above all not "no such key": it has to see the damage and step out, or still be whole (see
//! [`doubt`](crate::cluster::doubt)).

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use super::aim::{Aim, Extent};
use super::{Fault, Struck};
use crate::cluster::doubt::{Cause, Expected};
use crate::cluster::{Cluster, Error, Excuse};

/// How long a node that starts may take to make a file of the kind that is wanted.
const APPEARANCE_TIMEOUT: Duration = Duration::from_secs(5);

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// One bit is another.
    Flip,
    /// The end is missing.
    Cut,
}

/// Which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The database's write-ahead log.
    Log,
    /// A table of the database: sorted records.
    Table,
    /// The node's own small files, and those in which the database keeps its own accounts.
    Own,
}

/// The fault, and whom it struck.
#[derive(Debug)]
pub struct Damage {
    manner: Manner,
    kind: Kind,
    aim: Aim,
    down: Vec<usize>,
}

impl Damage {
    /// Damage to files of this kind.
    pub fn new(manner: Manner, kind: Kind) -> Damage {
        Damage { manner, kind, aim: Aim::new(Extent::One), down: Vec::new() }
    }
}

impl Fault for Damage {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        self.down = self.aim.choose(&cluster.free(), cluster, cluster.may_make_doubtful(), random);
        let Some(index) = self.down.first().copied() else { return Ok(None) };
        cluster.claim(index, "damage");
        let node = cluster.node_mut(index);
        node.kill();
        if files_of(node.data(), self.kind).is_empty() {
            // A young database has its records in the log alone, and makes tables of it when it is opened again. They
            // are its own once the old logs are gone: before that it would make them anew from those.
            let logs = files_of(node.data(), Kind::Log);
            node.start_again()?;
            wait_for_files(node.data(), self.kind, &logs);
            node.kill();
        }
        let files = files_of(node.data(), self.kind);
        let Some(file) = files.choose(random) else {
            // Nothing was damaged: it goes on as it was.
            node.start_again()?;
            cluster.release_all(&self.down);
            self.down.clear();
            return Ok(None);
        };
        let failed = |cause| Error::Host { what: format!("damage {}", file.display()), cause };
        let what = damage(file, self.manner, random).map_err(failed)?;
        let expected = expected(file);
        match expected {
            // The documented end: without it it is unknown whose data these are.
            Expected::End => node.excuse(Some(Excuse::NoIdentity)),
            Expected::Doubt(_) | Expected::DoubtOrWhole(_) => {}
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let what = format!("was killed, and of its file {name} {what}");
        cluster.expect(index, expected);
        Ok(Struck::of(cluster, &self.down, &what))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        cluster.release_all(&self.down);
        for index in self.down.drain(..) {
            cluster.node_mut(index).start_again()?;
        }
        Ok("started again on what is left".to_owned())
    }
}

/// Waits until there are files of this kind and these others are gone, or long enough.
fn wait_for_files(data: &Path, kind: Kind, others: &[PathBuf]) {
    let deadline = Instant::now() + APPEARANCE_TIMEOUT;
    let is_done = || !files_of(data, kind).is_empty() && !others.iter().any(|other| other.exists());
    while !is_done() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Files of this kind that are not empty, in the order of their names.
fn files_of(data: &Path, kind: Kind) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = [data.to_owned(), data.join("db")]
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .flatten()
        .filter(|entry| entry.metadata().is_ok_and(|facts| facts.is_file() && facts.len() > 0))
        .map(|entry| entry.path())
        .filter(|path| kind_of(path) == Some(kind))
        .collect();
    files.sort();
    files
}

/// What a file is; `None` for those that no process reads again, such as the database's diary.
fn kind_of(path: &Path) -> Option<Kind> {
    let name = path.file_name()?.to_str()?;
    let is_of_database = path.parent()?.file_name()? == "db";
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("log") => Some(Kind::Log),
        Some("sst") => Some(Kind::Table),
        _ if name.starts_with("MANIFEST-") || name == "CURRENT" => Some(Kind::Own),
        _ if is_of_database => None,
        _ => Some(Kind::Own),
    }
}

/// What a node is expected to do that finds a file damaged. Its own small files it reads at every start, and each
/// counts as what it could have told (`docs/operations.md`); of all others it may not need the place that was hit.
fn expected(path: &Path) -> Expected {
    match path.file_name().and_then(|name| name.to_str()).unwrap_or_default() {
        "identity" => Expected::End,
        "watermark" | "manifest-mark" => Expected::Doubt(&[Cause::Behind]),
        "life" => Expected::Doubt(&[Cause::MachineStopped]),
        _ => Expected::DoubtOrWhole(&[Cause::Damaged, Cause::Behind]),
    }
}

/// Damages a file, and says where and how.
fn damage(path: &Path, manner: Manner, random: &mut ChaCha8Rng) -> std::io::Result<String> {
    let file = File::options().read(true).write(true).open(path)?;
    let bytes = file.metadata()?.len();
    match manner {
        Manner::Flip => {
            let (at, bit) = (random.random_range(0..bytes), random.random_range(0..8));
            let mut byte = [0];
            file.read_exact_at(&mut byte, at)?;
            byte[0] ^= 1 << bit;
            file.write_all_at(&byte, at)?;
            file.sync_all()?;
            Ok(format!("bit {bit} of byte {at} of {bytes} flipped"))
        }
        Manner::Cut => {
            let left = random.random_range(0..bytes);
            file.set_len(left)?;
            file.sync_all()?;
            Ok(format!("all past byte {left} of {bytes} is gone"))
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn files_are_known_by_their_names() {
        for (path, kind) in [
            ("/x/db/000004.log", Some(Kind::Log)),
            ("/x/db/000007.sst", Some(Kind::Table)),
            ("/x/db/MANIFEST-000005", Some(Kind::Own)),
            ("/x/identity", Some(Kind::Own)),
            ("/x/db/LOG", None),
            ("/x/db/LOCK", None),
        ] {
            assert_eq!(kind_of(Path::new(path)), kind, "{path}");
        }
    }

    #[test]
    fn each_file_of_our_own_has_its_documented_cause() {
        let of = |path| expected(Path::new(path));
        assert_eq!(of("/x/identity"), Expected::End);
        assert_eq!(of("/x/watermark"), Expected::Doubt(&[Cause::Behind]));
        assert_eq!(of("/x/life"), Expected::Doubt(&[Cause::MachineStopped]));
        assert!(matches!(of("/x/db/000007.sst"), Expected::DoubtOrWhole(_)));
    }

    #[test]
    fn a_flip_changes_one_bit_and_a_cut_takes_the_end() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let path = std::env::temp_dir().join(format!("quorate-jepsen-damage-{}", std::process::id()));
        let whole: Vec<u8> = (0..200).collect();
        std::fs::write(&path, &whole).expect("the folder for temporary files is writable");
        damage(&path, Manner::Flip, &mut random).expect("it is a file");
        let flipped = std::fs::read(&path).expect("it is a file");
        let bits: u32 = whole.iter().zip(&flipped).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!((bits, flipped.len()), (1, 200));
        damage(&path, Manner::Cut, &mut random).expect("it is a file");
        let cut = std::fs::read(&path).expect("it is a file");
        assert!(cut.len() < 200 && flipped.starts_with(&cut));
        std::fs::remove_file(&path).expect("it is a file");
    }
}
