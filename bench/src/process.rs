//! Processes that are measured: what they have used of the processors, and what they hold.

use crate::Outcome;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A process that is killed when it is dropped.
pub struct Process(Child);

impl Process {
    /// Starts it; what it says goes into a file.
    pub fn start(mut command: Command, log: &Path) -> Outcome<Self> {
        let log = File::create(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Self(command.spawn().map_err(|error| format!("{command:?}: {error}"))?))
    }

    /// Time of the processors that all of its threads have had, in steps of the kernel's clock (10 ms).
    pub fn cpu(&self) -> Outcome<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        // Its name may hold anything, but for the last bracket.
        let behind_name = stat.rsplit_once(')').ok_or("a stat without a name")?.1;
        let fields: Vec<&str> = behind_name.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
        let used = ticks(11).zip(ticks(12)).map(|(user, system)| user + system);
        let per_second = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_secs_f64(used.ok_or("a stat without times")? as f64 / per_second as f64))
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = resident.and_then(|field| field.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kibibytes.map_or(0, |kibibytes| kibibytes * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
