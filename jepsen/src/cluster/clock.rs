//! Clocks that can be set, one for each node, without touching the machine's.
//!
//! libfaketime was tried first: a process with jemalloc as its allocator hangs under it before its first line, since
//! each waits for the other to be set up (`LD_PRELOAD=libfaketime.so.1 quorate --version` never returns). So there is a
//! clock of our own, in the same manner but smaller: `clock.c` beside this file is compiled once a run and loaded before
//! the node's libraries. It needs nothing of the node: any binary is run as it is shipped.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Error;
use crate::tool;

const SOURCE: &str = include_str!("clock.c");

/// The name of the variable that `clock.c` reads.
const VARIABLE: &str = "JEPSEN_CLOCK_FILE";

/// A compiled clock.
#[derive(Clone, Debug)]
pub struct Clock {
    library: PathBuf,
}

/// What the clock of one node shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The machine's time.
    Right,
    /// So many milliseconds later, or, below zero, earlier.
    Shifted {
        /// The milliseconds.
        ms: i64,
    },
    /// From now on, so many hundredths of the right speed.
    Paced {
        /// 100 is right.
        percent: i64,
    },
}

impl Clock {
    /// Compiles it into a folder, and sees that this binary runs under it, with these variables, and that a program
    /// believes it.
    pub fn make(folder: &Path, binary: &Path, environment: &[(String, String)]) -> Result<Clock, Error> {
        let library = folder.join("clock.so");
        let output = library.display().to_string();
        tool::run_with("cc", &["-x", "c", "-shared", "-fPIC", "-O2", "-o", &output, "-"], SOURCE)?;
        let clock = Clock { library };
        let trial = folder.join("clock-trial");
        std::fs::create_dir_all(&trial)
            .map_err(|cause| Error::Host { what: format!("folder {}", trial.display()), cause })?;
        let variables = clock.environment(&trial)?;
        let variables: Vec<String> =
            variables.iter().chain(environment).map(|(name, value)| format!("{name}={value}")).collect();
        let mut words: Vec<&str> = vec!["5", "env"];
        words.extend(variables.iter().map(String::as_str));
        set(&trial, Setting::Shifted { ms: -86_400_000 * 365 })?;
        let year = tool::run("timeout", &[&words[..], &["date", "+%s"]].concat())?;
        let binary = binary.display().to_string();
        tool::run("timeout", &[&words[..], &[&binary, "--version"]].concat())?;
        let shown: u64 = year.trim().parse().unwrap_or(u64::from(u32::MAX));
        if Duration::from_secs(shown) + Duration::from_secs(86_400) > since_epoch() {
            return Err(
                tool::Error { command: "date".into(), said: format!("ignores its clock: {shown}") }.into()
            );
        }
        Ok(clock)
    }

    /// The variables under which a process has a clock of its own, which is kept in this folder and is right.
    pub fn environment(&self, folder: &Path) -> Result<[(String, String); 2], Error> {
        set(folder, Setting::Right)?;
        let file = file_in(folder).display().to_string();
        Ok([("LD_PRELOAD".to_owned(), self.library.display().to_string()), (VARIABLE.to_owned(), file)])
    }
}

/// Sets the clock that is kept in a folder.
pub fn set(folder: &Path, setting: Setting) -> Result<(), Error> {
    let path = file_in(folder);
    let failed = |cause| Error::Host { what: format!("clock {}", path.display()), cause };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    file.write_all_at(&words(setting, since_epoch()), 0).map_err(failed)
}

fn file_in(folder: &Path) -> PathBuf {
    folder.join("clock")
}

/// What `clock.c` reads: shift, base and drift.
fn words(setting: Setting, now: Duration) -> [u8; 24] {
    let base = i64::try_from(now.as_nanos()).expect("nanoseconds of this century fit");
    let (shift, drift) = match setting {
        Setting::Right => (0, 0),
        Setting::Shifted { ms } => (ms * 1_000_000, 0),
        Setting::Paced { percent } => (0, (percent - 100) * 10_000),
    };
    let mut words = [0; 24];
    for (word, number) in words.chunks_exact_mut(8).zip([shift, base, drift]) {
        word.copy_from_slice(&number.to_ne_bytes());
    }
    words
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(words: &[u8; 24], index: usize) -> i64 {
        i64::from_ne_bytes(words[8 * index..8 * index + 8].try_into().expect("eight bytes"))
    }

    #[test]
    fn a_setting_is_a_shift_or_a_drift_from_now_on() {
        let now = Duration::from_secs(1_000);
        let later = words(Setting::Shifted { ms: 250 }, now);
        assert_eq!((number(&later, 0), number(&later, 2)), (250_000_000, 0));
        let slow = words(Setting::Paced { percent: 50 }, now);
        assert_eq!((number(&slow, 0), number(&slow, 1), number(&slow, 2)), (0, 1_000_000_000_000, -500_000));
        assert_eq!(number(&words(Setting::Right, now), 2), 0);
    }
}
