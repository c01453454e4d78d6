//! Clocks that can be set, one for each node, without touching the machine's.
//!
//! libfaketime was tried first: a process with jemalloc as its allocator hangs under it before its first line, since
//! each waits for the other to be set up (`LD_PRELOAD=libfaketime.so.1 quorate --version` never returns). So there is a
//! clock of our own, in the same manner but smaller: `clock.c` beside this file is compiled once a run and loaded before
//! the node's libraries. It needs nothing of the node: any binary is run as it is shipped.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Error;
use crate::tool::{self, Background};
use quorate_ports::Block;

const SOURCE: &str = include_str!("clock.c");

/// The name of the variable that `clock.c` reads.
const VARIABLE: &str = "JEPSEN_CLOCK_FILE";

/// How wrong a clock is in a trial: far enough not to be taken for the right one.
const A_YEAR_AGO: Setting = Setting::Shifted { ms: -86_400_000 * 365 };

/// How near to the right time a clock must be to be right in a trial.
const DAY: Duration = Duration::from_hours(24);

/// How long a node of a trial may take to answer with the date that is wanted.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(15);

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
    /// Compiles it into a folder, and sees that a program believes it, and that a node of this binary does, with these
    /// variables: also while it runs.
    pub fn make(folder: &Path, binary: &Path, environment: &[(String, String)]) -> Result<Clock, Error> {
        let library = folder.join("clock.so");
        let output = library.display().to_string();
        tool::run_with("cc", &["-x", "c", "-shared", "-fPIC", "-O2", "-o", &output, "-"], SOURCE)?;
        let clock = Clock { library };
        let trial = folder.join("clock-trial");
        std::fs::create_dir_all(&trial).map_err(Error::host(format!("folder {}", trial.display())))?;
        let variables = clock.environment(&trial)?;
        let variables: Vec<String> =
            variables.iter().chain(environment).map(|(name, value)| format!("{name}={value}")).collect();
        let mut words: Vec<&str> = vec!["5", "env"];
        words.extend(variables.iter().map(String::as_str));
        set(&trial, A_YEAR_AGO)?;
        let year = tool::run("timeout", &[&words[..], &["date", "+%s"]].concat())?;
        let shown: u64 = year.trim().parse().unwrap_or(u64::from(u32::MAX));
        if Duration::from_secs(shown) + DAY > since_epoch() {
            return Err(
                tool::Error { command: "date".into(), said: format!("ignores its clock: {shown}") }.into()
            );
        }
        try_node(&trial, binary, &variables)?;
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

/// Founds a node whose clock is a year late, and sees in the header `Date` of its answers that it believes that, and
/// that it notices when the clock is set right. A server may keep a date until its clock has passed it, so the clock
/// goes forwards.
fn try_node(trial: &Path, binary: &Path, variables: &[String]) -> Result<(), Error> {
    let ports = Block::take().map_err(|_| Error::NoFreePorts)?;
    let address = ports.address(0);
    let data = trial.join("data");
    let failed = || Error::host(format!("start {}", binary.display()));
    std::fs::create_dir_all(&data).map_err(failed())?;
    let mut command = tool::command("setpriv");
    command.args(["--pdeathsig", "KILL", "env"]).args(variables).arg(binary);
    command.args(["serve", "--bootstrap", "--cluster-name", "clock-trial", "--listen", &address]);
    command.args(["--peer-listen", &ports.address(1), "--data"]).arg(&data);
    let _node = Background::start(&mut command).map_err(failed())?;
    wait_for_date(&address, |shown| shown + DAY < since_epoch())?;
    set(trial, Setting::Right)?;
    wait_for_date(&address, |shown| shown + DAY > since_epoch())
}

/// Waits until a node's answers have a date of this kind.
fn wait_for_date(address: &str, is_wanted: impl Fn(Duration) -> bool) -> Result<(), Error> {
    let deadline = Instant::now() + TRIAL_TIMEOUT;
    let mut last = "no answer".to_owned();
    while Instant::now() < deadline {
        match date_of(address) {
            Ok(Some(date)) => {
                let seconds =
                    tool::run("date", &["-d", &date, "+%s"])?.trim().parse().unwrap_or(u64::MAX / 2);
                if is_wanted(Duration::from_secs(seconds)) {
                    return Ok(());
                }
                last = date;
            }
            Ok(None) => "an answer without a date".clone_into(&mut last),
            Err(error) => last = error.to_string(),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(Error::TooLate {
        what: "the clock of a node to be as it is set".to_owned(),
        waited: TRIAL_TIMEOUT,
        last,
    })
}

/// The header `Date` of a node's answer.
fn date_of(address: &str) -> std::io::Result<Option<String>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TRIAL_TIMEOUT))?;
    write!(stream, "GET /health/live HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(date_in(&answer).map(str::to_owned))
}

fn date_in(answer: &str) -> Option<&str> {
    let headers = answer.lines().take_while(|line| !line.is_empty());
    let mut named = headers.filter_map(|line| line.split_once(':'));
    named.find(|(name, _)| name.eq_ignore_ascii_case("date")).map(|(_, value)| value.trim())
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
    fn the_date_is_found_among_the_headers() {
        let answer =
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nDate: Fri, 27 Nov 2026 20:00:00 GMT\r\n\r\ndate: x";
        assert_eq!(date_in(answer), Some("Fri, 27 Nov 2026 20:00:00 GMT"));
        assert_eq!(date_in("HTTP/1.1 200 OK\r\n\r\ndate: x"), None);
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
