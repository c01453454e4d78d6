//! Disks that fail, fill up or take their time.
//!
//! Failing and slow ones are made with strace, which sits between the process and the kernel and answers `fdatasync`
//! and `fsync` in the kernel's place, or late. A full one is made by giving all space that is left to another file. A
//! sync that failed may have lost what it was to keep, so such a node must doubt its disk, unless it has tried none.
//!
//! A tracer that sits nowhere does nothing, without a sign of it: so it is waited for, and must still be there when
//! the disk is to be well again.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use rustix::process::{Pid, Signal, kill_process};

use super::aim::{Effect, Told};
use crate::cluster::doubt::{Cause, Expected};
use crate::cluster::{Cluster, Error};
use crate::tool;

/// How long a tracer may take to hold all threads of a process.
const ATTACH_TIMEOUT: Duration = Duration::from_secs(5);

/// What a tracer writes behind a sync that it has answered itself, or held back.
const MARKS: [&str; 2] = ["(INJECTED)", "(DELAYED)"];

/// How long a sync takes on a slow disk, in milliseconds.
const SYNC_MS: std::ops::RangeInclusive<u64> = 50..=700;

/// What a disk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Every sync fails.
    Fails,
    /// Every sync takes long.
    Slow,
    /// It is full.
    Full,
}

/// The fault, and the tracers that do it.
#[derive(Debug)]
pub struct Disk {
    manner: Manner,
    tracers: Vec<Tracer>,
}

/// A strace that holds a node.
#[derive(Debug)]
struct Tracer {
    index: usize,
    process: Child,
    /// The process that it holds.
    held: u32,
    /// What it has seen.
    log: PathBuf,
}

impl Disk {
    /// A disk of this manner.
    pub fn new(manner: Manner) -> Disk {
        Disk { manner, tracers: Vec::new() }
    }

    /// Lets the tracers go, and gives how many syncs each node tried. An error names one that was gone before.
    fn end_tracers(&mut self, cluster: &Cluster) -> Result<Vec<(usize, usize)>, Error> {
        let (mut tried, mut gone) = (Vec::new(), None);
        for mut tracer in self.tracers.drain(..) {
            let is_needed = cluster.nodes()[tracer.index].pid() == Some(tracer.held);
            if let (true, Ok(Some(status))) = (is_needed && is_there(tracer.held), tracer.process.try_wait())
            {
                let name = cluster.nodes()[tracer.index].name();
                let said = format!("has let go of {name} before its time: {status}");
                gone = Some(tool::Error { command: "strace".to_owned(), said });
            }
            tracer.end();
            tried.push((tracer.index, syncs_in(&std::fs::read_to_string(&tracer.log).unwrap_or_default())));
        }
        gone.map_or(Ok(tried), |error| Err(error.into()))
    }
}

impl Tracer {
    /// Told to end, it lets go of the process first.
    fn end(&mut self) {
        // Both fail only if it is gone, as it is if the process died.
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let _ = self.process.wait();
    }

    /// Waits until it holds all threads of the process.
    fn wait_until_it_holds(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + ATTACH_TIMEOUT;
        while !holds_all(self.process.id(), self.held) {
            let ended = self.process.try_wait().ok().flatten();
            if ended.is_some() || Instant::now() > deadline {
                let said = ended.map_or_else(
                    || format!("does not hold process {} within {} s", self.held, ATTACH_TIMEOUT.as_secs()),
                    |status| format!("could not hold process {}: {status}", self.held),
                );
                return Err(tool::Error { command: "strace".to_owned(), said }.into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.end();
    }
}

impl Effect for Disk {
    fn claims(&self) -> Option<&'static str> {
        Some("disk")
    }

    fn limit(&self, cluster: &Cluster) -> usize {
        match self.manner {
            Manner::Fails => cluster.may_make_doubtful(),
            Manner::Slow | Manner::Full => usize::MAX,
        }
    }

    fn strike(&mut self, cluster: &mut Cluster, nodes: &[usize], random: &mut ChaCha8Rng) -> Told {
        let ms = random.random_range(SYNC_MS);
        for index in nodes {
            match self.manner {
                Manner::Fails => {
                    cluster.expect(*index, Expected::DoubtOrWhole(&[Cause::Failed]));
                    self.tracers.extend(trace(cluster, *index, "error=EIO")?);
                }
                Manner::Slow => {
                    self.tracers.extend(trace(cluster, *index, &format!("delay_enter={}", ms * 1_000))?);
                }
                Manner::Full => {
                    cluster.nodes()[*index].disk().map_or(Ok(()), crate::cluster::disk::Disk::fill)?;
                }
            }
        }
        for tracer in &mut self.tracers {
            tracer.wait_until_it_holds()?;
        }
        Ok(match self.manner {
            Manner::Fails => "its disk fails every sync".to_owned(),
            Manner::Slow => format!("its disk takes {ms} ms for a sync"),
            Manner::Full => "its disk is full".to_owned(),
        })
    }

    fn heal(&mut self, cluster: &mut Cluster, nodes: &[usize]) -> Told {
        let tried = self.end_tracers(cluster);
        for index in nodes {
            if let (Some(disk), Manner::Full) = (cluster.nodes()[*index].disk(), self.manner) {
                disk.empty()?;
            }
        }
        let tried = tried?;
        if self.manner == Manner::Fails {
            for (index, syncs) in &tried {
                match syncs {
                    0 => cluster.trust(*index),
                    1.. => cluster.expect(*index, Expected::Doubt(&[Cause::Failed])),
                }
            }
        }
        let said = |(index, syncs): &(usize, usize)| {
            format!(", of {} it got {syncs} syncs", cluster.nodes()[*index].name())
        };
        Ok(format!("its disk is well again{}", tried.iter().map(said).collect::<String>()))
    }
}

/// Sits down between a node and the kernel's syncs; `None` if the node does not run.
fn trace(cluster: &Cluster, index: usize, injection: &str) -> Result<Option<Tracer>, Error> {
    let node = &cluster.nodes()[index];
    let Some(pid) = node.pid() else { return Ok(None) };
    let log = node.folder().join("syncs");
    let process = tool::command("strace")
        .args(["-f", "-qq", "-e", "trace=fdatasync,fsync", "-o"])
        .arg(&log)
        .args(["-e", &format!("inject=fdatasync,fsync:{injection}"), "-p", &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Error::host("strace"))?;
    Ok(Some(Tracer { index, process, held: pid, log }))
}

/// Whether a process is there, and is more than a zombie: an exit status that was not collected.
fn is_there(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("VmRSS:"))
}

/// Whether a tracer holds every thread of a process.
fn holds_all(tracer: u32, pid: u32) -> bool {
    let threads = std::fs::read_dir(Path::new("/proc").join(pid.to_string()).join("task"));
    let mut held = threads.into_iter().flatten().flatten().filter_map(|thread| {
        // A thread that has just ended needs no tracer.
        let status = std::fs::read_to_string(thread.path().join("status")).ok()?;
        Some(tracer_in(&status) == Some(tracer))
    });
    let first = held.next().unwrap_or(false);
    first && held.all(|is_held| is_held)
}

/// Who traces a thread, from the kernel's page about it.
fn tracer_in(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("TracerPid:"))?.trim().parse().ok()
}

/// How many syncs a tracer has answered itself, or held back.
fn syncs_in(log: &str) -> usize {
    log.lines().filter(|line| MARKS.iter().any(|mark| line.ends_with(mark))).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tracer_did_is_read() {
        let log = "17 fdatasync(9) = -1 EIO (Input/output error) (INJECTED)\n18 fsync(4 <unfinished ...>\n18 <... \
                   fsync resumed>) = 0 (DELAYED)\n17 fdatasync(9) = 0\n";
        assert_eq!(syncs_in(log), 2);
        assert_eq!(tracer_in("Name:\tx\nTracerPid:\t812\n"), Some(812));
        assert_eq!(tracer_in("Name:\tx\n"), None);
    }

    #[test]
    fn a_process_without_a_tracer_is_not_held() {
        assert!(!holds_all(1, std::process::id()) && is_there(std::process::id()));
    }
}
