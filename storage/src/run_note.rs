//! How the last run of a folder ended: what a table with `durability=os` needs to know about a stop of the machine.
//!
//! Such a table's records are acknowledged once the operating system has them. A killed process leaves them there; a
//! machine that stops without warning does not, and the log looks whole afterwards, since its end was never on the
//! disk. So each run of a node is noted in the file `life`: in which run of the machine it began, whether it promised
//! anything that was not synced, and whether it was stopped in order, with everything synced.
//!
//! ```text
//! quorate life
//! machine 2d1ab1d5-...         the kernel's boot id
//! unsynced yes                 set before the first such promise
//! state running                or stopped
//! crc32 89abcdef
//! ```
//!
//! A run that was running, with unsynced promises, in another run of the machine has lost something. Where only
//! `sync` tables are, a power cut takes nothing that was acknowledged.

use crate::doubt::{Cause, Doubt};
use crate::file;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

const FILE: &str = "life";
const FIRST_LINE: &str = "quorate life";

/// Longest boot id that is believed, in bytes.
const MACHINE_BYTES_MAX: usize = 128;

/// Which run of the machine this is: what the kernel draws at each start of it, read from its file.
pub fn machine_run(file: &Path) -> io::Result<String> {
    let text = std::fs::read_to_string(file)?;
    let id = text.trim();
    let is_plain = id.bytes().all(|byte| byte.is_ascii_graphic());
    if id.is_empty() || id.len() > MACHINE_BYTES_MAX || !is_plain {
        return Err(io::Error::other("it holds no boot id"));
    }
    Ok(id.to_owned())
}

/// The note about the run that runs.
#[derive(Debug)]
pub struct RunNote {
    folder: PathBuf,
    noted: Mutex<Noted>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Noted {
    machine: String,
    unsynced: bool,
    running: bool,
}

impl Noted {
    fn encode(&self) -> String {
        let Self { machine, unsynced, running } = self;
        let (unsynced, state) =
            (if *unsynced { "yes" } else { "no" }, if *running { "running" } else { "stopped" });
        file::sealed(&format!("{FIRST_LINE}\nmachine {machine}\nunsynced {unsynced}\nstate {state}\n"))
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut lines = file::unsealed(bytes)?.lines();
        (lines.next()? == FIRST_LINE).then_some(())?;
        let machine = lines.next()?.strip_prefix("machine ")?.to_owned();
        let unsynced = match lines.next()?.strip_prefix("unsynced ")? {
            "yes" => true,
            "no" => false,
            _ => return None,
        };
        let running = match lines.next()?.strip_prefix("state ")? {
            "running" => true,
            "stopped" => false,
            _ => return None,
        };
        Some(Self { machine, unsynced, running })
    }

    /// What the note of an earlier run says about the data, in this run of the machine.
    fn doubt(&self, machine: &str) -> Option<Doubt> {
        let lost = self.running && self.unsynced && self.machine != machine;
        lost.then(|| {
            Doubt::new(
                Cause::MachineStopped,
                "the machine stopped without warning while tables with durability=os were served: records that it had \
                 acknowledged and not synced may be missing",
            )
        })
    }
}

/// Whether these bytes are a note; for the test of every decoder of outside bytes.
pub fn takes(bytes: &[u8]) -> bool {
    let Some(noted) = Noted::decode(bytes) else { return false };
    assert_eq!(Noted::decode(noted.encode().as_bytes()), Some(noted));
    true
}

impl RunNote {
    /// Begins a run in a folder, in this run of the machine; says what the end of the last one means for the data. With
    /// a doubt nothing is noted. A folder that is being founded may have no note yet (`may_be_missing`).
    pub fn begin(folder: &Path, machine: &str, may_be_missing: bool) -> io::Result<(Self, Option<Doubt>)> {
        let untold = |what: &str| {
            let reason = format!(
                "the file life {what}, so that it cannot be known whether the machine stopped while acknowledged records \
                 were in its memory alone"
            );
            Some(Doubt::new(Cause::MachineStopped, reason))
        };
        let (before, doubt) = match std::fs::read(folder.join(FILE)) {
            Ok(bytes) => match Noted::decode(&bytes) {
                Some(noted) => {
                    let doubt = noted.doubt(machine);
                    (Some(noted), doubt)
                }
                None => (None, untold("is damaged")),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound && may_be_missing => (None, None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (None, untold("is gone")),
            Err(error) => return Err(error),
        };
        // What a killed process left in the machine's memory is still only there.
        let unsynced = before.is_some_and(|before| before.running && before.unsynced);
        let noted = Noted { machine: machine.to_owned(), unsynced, running: true };
        if doubt.is_none() {
            file::replace(folder, FILE, noted.encode().as_bytes())?;
        }
        Ok((Self { folder: folder.into(), noted: Mutex::new(noted) }, doubt))
    }

    /// Notes that from now on something may be acknowledged that is not synced. Durable when it returns; again:
    /// nothing.
    pub fn promise_unsynced(&self) -> io::Result<()> {
        self.note(|noted| noted.unsynced = true)
    }

    /// Notes that this run ended in order. Everything must be synced by now.
    pub fn end(&self) -> io::Result<()> {
        self.note(|noted| {
            noted.unsynced = false;
            noted.running = false;
        })
    }

    /// Replaces whatever is noted about earlier runs: what they lost was accepted.
    pub(crate) fn forget(folder: &Path) -> io::Result<()> {
        let noted = Noted { machine: "none".to_owned(), unsynced: false, running: false };
        file::replace(folder, FILE, noted.encode().as_bytes())
    }

    fn note(&self, change: impl FnOnce(&mut Noted)) -> io::Result<()> {
        let mut noted = self.noted();
        let mut next = noted.clone();
        change(&mut next);
        if next != *noted {
            file::replace(&self.folder, FILE, next.encode().as_bytes())?;
            *noted = next;
        }
        Ok(())
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        // It is replaced as a whole, even after a panic elsewhere.
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(folder: &Path, machine: &str) -> (RunNote, Option<Cause>) {
        let (run, doubt) = RunNote::begin(folder, machine, false).expect("noted");
        (run, doubt.map(|doubt| doubt.cause))
    }

    fn founded() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        RunNote::begin(folder.path(), "one", true).expect("noted");
        folder
    }

    #[test]
    fn a_stop_of_the_machine_counts_only_where_something_was_promised_unsynced() {
        let folder = founded();
        assert_eq!(begin(folder.path(), "two").1, None, "all that was acknowledged was synced");
        let (run, _) = begin(folder.path(), "two");
        run.promise_unsynced().expect("noted");
        assert_eq!(begin(folder.path(), "two").1, None, "a killed process leaves it with the machine");
        assert_eq!(begin(folder.path(), "two").1, None, "and so does the next one");
        assert_eq!(begin(folder.path(), "three").1, Some(Cause::MachineStopped));
        assert_eq!(begin(folder.path(), "three").1, Some(Cause::MachineStopped), "it is not forgotten");
        RunNote::forget(folder.path()).expect("noted");
        assert_eq!(begin(folder.path(), "three").1, None, "until it was accepted");
    }

    #[test]
    fn a_life_that_ended_in_order_lost_nothing() {
        let folder = founded();
        let (run, _) = begin(folder.path(), "one");
        run.promise_unsynced().expect("noted");
        run.end().expect("noted");
        assert_eq!(begin(folder.path(), "two").1, None);
    }

    #[test]
    fn a_damaged_or_missing_note_is_a_doubt_at_every_byte() {
        let folder = founded();
        let path = folder.path().join(FILE);
        let whole = std::fs::read(&path).expect("readable");
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            for damaged in [flipped, whole[..at].to_vec()] {
                std::fs::write(&path, &damaged).expect("written");
                assert_eq!(begin(folder.path(), "one").1, Some(Cause::MachineStopped), "byte {at}");
            }
        }
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(begin(folder.path(), "one").1, Some(Cause::MachineStopped));
    }

    #[test]
    fn a_boot_id_is_one_plain_word() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("boot_id");
        for (text, is_one) in [("2d1a-b1d5\n", true), ("", false), ("two words", false), ("a\nb", false)] {
            std::fs::write(&file, text).expect("written");
            assert_eq!(machine_run(&file).is_ok(), is_one, "{text:?}");
        }
        assert!(machine_run(&folder.path().join("none")).is_err());
    }
}
